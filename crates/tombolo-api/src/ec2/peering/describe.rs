//! DescribeVpcPeeringConnections.

use serde::{Deserialize, Serialize};
use tombolo_domain::Timestamp;
use tombolo_domain::peering::Connection;

use super::view::ConnectionView;
use crate::ec2::error::Result;
use crate::ec2::selection::Selection;
use crate::ec2::tag::TagsOf;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    vpc_peering_connection_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    vpc_peering_connections: Vec<ConnectionView>,
    next_token: Option<String>,
}

/// The connections of the caller's VPCs and of the caller's fleets. How long those that are over
/// stay is told in [`tombolo_domain::peering`].
pub(crate) async fn describe_vpc_peering_connections(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let mut tags = TagsOf::read(tx, call).await?;
    let mut all = Vec::new();
    for connection in tx.peering_connections().to(call.action()).await? {
        let expiration = expiration(tx, &connection).await?;
        let tags = tags.take(&connection.id);
        all.push(ConnectionView::new(call, connection, expiration, tags));
    }
    let ids = (
        "vpcPeeringConnectionIds",
        &input.vpc_peering_connection_ids[..],
    );
    let page = input.selection.named(call, ids, all)?;
    Ok(Described {
        vpc_peering_connections: page.items,
        next_token: page.next_token,
    })
}

/// When a request that is not accepted yet lapses: a fleet's with the authorization that it rests
/// on.
async fn expiration(
    tx: &mut ScopedTransaction<'_>,
    connection: &Connection,
) -> Result<Option<Timestamp>> {
    if !connection.state.is_request() {
        return Ok(None);
    }
    if connection.fleet.is_none() {
        return Ok(connection.expires);
    }
    Ok(tx.end_of_authorization(connection).await?)
}
