//! The simulated engine does what every engine must.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::conformance::check;
use tombolo_network::SimulatedEngine;

#[tokio::test]
async fn the_simulated_engine_does_what_every_engine_must() {
    check(&SimulatedEngine::new()).await;
}
