//! GameLift's operations.

mod addresses;
mod any_request;
mod authorizations;
mod builds;
mod connections;
mod deletion;
mod events;
mod fleets;
mod resources;
mod tags;
mod torn;
