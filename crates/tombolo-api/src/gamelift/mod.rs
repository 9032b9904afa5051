//! Amazon GameLift's operations.

mod authorization;
mod build;
mod connection;
pub(crate) mod error;
mod fleet;
mod named;
mod operations;
mod page;
mod tag;

pub use error::GameLiftError;
pub use operations::OPERATIONS;

use serde::{Deserialize, Serialize};

/// The output of an operation that says nothing but that it happened.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// The input of an operation that takes nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct NoInput {}
