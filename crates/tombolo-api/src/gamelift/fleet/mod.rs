//! Fleets: asked for, shown, changed, and deleted. What these operations write, the fleet reconciler
//! carries out.

mod capacity;
mod counts;
mod create;
mod events;
mod instance;
mod lookup;
mod port;
mod request;
mod runtime;
mod scaling;
mod update;
mod view;

pub(crate) use capacity::update_fleet_capacity;
pub(crate) use counts::{
    describe_fleet_capacity, describe_fleet_location_capacity, describe_fleet_location_utilization,
    describe_fleet_utilization,
};
pub(crate) use create::create_fleet;
pub(crate) use events::describe_fleet_events;
pub(crate) use instance::describe_instances;
pub(crate) use port::{describe_fleet_port_settings, update_fleet_port_settings};
pub(super) use request::{FORCED_BLOCK_TAG, INTERNET_TAG};
pub(crate) use runtime::{describe_runtime_configuration, update_runtime_configuration};
pub(crate) use scaling::{
    delete_scaling_policy, describe_scaling_policies, put_scaling_policy, start_fleet_actions,
    stop_fleet_actions,
};
pub(crate) use update::{delete_fleet, update_fleet_attributes};
pub(crate) use view::{describe_fleet_attributes, describe_fleet_location_attributes, list_fleets};
