//! VPCs: one file an operation, and what several of them share.

mod attribute;
mod cidr_block;
mod create;
mod delete;
mod describe;
mod view;

pub(crate) use attribute::{describe_vpc_attribute, modify_vpc_attribute};
pub(crate) use cidr_block::{associate_vpc_cidr_block, disassociate_vpc_cidr_block};
pub(crate) use create::create_vpc;
pub(crate) use delete::delete_vpc;
pub(crate) use describe::describe_vpcs;
