//! Reconcilers: from what the store wants to what the engines have.
