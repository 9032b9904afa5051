//! How a request fails: what went wrong, the sentence that tells the caller, and the cause.
//!
//! What can go wrong with any service's request, whoever finds it, is a [`CommonError`]: it is not
//! signed well, not readable, too much at once, or the server's own failure. What a service refuses
//! by itself is an enum beside it (`Ec2Error`, `GameLiftError`, `StsError`, and S3's in
//! `tombolo-objects`), with the common ones as one of its variants. That enum is also the table of
//! the service's codes and HTTP statuses: [`ServiceError::wire`] is one match over it without a
//! wildcard, so that a new kind does not compile before every service it can reach has said how its
//! clients read it, and no handler can say what only another service's clients understand.
//!
//! Code that several services share (the transaction, the peering connections' records, making a
//! VPC) fails with common kinds only; `?` turns them into the service's. What would need another
//! code in each service is not shared: it is found by the shared code and refused by the service.
//!
//! The sentence is not in the enum, since it names the values of the one place that refuses; what
//! several places say in the same words has a constructor beside the enum.

use std::error::Error;
use std::fmt::{self, Debug};

use tombolo_store::StoreError;
use tombolo_store::typed::OverBound;

/// Defines an enum of kinds of errors, and `all()` of them, for tests that print the tables.
#[macro_export]
macro_rules! kinds {
    (
        $(#[$meta:meta])*
        $vis:vis enum $enum:ident {
            $($(#[$doc:meta])* $kind:ident $(($inner:ty))?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $enum {
            $($(#[$doc])* $kind $(($inner))?,)*
        }

        impl $enum {
            /// Every kind, in the order of their definition.
            pub fn all() -> Vec<Self> {
                [$($crate::error::kinds!(@each $enum::$kind $(, $inner)?),)*].concat()
            }
        }
    };
    (@each $enum:ident::$kind:ident) => { vec![$enum::$kind] };
    (@each $enum:ident::$kind:ident, $inner:ty) => {
        <$inner>::all().into_iter().map($enum::$kind).collect::<Vec<_>>()
    };
}
pub use kinds;

kinds! {
    /// What can be wrong with a request to any service, or with the server.
    pub enum CommonError {
        /// No such operation in the service's model.
        UnknownOperation,
        /// The service has the operation, Tombolo does not serve it.
        NotServed,
        /// The body or query is not what the protocol prescribes.
        Serialization,
        /// The content type is not the protocol's.
        UnsupportedMediaType,
        /// The body is over the limit.
        RequestTooLarge,
        /// A member breaks a constraint of the model.
        Validation,
        /// A member that must be there is not.
        MissingParameter,
        /// No signature at all.
        MissingAuthenticationToken,
        /// The access key id is not known.
        UnrecognizedClient,
        /// The session token is not the access key's: a temporary credential needs its own, and an
        /// access key has none.
        InvalidToken,
        /// The temporary credential's time is over.
        ExpiredToken,
        /// The signature is not the one that the secret key makes.
        SignatureMismatch,
        /// The signature lacks a part, or a part cannot be read.
        IncompleteSignature,
        /// The signature's time is too far from now.
        RequestExpired,
        /// The caller is who it says, and may not do this.
        AccessDenied,
        /// The network has no room for what the operation would add.
        InsufficientCapacity,
        /// The caller asks too often, or too many send at once; clients send it again by themselves,
        /// after a while.
        Throttling,
        /// Others kept changing the same resources; nothing is wrong with the request, and clients send
        /// it again by themselves.
        Busy,
        /// Ours. The client learns the request id only; the log has the chain.
        Internal,
    }
}

/// An error code and the HTTP status it travels with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The code without namespace, such as `NotFoundException`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
}

/// A row of a service's table.
pub const fn wire(code: &'static str, status: u16) -> Wire {
    Wire { code, status }
}

/// Of the common errors of all AWS services, the one for a moment's trouble. botocore and the SDKs
/// for Rust and JavaScript retry every reply of status 503.
pub const UNAVAILABLE: Wire = wire("ServiceUnavailable", 503);

/// Every way in which a request to one service fails, the common ones included.
pub trait ServiceError: Copy + Eq + Debug + From<CommonError> {
    /// The code and status that the service's clients know. One match, without a wildcard.
    fn wire(self) -> Wire;

    /// How the service refuses what would pass a bound. `lists_limit` is whether its model lists its
    /// error for that with the operation.
    fn over_bound(over: &OverBound, lists_limit: bool) -> Self;
}

/// A refused request: what happened, and the sentence that tells the caller.
#[derive(Debug)]
pub struct ApiError<E = CommonError> {
    kind: E,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl<E: From<CommonError> + Copy> ApiError<E> {
    /// An error whose message names the values and what to do about it.
    pub fn new(kind: E, message: impl Into<String>) -> Self {
        ApiError {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// A failure of the server's own. `doing` says what it was doing; the client sees neither it
    /// nor `source`, the log both.
    pub fn internal(
        doing: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        ApiError {
            kind: CommonError::Internal.into(),
            message: doing.into(),
            source: Some(source.into()),
        }
    }

    /// [`CommonError::MissingParameter`] in EC2's words. `parameter` is spelled as EC2's messages
    /// have it: `vpcId`.
    pub fn missing_parameter(parameter: impl fmt::Display) -> Self {
        Self::new(
            CommonError::MissingParameter.into(),
            format!("The request must contain the parameter {parameter}"),
        )
    }

    /// What happened.
    pub fn kind(&self) -> E {
        self.kind
    }
}

impl<E> fmt::Display for ApiError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Debug> Error for ApiError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl<E: ServiceError> From<ApiError> for ApiError<E> {
    fn from(error: ApiError) -> Self {
        ApiError {
            kind: error.kind.into(),
            message: error.message,
            source: error.source,
        }
    }
}

impl<E: From<CommonError> + Copy> From<StoreError> for ApiError<E> {
    fn from(error: StoreError) -> Self {
        match error {
            // Nothing is wrong with the request, and nothing that is older is answered instead.
            StoreError::Behind { .. } => ApiError {
                kind: CommonError::Busy.into(),
                message: "The service cannot see its latest changes at the moment; try again."
                    .to_owned(),
                source: Some(error.into()),
            },
            error => ApiError::internal("using the store", error),
        }
    }
}

/// A service's error as it leaves: its kind has become a code and a status.
#[derive(Debug)]
pub struct Refusal {
    wire: Wire,
    is_internal: bool,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl<E: ServiceError> From<ApiError<E>> for Refusal {
    fn from(error: ApiError<E>) -> Self {
        Refusal {
            wire: error.kind.wire(),
            is_internal: error.kind == CommonError::Internal.into(),
            message: error.message,
            source: error.source,
        }
    }
}

impl Refusal {
    /// The code and status.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// Whether the server failed, rather than that it refused.
    pub fn is_internal(&self) -> bool {
        self.is_internal
    }

    /// What the client reads. An internal error keeps its reasons to the log and gives the request
    /// id, by which an operator finds them there.
    pub fn client_message(&self, request_id: &str) -> String {
        if self.is_internal {
            return format!(
                "An internal error occurred. The server's log has the cause under request id {request_id}."
            );
        }
        self.message.clone()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What of a caller's text a message shows: its first 64 characters.
pub(crate) fn excerpt(text: &str) -> &str {
    const MAX_EXCERPT: usize = 64;
    match text.char_indices().nth(MAX_EXCERPT) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
