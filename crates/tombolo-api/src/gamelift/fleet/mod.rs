//! Fleets: asked for, shown, and deleted. What these operations write, the fleet reconciler
//! carries out.

mod address;
mod attributes;
mod create;
mod delete;
mod event;
mod happened;
mod request;

pub(super) use address::FORCED_BLOCK_TAG;
pub(crate) use attributes::{describe_fleet_attributes, list_fleets};
pub(crate) use create::create_fleet;
pub(crate) use delete::delete_fleet;
pub(crate) use event::describe_fleet_events;
