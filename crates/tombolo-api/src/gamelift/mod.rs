//! Amazon GameLift's operations.

mod authorization;
mod connection;
mod time;

pub(crate) use authorization::{
    create_vpc_peering_authorization, delete_vpc_peering_authorization,
    describe_vpc_peering_authorizations,
};
pub(crate) use connection::{
    create_vpc_peering_connection, delete_vpc_peering_connection, describe_vpc_peering_connections,
};

use serde::{Deserialize, Serialize};

/// The output of an operation that says nothing but that it happened.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// The input of an operation that takes nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct NoInput {}
