//! EC2's peering operations. Both owners see a connection, a fleet's as well; GameLift's operations
//! of the same names show the fleet's owner its side of the same records.
//!
//! A request between two VPCs waits for its accepter. What an operation writes is what is wanted;
//! the network reconciler delivers requests, changes the data path and then says `active` or
//! `deleted`.

mod create;
mod options;
mod transition;
mod view;

pub(crate) use create::create_vpc_peering_connection;
pub(crate) use options::modify_vpc_peering_connection_options;
pub(crate) use transition::{
    accept_vpc_peering_connection, delete_vpc_peering_connection, reject_vpc_peering_connection,
};
pub(crate) use view::describe_vpc_peering_connections;

use serde::Deserialize;
use tombolo_domain::peering::Connection;

use crate::ec2::error::{Ec2Error, Error};
use crate::operation::Call;

/// The input of the operations that take a connection's id and nothing else.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConnectionIdInput {
    vpc_peering_connection_id: String,
}

/// The refusal of a step that the connection's state does not allow, in EC2's words; `to` is the
/// state that the step would lead to.
fn invalid_transition(connection: &Connection, to: &str) -> Error {
    Error::new(
        Ec2Error::InvalidStateTransition,
        format!(
            "Invalid state transition for {}, attempted to transition from {} to {to}",
            connection.id,
            connection.state.code()
        ),
    )
}

/// The refusal of a second connection between two VPCs.
fn already_exists(connection: &Connection) -> Error {
    Error::new(
        Ec2Error::PeeringAlreadyExists,
        format!(
            "A VPC peering connection between {} and {} already exists: {} is {}.",
            connection.requester.vpc,
            connection.accepter.vpc,
            connection.id,
            connection.state.code()
        ),
    )
}

/// The refusal of an owner who may not do this; `why` tells who may, or what else to do.
fn not_permitted(call: &Call<'_>, verb: &str, connection: &Connection, why: &str) -> Error {
    Error::new(
        Ec2Error::OperationNotPermitted,
        format!(
            "User ({}) cannot {verb} peering {}: {why}",
            call.principal.account(),
            connection.id
        ),
    )
}
