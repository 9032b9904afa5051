//! Amazon EC2's operations: the part that VPC peering needs.
//!
//! One file a resource. What every Describe operation shares is in [`select`], [`filter`] and
//! [`page`]; which of the caller's resources an id names, in [`own`].
//!
//! **Architecture invariant:** a fleet's hidden VPC and whatever is in it are unknown to these
//! operations, and so is everything of another account.

mod cidr;
mod filter;
mod id;
mod interface;
mod own;
mod page;
mod pattern;
mod peering;
mod refuse;
mod route_table;
mod security_group;
mod select;
mod subnet;
mod tag;
mod tag_operations;
mod vpc;
mod zone;

pub(crate) use interface::{
    create_network_interface, delete_network_interface, describe_network_interface_attribute,
    describe_network_interfaces, modify_network_interface_attribute,
};
pub(crate) use peering::describe_vpc_peering_connections;
pub(crate) use route_table::describe_route_tables;
pub(crate) use security_group::{
    authorize_security_group_egress, authorize_security_group_ingress, create_security_group,
    delete_security_group, describe_security_group_references, describe_security_group_rules,
    describe_security_groups, describe_stale_security_groups, modify_security_group_rules,
    revoke_security_group_egress, revoke_security_group_ingress,
    update_security_group_rule_descriptions_egress,
    update_security_group_rule_descriptions_ingress,
};
pub(crate) use subnet::{create_subnet, delete_subnet, describe_subnets};
pub(crate) use tag_operations::{create_tags, delete_tags, describe_tags};
pub(crate) use vpc::{create_vpc, delete_vpc, describe_vpcs};

use serde::Serialize;

/// The output of an operation that says nothing but that it happened. Its reply still says
/// `return: true`, which the model leaves out.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}
