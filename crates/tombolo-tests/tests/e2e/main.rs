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

mod admission;
mod authentication;
mod bad_input;
mod clients;
mod clock;
mod commands;
mod conformance;
mod crash;
mod dashboard;
mod database;
mod demo;
mod doctor;
mod fleets;
mod games;
mod instances;
mod isolation;
mod keys;
mod logs;
mod mtu;
mod networks;
mod operator;
mod packets;
mod players;
mod programs;
mod quotas;
mod restarts;
mod rust_sdk;
mod serve;
mod snapshot;
mod trace;
mod uploads;
