//! S3's errors, and the server's own among them.
//!
//! Source: S3's "Error responses",
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use std::error::Error;
use std::fmt;
use std::io;

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};
use tombolo_api::bound;
use tombolo_api::error::{CommonError, ServiceError, UNAVAILABLE, Wire, kinds, wire};
use tombolo_domain::object::BucketName;
use tombolo_store::keys::Kind;
use tombolo_store::typed::OverBound;

kinds! {
    /// Why S3 refuses.
    pub enum ObjectError {
        /// Nothing of S3's own.
        Common(CommonError),
        /// The object is not what its checksum says.
        BadDigest,
        /// The account has the bucket already.
        BucketAlreadyOwnedByYou,
        /// A bucket with objects, or uploads under way, is to be deleted.
        BucketNotEmpty,
        /// The body is not the one whose hash was signed.
        ContentSha256Mismatch,
        /// More bytes than an object or a part may have.
        EntityTooLarge,
        /// A part that is not the last has too few bytes.
        EntityTooSmall,
        /// The bucket is asked for in another Region.
        IllegalLocationConstraint,
        /// The body ends before its length.
        IncompleteBody,
        /// The server's disk is full. Not one of S3's codes, which knows no full disk.
        InsufficientStorage,
        /// A parameter makes no sense.
        InvalidArgument,
        /// The text cannot be a bucket's name.
        InvalidBucketName,
        /// The upload has no such part.
        InvalidPart,
        /// The parts are not listed in ascending order.
        InvalidPartOrder,
        /// The object has no such bytes.
        InvalidRange,
        /// The request is signed or written in a way that is not served.
        InvalidRequest,
        /// The body is no XML of the operation.
        MalformedXml,
        /// More metadata than an object may have.
        MetadataTooLarge,
        /// There is no such bucket, or not for this caller.
        NoSuchBucket,
        /// There is no such object.
        NoSuchKey,
        /// There is no such multipart upload, or no longer.
        NoSuchUpload,
        /// An operation or parameter of S3's that Tombolo does not have.
        NotImplemented,
        /// The object is as the caller knows it.
        NotModified,
        /// The object is not as the caller requires it to be.
        PreconditionFailed,
        /// The body stopped arriving.
        RequestTimeout,
        /// The account has too much under way.
        SlowDown,
        /// The account has as many buckets as it may have.
        TooManyBuckets,
    }
}

impl ServiceError for ObjectError {
    fn wire(self) -> Wire {
        match self {
            ObjectError::Common(kind) => common(kind),
            ObjectError::BadDigest => wire("BadDigest", 400),
            ObjectError::BucketAlreadyOwnedByYou => wire("BucketAlreadyOwnedByYou", 409),
            ObjectError::BucketNotEmpty => wire("BucketNotEmpty", 409),
            ObjectError::ContentSha256Mismatch => wire("XAmzContentSHA256Mismatch", 400),
            ObjectError::EntityTooLarge => wire("EntityTooLarge", 400),
            ObjectError::EntityTooSmall => wire("EntityTooSmall", 400),
            ObjectError::IllegalLocationConstraint => {
                wire("IllegalLocationConstraintException", 400)
            }
            ObjectError::IncompleteBody => wire("IncompleteBody", 400),
            ObjectError::InsufficientStorage => wire("InsufficientStorage", 507),
            ObjectError::InvalidArgument => wire("InvalidArgument", 400),
            ObjectError::InvalidBucketName => wire("InvalidBucketName", 400),
            ObjectError::InvalidPart => wire("InvalidPart", 400),
            ObjectError::InvalidPartOrder => wire("InvalidPartOrder", 400),
            ObjectError::InvalidRange => wire("InvalidRange", 416),
            ObjectError::InvalidRequest => wire("InvalidRequest", 400),
            ObjectError::MalformedXml => wire("MalformedXML", 400),
            ObjectError::MetadataTooLarge => wire("MetadataTooLarge", 400),
            ObjectError::NoSuchBucket => wire("NoSuchBucket", 404),
            ObjectError::NoSuchKey => wire("NoSuchKey", 404),
            ObjectError::NoSuchUpload => wire("NoSuchUpload", 404),
            ObjectError::NotImplemented => wire("NotImplemented", 501),
            ObjectError::NotModified => wire("NotModified", 304),
            ObjectError::PreconditionFailed => wire("PreconditionFailed", 412),
            ObjectError::RequestTimeout => wire("RequestTimeout", 400),
            ObjectError::SlowDown => wire("SlowDown", 503),
            ObjectError::TooManyBuckets => wire("TooManyBuckets", 400),
        }
    }

    fn over_bound(over: &OverBound, _: bool) -> Self {
        match over.kind {
            Kind::Bucket => ObjectError::TooManyBuckets,
            // Those that are under way end by themselves.
            Kind::MultipartUpload | Kind::UploadedPart => ObjectError::SlowDown,
            // S3 has as many objects as anybody puts, and no code for more.
            _ => ObjectError::InvalidRequest,
        }
    }
}

fn common(kind: CommonError) -> Wire {
    match kind {
        CommonError::UnknownOperation => wire("InvalidRequest", 400),
        CommonError::NotServed => wire("InvalidRequest", 400),
        CommonError::Serialization => wire("InvalidRequest", 400),
        CommonError::UnsupportedMediaType => wire("InvalidRequest", 400),
        CommonError::RequestTooLarge => wire("InvalidRequest", 400),
        CommonError::Validation => wire("InvalidRequest", 400),
        CommonError::MissingParameter => wire("InvalidRequest", 400),
        CommonError::MissingAuthenticationToken => wire("AccessDenied", 403),
        CommonError::UnrecognizedClient => wire("InvalidAccessKeyId", 403),
        CommonError::InvalidToken => wire("InvalidToken", 400),
        CommonError::ExpiredToken => wire("ExpiredToken", 400),
        CommonError::SignatureMismatch => wire("SignatureDoesNotMatch", 403),
        CommonError::IncompleteSignature => wire("AuthorizationHeaderMalformed", 400),
        CommonError::RequestExpired => wire("RequestTimeTooSkewed", 403),
        CommonError::AccessDenied => wire("AccessDenied", 403),
        CommonError::InsufficientCapacity => wire("InvalidRequest", 400),
        CommonError::Throttling => wire("SlowDown", 503),
        CommonError::Busy => UNAVAILABLE,
        CommonError::Internal => wire("InternalError", 500),
    }
}

impl From<CommonError> for ObjectError {
    fn from(kind: CommonError) -> Self {
        ObjectError::Common(kind)
    }
}

/// An error of S3's, with a message that names the values.
pub(crate) fn refuse(kind: impl Into<ObjectError>, message: impl Into<String>) -> S3Error {
    let Wire { code, status } = kind.into().wire();
    let known = S3ErrorCode::from_bytes(code.as_bytes());
    let code = known.unwrap_or_else(|| S3ErrorCode::Custom(code.into()));
    let mut refusal = S3Error::with_message(code, message.into());
    // Every status of the table is one.
    if let Ok(status) = StatusCode::from_u16(status) {
        refusal.set_status_code(status);
    }
    refusal
}

/// What would pass a bound is refused.
pub(crate) fn over_bound(over: &OverBound) -> S3Error {
    refuse(ObjectError::over_bound(over, false), bound::message(over))
}

/// There is no such bucket for this caller, whoever else may have one of that name.
pub(crate) fn no_such_bucket(name: &str) -> S3Error {
    let message = format!("The specified bucket does not exist: {name}");
    refuse(ObjectError::NoSuchBucket, message)
}

/// There is no such object.
pub(crate) fn no_such_key(bucket: &BucketName, key: &str) -> S3Error {
    let message = format!("The specified key does not exist: {key} in bucket {bucket}");
    refuse(ObjectError::NoSuchKey, message)
}

/// There is no such multipart upload, or no longer.
pub(crate) fn no_such_upload(id: &str) -> S3Error {
    let message = format!(
        "The specified upload does not exist: {id}. It may have been completed or aborted."
    );
    refuse(ObjectError::NoSuchUpload, message)
}

/// The caller may not do this.
pub(crate) fn denied(message: impl Into<String>) -> S3Error {
    refuse(CommonError::AccessDenied, message)
}

/// A failure of the server's own: the log has it, the client learns that there was one.
pub(crate) fn internal(doing: &str, error: impl Error + 'static) -> S3Error {
    let error: &(dyn Error + 'static) = &error;
    tracing::error!(error, "{doing}");
    refuse(
        CommonError::Internal,
        "An internal error occurred. The server's log has the cause.",
    )
}

/// The error of a file that could not be written or read. A full disk is reported as such, so that
/// the client can ask the operator to free space.
pub(crate) fn disk(doing: &str, error: io::Error) -> S3Error {
    let is_full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    if !is_full {
        return internal(doing, error);
    }
    tracing::error!(%error, "{doing}");
    refuse(
        ObjectError::InsufficientStorage,
        "The server's disk is full; nothing of this object was kept.",
    )
}

/// A request without a verified principal, which no code path makes: reported as an internal error
/// instead of trusted.
#[derive(Debug)]
pub(crate) struct Unverified;

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request reached an operation without a verified principal")
    }
}

impl Error for Unverified {}
