//! Amazon GameLift's operations.

mod authorization;
mod build;
mod connection;
pub(crate) mod error;
mod fleet;
mod named;
mod page;
mod tag;

pub use error::GameLiftError;

pub(crate) use authorization::{
    create_vpc_peering_authorization, delete_vpc_peering_authorization,
    describe_vpc_peering_authorizations,
};
pub(crate) use build::{
    create_build, delete_build, describe_build, list_builds, request_upload_credentials,
    update_build,
};
pub(crate) use connection::{
    create_vpc_peering_connection, delete_vpc_peering_connection, describe_vpc_peering_connections,
};
pub(crate) use fleet::{
    create_fleet, delete_fleet, delete_scaling_policy, describe_fleet_attributes,
    describe_fleet_capacity, describe_fleet_events, describe_fleet_location_attributes,
    describe_fleet_location_capacity, describe_fleet_location_utilization,
    describe_fleet_port_settings, describe_fleet_utilization, describe_instances,
    describe_runtime_configuration, describe_scaling_policies, list_fleets, put_scaling_policy,
    start_fleet_actions, stop_fleet_actions, update_fleet_attributes, update_fleet_capacity,
    update_fleet_port_settings, update_runtime_configuration,
};
pub(crate) use tag::{list_tags_for_resource, tag_resource, untag_resource};

use serde::{Deserialize, Serialize};

/// The output of an operation that says nothing but that it happened.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// The input of an operation that takes nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct NoInput {}
