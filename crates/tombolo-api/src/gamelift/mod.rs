//! Amazon GameLift's operations.

mod authorization;
mod build;
mod connection;
pub(crate) mod error;
mod fleet;
mod operations;
mod page;
mod tag;

pub use error::GameLiftError;
pub use operations::OPERATIONS;

use serde::{Deserialize, Serialize};

/// The input of an operation that takes nothing, or the output of one that says nothing but that it
/// succeeded.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Empty {}
