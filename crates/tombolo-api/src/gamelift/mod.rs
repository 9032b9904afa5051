//! Amazon GameLift's operations.

mod authorization;
mod build;
mod connection;
mod fleet;
mod named;
mod page;
mod tag;

pub(crate) use authorization::{
    create_vpc_peering_authorization, delete_vpc_peering_authorization,
    describe_vpc_peering_authorizations,
};
pub(crate) use build::{create_build, delete_build, describe_build, list_builds};
pub(crate) use connection::{
    create_vpc_peering_connection, delete_vpc_peering_connection, describe_vpc_peering_connections,
};
pub(crate) use fleet::{
    create_fleet, delete_fleet, describe_fleet_attributes, describe_fleet_events, list_fleets,
};
pub(crate) use tag::{list_tags_for_resource, tag_resource, untag_resource};

use serde::{Deserialize, Serialize};

/// The output of an operation that says nothing but that it happened.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// The input of an operation that takes nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct NoInput {}
