//! GameLift's operations.

mod addresses;
mod any_request;
mod attributes;
mod authorizations;
mod builds;
mod capacity;
mod connections;
mod deletion;
mod events;
mod fleets;
mod instances;
mod ports;
mod runtime;
mod scaling;
mod tags;
mod torn;
mod unknown_fleets;
