//! What the tests of several crates share. Only `tests/` folders use it: a unit test inside
//! `tombolo-api` would meet another `tombolo-api` here than the one that it is in. The clock and the
//! ids of unit tests are in `tombolo_domain::testing`.
//!
//! Everything in here panics when it fails, since that is how a test fails.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

pub mod account;
pub mod document;
pub mod ec2;
pub mod frame;
pub mod gamelift;
pub mod netns;
pub mod packet_socket;
pub mod server;
pub mod sigv4;
pub mod site;
pub mod wait;

pub use tombolo_domain::testing::{ManualClock, SeededIds};
