//! STS's operations: its table.

use super::error::StsError;
use super::get_caller_identity;
use crate::operation::Operation;
use crate::operation::definition::operations;

/// Every operation of the service that is served, in the order of the user docs.
pub static OPERATIONS: &[Operation] = operations! {
    Sts "sts", errors StsError, commits always;

    section "", "" {
        GetCallerIdentity => get_caller_identity, reads on Any;
    }
};
