//! Signature Version 4: who signed a request, and that nothing of it changed since.
//!
//! Written here and not taken from a library, because of what is asked of it together: AWS's own
//! error texts in every protocol, both the header and the presigned form, a body hash that is
//! always computed (a claimed `x-amz-content-sha256` alone proves nothing), refusal of what a
//! signature does not cover, and a cache of signing keys. AWS's signing test suite holds it to
//! AWS's canonical form.
//!
//! Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>, for services
//! other than S3: the path is normalized, and encoded once more than it arrived.
//!
//! **Invariant:** a [`Caller`] is made here only, after the signature matched.

mod canonical;
mod claim;
mod key;
mod time;
#[cfg(test)]
mod vectors;
mod verify;

pub(crate) use canonical::parameters;
pub use verify::{SignedRequest, Verifier};

#[cfg(doc)]
use crate::http::Caller;

/// The only algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last part of every credential scope.
const TERMINATOR: &str = "aws4_request";
