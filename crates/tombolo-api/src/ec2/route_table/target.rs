//! Where a route of a request leads.

use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::vpc::RouteTable;

use crate::ec2::error::{Ec2Error, Error, Resource, Result};
use crate::ec2::parameter::{ResourceId, parse_id};
use crate::lookup::ScopedTransaction;

/// The peering connection of a route table's VPC that an id names. One that waits for its
/// acceptance will do: until then the route is a black hole.
///
/// # Errors
/// [`Ec2Error::NotFound`], in the same words for one of another VPC, of another account, and one
/// that never was. One that is over is told from these, since its owner sees it.
pub(super) async fn connection(
    tx: &mut ScopedTransaction<'_>,
    table: &RouteTable,
    text: &str,
) -> Result<VpcPeeringConnectionId> {
    let id: VpcPeeringConnectionId = parse_id(text)?;
    match tx.connection_of_vpc(table, &id).await? {
        Some(connection) if connection.state.is_live() => Ok(id),
        Some(connection) => Err(Error::new(
            Ec2Error::NotFound(Resource::VpcPeeringConnection),
            format!(
                "The vpcPeeringConnection ID '{id}' is {}, and no route can lead to it any more",
                connection.state.code()
            ),
        )),
        None => Err(Error::no_such(VpcPeeringConnectionId::KIND, id)),
    }
}
