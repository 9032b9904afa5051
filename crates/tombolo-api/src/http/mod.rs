//! The HTTP service: from request to verified, validated call and back.

mod caller;
mod dispatch;

pub use caller::{Caller, Credential, Credentials, User};
pub use dispatch::Dispatch;
