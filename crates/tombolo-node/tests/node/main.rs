//! What becomes of peering connections and of fleets without instances, through the store and an engine
//! without packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails is meant to panic"
)]

mod between;
mod changes;
mod disk;
#[allow(dead_code, reason = "the tests of instances use the rest")]
mod engine;
mod fleets;
mod gate;
mod hosts;
mod network_reports;
mod panics;
mod programs;
mod rings;
mod table_capacity;
#[allow(dead_code, reason = "the tests of instances use the rest")]
mod world;
