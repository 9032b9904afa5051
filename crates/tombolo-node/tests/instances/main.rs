//! The instances of a fleet: real supervisors and server processes, in a network without packets.
//! They take root: control groups, namespaces and users of their own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails is meant to panic"
)]

mod capacity;
#[path = "../node/engine.rs"]
#[allow(dead_code, reason = "the tests of connections use the rest")]
mod engine;
mod failure;
#[path = "../node/gate.rs"]
mod gate;
mod hosting;
mod installer;
mod leftovers;
mod players;
mod reports;
mod runtime;
mod survival;
#[path = "../node/world.rs"]
#[allow(dead_code, reason = "the tests of connections use the rest")]
mod world;
