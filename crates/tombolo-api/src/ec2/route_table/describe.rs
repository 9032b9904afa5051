//! DescribeRouteTables.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::peering::State;

use super::view::RouteTableView;
use crate::ec2::error::Result;
use crate::ec2::selection::Selection;
use crate::ec2::tag::TagsOf;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    route_table_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    route_tables: Vec<RouteTableView>,
    next_token: Option<String>,
}

/// The route tables of the caller's VPCs. A route to a peering connection that is not active is a
/// black hole.
pub(crate) async fn describe_route_tables(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let vpcs = tx.vpcs().to(call.action()).await?;
    let active = active(tx, call).await?;
    let mut tags = TagsOf::read(tx, call).await?;
    let tables = tx.route_tables_in(&vpcs).await?;
    let all = tables.into_iter().map(|table| {
        let tags = tags.take(&table.id);
        RouteTableView::new(table, &active, tags)
    });
    let ids = ("routeTableIds", &input.route_table_ids[..]);
    let page = input.selection.named(call, ids, all.collect())?;
    Ok(Described {
        route_tables: page.items,
        next_token: page.next_token,
    })
}

/// The active connections of the caller's VPCs, whichever end these are.
async fn active(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
) -> Result<BTreeSet<VpcPeeringConnectionId>> {
    let connections = tx
        .peering_connections()
        .to(call.action())
        .await?
        .into_iter();
    let active = connections.filter(|connection| connection.state == State::Active);
    Ok(active.map(|connection| connection.id).collect())
}
