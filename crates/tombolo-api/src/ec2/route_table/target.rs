//! Where a route of a request leads.

use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::peering::{Connection, Requester};
use tombolo_domain::vpc::RouteTable;
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::ec2::error::{Ec2Error, Error, Resource, Result};
use crate::ec2::id::{self, ResourceId};
use crate::operation::Call;

/// The peering connection of a route table's VPC that an id names. One that waits for its
/// acceptance will do: until then the route is a black hole.
///
/// # Errors
/// [`Ec2Error::NotFound`], in the same words for one of another VPC, of another account, and one
/// that never was. One that is over is told from these, since its owner sees it.
pub(super) async fn connection(
    tx: &mut Transaction,
    call: &Call<'_>,
    table: &RouteTable,
    text: &str,
) -> Result<VpcPeeringConnectionId> {
    let id: VpcPeeringConnectionId = id::parse(text)?;
    let found = find(tx, table, &id).await?;
    match found.map(|connection| connection.as_of(call.now)) {
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

async fn find(
    tx: &mut Transaction,
    table: &RouteTable,
    id: &VpcPeeringConnectionId,
) -> Result<Option<Connection>> {
    let (scope, vpc) = (&table.scope, &table.vpc);
    let asked_for = Requester::Vpc(vpc.clone());
    let key = keys::connection(scope, &asked_for, id);
    if let Some(connection) = tx.get(&key).await? {
        return Ok(Some(connection));
    }
    let entry = keys::peering(scope, vpc, id);
    let Some(at) = tx.get(&entry).await? else {
        return Ok(None);
    };
    Ok(tx.get(&at.key(&scope.region, id)).await?)
}
