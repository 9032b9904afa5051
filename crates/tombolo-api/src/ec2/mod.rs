//! Amazon EC2's operations: the part that VPC peering needs.
//!
//! One file or folder a resource. What every Describe operation shares is in [`selection`] and
//! [`filter`]; what ids in requests look like in [`parameter`], and which of the caller's resources one
//! names in [`lookup`](crate::lookup).
//!
//! **Architecture invariant:** a fleet's hidden VPC and whatever is in it are unknown to these
//! operations, and so is everything of another account.

mod account_attribute;
pub(crate) mod error;
mod filter;
mod interface;
mod network_acl;
mod operations;
mod parameter;
mod peering;
mod region;
mod route_table;
mod security_group;
mod selection;
mod subnet;
mod tag;
mod tag_operations;
mod vpc;

pub use error::{Ec2Error, Resource};
pub use interface::new as new_interface;
pub use operations::OPERATIONS;

use serde::Serialize;

/// The output of an operation that says nothing but that it succeeded. Its reply still says
/// `return: true`, which the model leaves out.
#[derive(Debug, Serialize)]
pub(crate) struct Empty {}

/// The output of an operation that says only that it succeeded, in a member that the model has for
/// it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Success {
    r#return: bool,
}

impl Default for Success {
    fn default() -> Self {
        Success { r#return: true }
    }
}
