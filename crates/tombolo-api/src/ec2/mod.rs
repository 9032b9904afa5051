//! Amazon EC2's operations: the part that VPC peering needs.
//!
//! One file or folder a resource. What every Describe operation shares is in [`select`], [`filter`]
//! and [`page`]; which of the caller's resources an id names, in [`own`] and [`association`].
//!
//! **Architecture invariant:** a fleet's hidden VPC and whatever is in it are unknown to these
//! operations, and so is everything of another account.

mod account_attribute;
mod association;
mod availability_zone;
mod cidr;
pub(crate) mod error;
mod filter;
mod id;
mod interface;
mod network_acl;
mod own;
mod page;
mod pattern;
mod peering;
mod refuse;
mod region;
mod route_table;
mod security_group;
mod select;
mod subnet;
mod subnet_attribute;
mod tag;
mod tag_operations;
mod vpc;
mod zone;

pub use error::{Ec2Error, Resource};
pub use interface::new as new_interface;

pub(crate) use account_attribute::describe_account_attributes;
pub(crate) use availability_zone::describe_availability_zones;
pub(crate) use interface::{
    create_network_interface, delete_network_interface, describe_network_interface_attribute,
    describe_network_interfaces, modify_network_interface_attribute,
};
pub(crate) use network_acl::describe_network_acls;
pub(crate) use peering::{
    accept_vpc_peering_connection, create_vpc_peering_connection, delete_vpc_peering_connection,
    describe_vpc_peering_connections, modify_vpc_peering_connection_options,
    reject_vpc_peering_connection,
};
pub(crate) use region::describe_regions;
pub(crate) use route_table::{
    associate_route_table, create_route, create_route_table, delete_route, delete_route_table,
    describe_route_tables, disassociate_route_table, replace_route,
    replace_route_table_association,
};
pub(crate) use security_group::{
    authorize_security_group_egress, authorize_security_group_ingress, create_security_group,
    delete_security_group, describe_security_group_references, describe_security_group_rules,
    describe_security_groups, describe_stale_security_groups, modify_security_group_rules,
    revoke_security_group_egress, revoke_security_group_ingress,
    update_security_group_rule_descriptions_egress,
    update_security_group_rule_descriptions_ingress,
};
pub(crate) use subnet::{create_subnet, delete_subnet, describe_subnets};
pub(crate) use subnet_attribute::modify_subnet_attribute;
pub(crate) use tag_operations::{create_tags, delete_tags, describe_tags};
pub(crate) use vpc::{
    associate_vpc_cidr_block, create_vpc, delete_vpc, describe_vpc_attribute, describe_vpcs,
    disassociate_vpc_cidr_block, modify_vpc_attribute,
};

use serde::Serialize;

use crate::model::Document;

/// The output of an operation that says nothing but that it happened. Its reply still says
/// `return: true`, which the model leaves out.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// Whether an EC2 request asks only whether it would be carried out, as each of EC2's may.
pub(crate) fn is_dry_run(input: &Document) -> bool {
    let dry_run = input.get("DryRun").and_then(Document::as_bool);
    dry_run.unwrap_or(false)
}
