//! What becomes of peering connections, fleets and their instances, through the store, the network engine
//! and real supervisors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails is meant to panic"
)]

mod between;
mod engine;
mod fleets;
mod instances;
mod room;
mod world;
