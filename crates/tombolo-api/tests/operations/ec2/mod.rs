//! EC2's operations.

mod any_request;
mod contention;
mod groups;
mod interface_attributes;
mod interfaces;
mod isolation;
mod peered_groups;
mod peering_answers;
mod peering_deletion;
mod peering_options;
mod peering_requests;
mod peering_story;
mod peerings;
mod reach;
mod resources;
mod security_group_rules;
mod security_groups;
mod selection;
mod subnets;
mod tags;
mod vpcs;
