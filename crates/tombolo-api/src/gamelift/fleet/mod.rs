//! Fleets: asked for, shown, changed, and deleted. What these operations write, the fleet reconciler
//! carries out.

mod action;
mod address;
mod attributes;
mod capacity;
mod counts;
mod create;
mod delete;
mod event;
mod happened;
mod instance;
mod location;
mod named;
mod port;
mod request;
mod runtime;
mod scaling;
mod selected;
mod update;

pub(crate) use action::{start_fleet_actions, stop_fleet_actions};
pub(super) use address::FORCED_BLOCK_TAG;
pub(crate) use attributes::{describe_fleet_attributes, list_fleets};
pub(crate) use capacity::update_fleet_capacity;
pub(crate) use counts::{
    describe_fleet_capacity, describe_fleet_location_capacity, describe_fleet_location_utilization,
    describe_fleet_utilization,
};
pub(crate) use create::create_fleet;
pub(crate) use delete::delete_fleet;
pub(crate) use event::describe_fleet_events;
pub(crate) use instance::describe_instances;
pub(crate) use location::describe_fleet_location_attributes;
pub(crate) use port::{describe_fleet_port_settings, update_fleet_port_settings};
pub(super) use request::INTERNET_TAG;
pub(crate) use runtime::{describe_runtime_configuration, update_runtime_configuration};
pub(crate) use scaling::{delete_scaling_policy, describe_scaling_policies, put_scaling_policy};
pub(crate) use update::update_fleet_attributes;
