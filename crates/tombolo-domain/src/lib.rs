//! What Tombolo's rules are about, and the rules themselves: pure functions and values.
//!
//! **Architecture invariant:** this crate has no IO, no clock and no randomness. Whatever needs
//! the time takes `now`, whatever makes an id takes an [`id::IdSource`]. It depends on no async
//! runtime, so every rule can be tested against a naive model without a server.

pub mod id;
