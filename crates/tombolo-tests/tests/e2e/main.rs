//! The real binary, by real clients, with real packets.
//!
//! One executable, because each that links the AWS SDK costs a minute. Network tests need root and
//! fail without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

mod authentication;
mod bad_input;
mod clients;
mod clock;
mod conformance;
mod crash;
mod database;
mod fleets;
mod packets;
mod rust_sdk;
mod serve;
mod snapshot;
