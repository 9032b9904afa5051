//! The rules against models too simple to be wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

mod address_plan;
mod authorization;
mod block;
mod bucket;
mod connection;
mod inbound;
mod ports;
mod principal;
mod scaling;
mod trace;
