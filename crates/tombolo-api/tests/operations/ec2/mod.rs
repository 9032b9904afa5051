//! EC2's operations.

mod any_request;
mod contention;
mod interfaces;
mod isolation;
mod peerings;
mod reach;
mod resources;
mod selection;
mod subnets;
mod tags;
mod vpcs;
