//! DeleteRouteTable.

use serde::Deserialize;
use tombolo_domain::vpc::RouteTable;

use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    route_table_id: String,
}

/// Deletes a route table that nothing uses, with its routes.
pub(crate) async fn delete_route_table(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let table = tx
        .route_table(&input.route_table_id)
        .to(call.action())
        .await?;
    if let Some(what_to_do) = what_uses(&table) {
        return Err(Error::new(
            Ec2Error::DependencyViolation,
            format!(
                "The routeTable '{}' has dependencies and cannot be deleted; {what_to_do}.",
                table.id
            ),
        ));
    }
    tx.remove(&table);
    Ok(Empty {})
}

/// What has to happen before nothing uses the table.
fn what_uses(table: &RouteTable) -> Option<String> {
    if let Some(main) = &table.main {
        return Some(format!(
            "it is the main one of VPC {}: make another the main one first, with \
             ReplaceRouteTableAssociation of {main}",
            table.vpc
        ));
    }
    let association = table.associations.first()?;
    Some(format!(
        "disassociate {} first, by which subnet {} uses it",
        association.id, association.subnet
    ))
}
