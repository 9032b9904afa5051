//! Amazon S3's wire, for builds on their way in: buckets, objects and multipart uploads.
//!
//! ```text
//! request ─ head verified (tombolo-api's sigv4) ─ who may do what ─ s3s: body verified, operation
//!                                                                     │
//!                          bytes ─> DIR/objects/BLOB, flushed <───────┤
//!                          record that names the blobs, committed <───┘
//! ```
//!
//! `s3s` reads S3's requests and writes its replies, and verifies the body against the hashes that
//! the head signs. The principal comes from [`tombolo_api::sigv4`] alone, so that one place maps a
//! signature to its account and Region.
//!
//! **Invariant:** a blob belongs to an object only once a record names it. It is flushed to the disk
//! before that, and never changes afterwards. So no partial object can be read, whenever the
//! process is killed; [`Blobs::sweep`] removes the files without a record at the next start.

#![forbid(unsafe_code)]
// The code without its tests is linted in a build of its own.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panic"
    )
)]

mod access_control;
mod aws_chunked;
mod blob;
mod body;
mod bucket;
mod checksums;
mod endpoint;
mod error;
mod list;
#[cfg(test)]
mod list_tests;
mod multipart;
mod object;
mod object_service;
mod operations;

pub use blob::{Blobs, SweepError};
pub use endpoint::{Backend, Objects, error_reply};
pub use error::ObjectError;
pub use operations::{OPERATIONS, ObjectOperation};
