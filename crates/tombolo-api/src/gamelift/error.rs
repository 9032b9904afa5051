//! GameLift's errors: the exceptions of its model.
//!
//! Source: GameLift's API reference. All of its exceptions have status 400, except
//! `InternalServiceException`.

use tombolo_domain::Scope;
use tombolo_domain::id::{BuildId, FleetId, VpcId};
use tombolo_store::typed::OverBound;

use crate::error::{ApiError, CommonError, ServiceError, UNAVAILABLE, Wire, kinds, wire};
use crate::lookup::{LookupError, NotFound};
use crate::operation::format::shorten;

/// A GameLift request that failed.
pub(crate) type Error = ApiError<GameLiftError>;

/// What GameLift's operations answer.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

kinds! {
    /// Why GameLift refuses.
    pub enum GameLiftError {
        /// Nothing of GameLift's own.
        Common(CommonError),
        /// The request cannot be carried out as it stands.
        InvalidRequest,
        /// There is no such resource, or not for this caller.
        NotFound,
        /// A valid authorization is missing.
        Unauthorized,
        /// Another request changed the resource, or it already exists.
        Conflict,
        /// The fleet's status forbids the operation.
        InvalidFleetStatus,
        /// A resource that the operation needs is not ready.
        NotReady,
        /// An account's quota is used up.
        LimitExceeded,
        /// Tags could not be written.
        TaggingFailed,
        /// The Region or location is not one of this server's.
        UnsupportedRegion,
    }
}

impl ServiceError for GameLiftError {
    fn wire(self) -> Wire {
        match self {
            GameLiftError::Common(kind) => common(kind),
            GameLiftError::InvalidRequest => wire("InvalidRequestException", 400),
            GameLiftError::NotFound => wire("NotFoundException", 400),
            GameLiftError::Unauthorized => wire("UnauthorizedException", 400),
            GameLiftError::Conflict => wire("ConflictException", 400),
            GameLiftError::InvalidFleetStatus => wire("InvalidFleetStatusException", 400),
            GameLiftError::NotReady => wire("NotReadyException", 400),
            GameLiftError::LimitExceeded => wire("LimitExceededException", 400),
            GameLiftError::TaggingFailed => wire("TaggingFailedException", 400),
            GameLiftError::UnsupportedRegion => wire("UnsupportedRegionException", 400),
        }
    }

    fn over_bound(_: &OverBound, lists_limit: bool) -> Self {
        match lists_limit {
            true => GameLiftError::LimitExceeded,
            false => GameLiftError::InvalidRequest,
        }
    }
}

fn common(kind: CommonError) -> Wire {
    match kind {
        CommonError::UnknownOperation => wire("UnknownOperationException", 400),
        CommonError::NotServed => wire("NotImplementedException", 501),
        CommonError::Serialization => wire("SerializationException", 400),
        CommonError::UnsupportedMediaType => wire("UnsupportedMediaTypeException", 415),
        CommonError::RequestTooLarge => wire("RequestEntityTooLargeException", 413),
        CommonError::Validation => wire("InvalidRequestException", 400),
        CommonError::MissingParameter => wire("InvalidRequestException", 400),
        CommonError::MissingAuthenticationToken => wire("MissingAuthenticationTokenException", 400),
        CommonError::UnrecognizedClient => wire("UnrecognizedClientException", 400),
        CommonError::InvalidToken => wire("UnrecognizedClientException", 400),
        CommonError::ExpiredToken => wire("ExpiredTokenException", 400),
        CommonError::SignatureMismatch => wire("InvalidSignatureException", 400),
        CommonError::IncompleteSignature => wire("IncompleteSignatureException", 400),
        CommonError::RequestExpired => wire("InvalidSignatureException", 400),
        CommonError::AccessDenied => wire("AccessDeniedException", 400),
        CommonError::InsufficientCapacity => wire("InvalidRequestException", 400),
        CommonError::Throttling => wire("ThrottlingException", 400),
        CommonError::Busy => UNAVAILABLE,
        CommonError::Internal => wire("InternalServiceException", 500),
    }
}

impl From<CommonError> for GameLiftError {
    fn from(kind: CommonError) -> Self {
        GameLiftError::Common(kind)
    }
}

impl Error {
    /// [`GameLiftError::InvalidRequest`].
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(GameLiftError::InvalidRequest, message)
    }

    /// [`GameLiftError::NotFound`].
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(GameLiftError::NotFound, message)
    }
}

macro_rules! not_found {
    ($($id:ident => $kind:literal;)*) => {$(
        impl From<LookupError<$id>> for Error {
            fn from(error: LookupError<$id>) -> Self {
                match error {
                    LookupError::NotFound(NotFound { name, owner, .. }) => {
                        not_found(&owner, $kind, &name)
                    }
                    LookupError::Failed(failed) => failed.into(),
                }
            }
        }
    )*};
}

not_found! {
    FleetId => "Fleet";
    BuildId => "Build";
    VpcId => "VPC";
}

/// Says that the caller's account has no such resource in the request's Region.
pub(super) fn not_found(owner: &Scope, kind: &str, name: &str) -> Error {
    Error::not_found(format!(
        "{kind} {} was not found in account {} and Region {}.",
        shorten(name),
        owner.account,
        owner.region
    ))
}
