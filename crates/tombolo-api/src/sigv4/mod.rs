//! Signature Version 4: who signed a request, and that nothing of it changed since.
//!
//! Written here and not taken from a library, because of what is asked of it together: AWS's own
//! error texts in every protocol, both the header and the presigned form, a body hash that is
//! always computed (a claimed `x-amz-content-sha256` alone proves nothing), refusal of what a
//! signature does not cover, and a cache of signing keys. AWS's signing test suite holds it to
//! AWS's canonical form.
//!
//! Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>. For S3 only the
//! head of a request is verified here, from which its principal comes; whoever reads its body
//! verifies it against the hashes that the head signs.
//!
//! **Architecture invariant:** of a request's [`Principal`], this is the only maker, after the
//! signature matched.

mod canonical;
mod claim;
mod key;
mod query;
mod request;
mod time;
mod token;
#[cfg(test)]
mod vectors;
mod verify;

pub use claim::names_service;
pub(crate) use query::parameters;
pub use request::SignedRequest;
pub(crate) use token::SessionToken;
pub use verify::{HeadClaim, Verifier};

#[cfg(doc)]
use tombolo_domain::principal::Principal;

/// The only algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last part of every credential scope.
const TERMINATOR: &str = "aws4_request";
