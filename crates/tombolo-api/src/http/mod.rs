//! The HTTP service: from request to verified, validated call and back.
//!
//! **Invariant:** no handler sees a request whose signature was not verified, nor an input that
//! the model does not allow. [`Api::handle`] is the only way to
//! [`Dispatch`](crate::operation::Dispatch).

mod api;
mod credentials;

pub use api::{Api, Backend, MAX_BODY, RequestId, router};
pub use credentials::Credentials;
