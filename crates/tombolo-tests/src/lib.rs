//! What the end-to-end tests and the benchmark share: they start the real binary, talk to it over
//! its public face, and clean up after it.
//!
//! Everything in here panics when it fails, since that is how a test fails.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

pub mod aws;
pub mod binary;
pub mod build;
mod daemon;
pub mod dev;
pub mod http;
pub mod leftovers;
pub mod metrics;
pub mod network;
pub mod nobody;
pub mod probe;
pub mod program;
pub mod scenario;
pub mod server;
pub mod serving;
pub mod sigv4;
pub mod tools;
pub mod workload;
pub mod xml;

pub use tombolo_testkit::wait;
