//! The wire, from bytes to bytes: what real and broken clients send to [`tombolo_api::http::Api`]
//! and what they get, with operations that only record what reached them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panic"
)]

mod authentication;
mod bad_input;
mod conformance;
mod forgery;
mod log;
mod protocols;
mod server;
mod signer;
mod socket;
