//! S3's errors, and the server's own among them.

use std::error::Error;
use std::fmt;
use std::io;

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};
use tombolo_domain::object::BucketName;

/// An error of S3's, with a message that names the values.
pub(crate) fn refuse(code: S3ErrorCode, message: impl Into<String>) -> S3Error {
    S3Error::with_message(code, message.into())
}

/// There is no such bucket for this caller, whoever else may have one of that name.
pub(crate) fn no_such_bucket(name: &str) -> S3Error {
    let message = format!("The specified bucket does not exist: {name}");
    refuse(S3ErrorCode::NoSuchBucket, message)
}

/// There is no such object.
pub(crate) fn no_such_key(bucket: &BucketName, key: &str) -> S3Error {
    let message = format!("The specified key does not exist: {key} in bucket {bucket}");
    refuse(S3ErrorCode::NoSuchKey, message)
}

/// There is no such multipart upload, or no longer.
pub(crate) fn no_such_upload(id: &str) -> S3Error {
    let message = format!(
        "The specified upload does not exist: {id}. It may have been completed or aborted."
    );
    refuse(S3ErrorCode::NoSuchUpload, message)
}

/// The caller may not do this.
pub(crate) fn denied(message: impl Into<String>) -> S3Error {
    refuse(S3ErrorCode::AccessDenied, message)
}

/// A failure of the server's own: the log has it, the client learns that there was one.
pub(crate) fn internal(doing: &str, error: impl Error + 'static) -> S3Error {
    let error: &(dyn Error + 'static) = &error;
    tracing::error!(error, "{doing}");
    refuse(
        S3ErrorCode::InternalError,
        "An internal error occurred. The server's log has the cause.",
    )
}

/// The disk refused something. That it is full is said, since nobody but the operator can help.
pub(crate) fn disk(doing: &str, error: io::Error) -> S3Error {
    let is_full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    if !is_full {
        return internal(doing, error);
    }
    tracing::error!(%error, "{doing}");
    let code = S3ErrorCode::Custom("InsufficientStorage".into());
    let mut refusal = refuse(
        code,
        "The server's disk is full; nothing of this object was kept.",
    );
    refusal.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    refusal
}

/// Something that cannot happen, told rather than believed.
#[derive(Debug)]
pub(crate) struct Unverified;

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request reached an operation without a verified caller")
    }
}

impl Error for Unverified {}
