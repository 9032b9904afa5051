//! Refusing what the data path has no room for.
//!
//! A handler writes what is wanted; the data path is changed later, by the reconcilers. An operation
//! that would overflow one of its tables has to be told so while somebody still listens. How full
//! the tables are is known from a moment ago, so the check is a first one: what slips past it meets
//! the engine, which changes nothing when it does not fit, and fails the connection in question.

use tombolo_domain::room::Room;

use crate::error::{ApiError, CommonError};
use crate::model::ServiceName;

/// What routes are looked up in.
const ROUTES: &[&str] = &["routes"];
/// What security groups' rules are looked up in.
const RULES: &[&str] = &["rule_blocks", "rule_ports"];
/// What a connection has entries in, with the routes and rules that a fleet's makes.
const PEERING: &[&str] = &["routes", "admissions", "rule_blocks", "rule_ports"];
/// What an interface has entries in.
const INTERFACE: &[&str] = &["interfaces", "endpoints"];
/// What a fleet has entries in, with the rules that let its players in.
const FLEET: &[&str] = &["interfaces", "endpoints", "rule_blocks", "rule_ports"];

/// The tables that an operation adds entries to, at once or when what it makes is used.
fn tables(service: ServiceName, operation: &str) -> &'static [&'static str] {
    match (service, operation) {
        (
            ServiceName::Ec2,
            "CreateVpc"
            | "AssociateVpcCidrBlock"
            | "CreateRouteTable"
            | "AssociateRouteTable"
            | "CreateRoute",
        ) => ROUTES,
        (
            ServiceName::Ec2,
            "CreateSecurityGroup"
            | "AuthorizeSecurityGroupIngress"
            | "AuthorizeSecurityGroupEgress"
            | "ModifySecurityGroupRules"
            | "ModifyNetworkInterfaceAttribute",
        ) => RULES,
        (ServiceName::GameLift, "UpdateFleetPortSettings") => RULES,
        (ServiceName::Ec2, "CreateVpcPeeringConnection" | "AcceptVpcPeeringConnection")
        | (ServiceName::GameLift, "CreateVpcPeeringConnection") => PEERING,
        (ServiceName::Ec2, "CreateNetworkInterface")
        | (ServiceName::GameLift, "UpdateFleetCapacity") => INTERFACE,
        (ServiceName::GameLift, "CreateFleet") => FLEET,
        _ => &[],
    }
}

/// Refuses an operation that adds to a table which is full.
pub(super) fn check(room: &Room, service: ServiceName, operation: &str) -> Result<(), ApiError> {
    room.is_in(tables(service, operation)).map_err(|full| {
        ApiError::new(
            CommonError::NoRoom,
            format!(
                "{operation} needs room in the network: {full}. Delete what is no longer needed, \
                 or use another server."
            ),
        )
    })
}
