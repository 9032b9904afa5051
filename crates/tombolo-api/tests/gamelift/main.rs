//! GameLift's operations as their callers meet them: every request is held against the service's
//! model on its way in and every reply on its way out, and a refusal must leave the store as it
//! was, to the byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

mod addresses;
mod any_request;
#[path = "../anything/mod.rs"]
mod anything;
mod authorizations;
mod builds;
mod connections;
mod deletion;
mod events;
mod fleets;
mod server;
#[path = "../slow/mod.rs"]
mod slow;
mod tags;
mod torn;
