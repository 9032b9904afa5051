//! What becomes of peering connections, through the store and the network engine alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails is meant to panic"
)]

mod between;
mod engine;
mod fleets;
mod room;
mod world;
