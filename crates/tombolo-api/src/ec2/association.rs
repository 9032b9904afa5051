//! Which of the caller's resources an association's id names.
//!
//! An association is kept within the record of what it belongs to, so it is looked for among the
//! caller's records, and the one that has it is then read again for the commit to depend on.

use tombolo_domain::id::{RouteTableAssociationId, VpcCidrAssociationId};
use tombolo_domain::vpc::{RouteTable, Vpc};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::id::{self, ResourceId};
use super::own;
use crate::ec2::error::{Error, Result};
use crate::operation::Call;

/// The VPC that a block is associated with.
pub(super) async fn of_cidr_block(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<(Vpc, VpcCidrAssociationId)> {
    let id: VpcCidrAssociationId = id::parse(text)?;
    let has_it = |vpc: &Vpc| {
        let mut secondary = vpc.secondary_cidrs.iter();
        VpcCidrAssociationId::primary_of(&vpc.id) == id || secondary.any(|one| one.id == id)
    };
    if let Some(seen) = own::vpcs(tx, call).await?.into_iter().find(has_it) {
        let vpc = own::vpc(tx, call, seen.id.as_str()).await?;
        if has_it(&vpc) {
            return Ok((vpc, id));
        }
    }
    Err(Error::no_such(VpcCidrAssociationId::KIND, id))
}

/// The route table that is associated with a subnet, or with its VPC as the main one.
pub(super) async fn of_route_table(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<(RouteTable, RouteTableAssociationId)> {
    let id: RouteTableAssociationId = id::parse(text)?;
    let vpcs = own::vpc_ids(tx, call).await?;
    let tables = tx.peek(&keys::route_tables(&call.scope())).await?;
    let mut tables = tables.into_iter();
    if let Some(seen) = tables.find(|table| table.has_association(&id) && vpcs.contains(&table.vpc))
    {
        let table = own::route_table(tx, call, seen.id.as_str()).await?;
        if table.has_association(&id) {
            return Ok((table, id));
        }
    }
    Err(Error::no_such(RouteTableAssociationId::KIND, id))
}
