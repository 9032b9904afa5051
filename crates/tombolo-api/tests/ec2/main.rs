//! EC2's operations as their callers meet them: every request is held against the service's model
//! on its way in and every reply on its way out, and a refusal must leave the store as it was, to
//! the byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

mod any_request;
#[path = "../anything/mod.rs"]
mod anything;
mod contention;
mod interfaces;
mod isolation;
mod peerings;
mod reach;
mod selection;
mod server;
#[path = "../slow/mod.rs"]
mod slow;
mod subnets;
mod tags;
mod vpcs;
