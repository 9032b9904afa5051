//! STS's errors: none but those that every service has.
//!
//! Source: "Common error types" of STS,
//! <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>.

use tombolo_store::typed::OverBound;

use crate::error::{ApiError, CommonError, ServiceError, UNAVAILABLE, Wire, kinds, wire};

/// What STS's operations answer.
pub(crate) type Result<T> = std::result::Result<T, ApiError<StsError>>;

kinds! {
    /// Why STS refuses.
    pub enum StsError {
        /// Nothing of STS's own.
        Common(CommonError),
    }
}

impl ServiceError for StsError {
    fn wire(self) -> Wire {
        let StsError::Common(kind) = self;
        match kind {
            CommonError::UnknownOperation => wire("InvalidAction", 400),
            CommonError::NotServed => wire("NotImplemented", 501),
            CommonError::Serialization => wire("MalformedQueryString", 400),
            CommonError::UnsupportedMediaType => wire("UnsupportedMediaType", 415),
            CommonError::RequestTooLarge => wire("RequestEntityTooLarge", 413),
            CommonError::Validation => wire("ValidationError", 400),
            CommonError::MissingParameter => wire("ValidationError", 400),
            CommonError::MissingAuthenticationToken => wire("MissingAuthenticationToken", 403),
            CommonError::UnrecognizedClient => wire("InvalidClientTokenId", 403),
            CommonError::InvalidToken => wire("InvalidClientTokenId", 403),
            CommonError::ExpiredToken => wire("ExpiredToken", 403),
            CommonError::SignatureMismatch => wire("SignatureDoesNotMatch", 403),
            CommonError::IncompleteSignature => wire("IncompleteSignature", 400),
            CommonError::RequestExpired => wire("SignatureDoesNotMatch", 403),
            CommonError::AccessDenied => wire("AccessDenied", 403),
            CommonError::InsufficientCapacity => wire("ValidationError", 400),
            CommonError::Throttling => wire("Throttling", 400),
            CommonError::Busy => UNAVAILABLE,
            CommonError::Internal => wire("InternalFailure", 500),
        }
    }

    // STS makes nothing.
    fn over_bound(_: &OverBound, _: bool) -> Self {
        CommonError::InsufficientCapacity.into()
    }
}

impl From<CommonError> for StsError {
    fn from(kind: CommonError) -> Self {
        StsError::Common(kind)
    }
}
