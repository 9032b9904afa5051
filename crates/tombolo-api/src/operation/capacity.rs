//! Refusing what the data path has no capacity for.
//!
//! A handler writes what is wanted; the data path is changed later, by the reconcilers. An operation
//! that would overflow one of its tables has to be refused while its client still waits. How full
//! the tables are is known from a moment ago, so the check is a first one: what slips past it meets
//! the engine, which changes nothing when it does not fit, and fails the connection in question.

use tombolo_domain::table_capacity::TableCapacity;

use super::Operation;
use crate::error::{ApiError, CommonError};

/// What routes are looked up in.
pub(crate) const ROUTES: &[&str] = &["routes"];
/// What security groups' rules are looked up in.
pub(crate) const RULES: &[&str] = &["rule_blocks", "rule_ports"];
/// What a connection has entries in, with the routes and rules that a fleet's makes.
pub(crate) const PEERING: &[&str] = &["routes", "admissions", "rule_blocks", "rule_ports"];
/// What an interface has entries in.
pub(crate) const INTERFACE: &[&str] = &["interfaces", "endpoints"];
/// What a fleet has entries in, with the rules that let its players in.
pub(crate) const FLEET: &[&str] = &["interfaces", "endpoints", "rule_blocks", "rule_ports"];

/// Refuses an operation that adds to a table which is full.
pub(super) fn check(capacity: &TableCapacity, operation: &Operation) -> Result<(), ApiError> {
    capacity.check(operation.fills).map_err(|full| {
        ApiError::new(
            CommonError::InsufficientCapacity,
            format!(
                "{} needs room in the network: {full}. Delete what is no longer needed, \
                 or use another server.",
                operation.name
            ),
        )
    })
}
