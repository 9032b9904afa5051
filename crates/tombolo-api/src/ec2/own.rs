//! What of the caller's an id names. Anything else is unknown, whoever has it, and so is what
//! belongs to a fleet's hidden VPC.

use std::collections::BTreeSet;

use tombolo_domain::Scope;
use tombolo_domain::id::{
    NetworkInterfaceId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, VpcId,
};
use tombolo_domain::vpc::{NetworkInterface, RouteTable, SecurityGroup, Subnet, Vpc};
use tombolo_store::keys::{self, Key, KeyParts};
use tombolo_store::typed::Transaction;

use super::id::{self, ResourceId};
use crate::ec2::error::{Error, Result};
use crate::operation::Call;

/// The VPC.
pub(super) async fn vpc(tx: &mut Transaction, call: &Call<'_>, text: &str) -> Result<Vpc> {
    let id: VpcId = id::parse(text)?;
    let found = visible_vpc(tx, &call.scope(), &id).await?;
    found.ok_or_else(|| Error::no_such(VpcId::KIND, id))
}

/// The subnet, with its VPC.
pub(super) async fn subnet(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<(Vpc, Subnet)> {
    let id: SubnetId = id::parse(text)?;
    in_vpc(tx, call, id, keys::subnet).await
}

/// The network interface.
pub(super) async fn interface(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<NetworkInterface> {
    let id: NetworkInterfaceId = id::parse(text)?;
    let (_, interface) = in_vpc(tx, call, id, keys::interface).await?;
    Ok(interface)
}

/// The route table.
pub(super) async fn route_table(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<RouteTable> {
    let id: RouteTableId = id::parse(text)?;
    let (_, table) = in_vpc(tx, call, id, keys::route_table).await?;
    Ok(table)
}

/// The security group.
pub(super) async fn security_group(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<SecurityGroup> {
    let id: SecurityGroupId = id::parse(text)?;
    let (_, group) = in_vpc(tx, call, id, keys::security_group).await?;
    Ok(group)
}

/// The security group that has the rule.
///
/// Rules are kept in their groups, so this looks through the caller's; the commit depends on the
/// one that it finds.
pub(super) async fn group_of_rule(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<SecurityGroup> {
    let id: SecurityGroupRuleId = id::parse(text)?;
    let has_rule = |group: &SecurityGroup| group.rules.iter().any(|rule| rule.id == id);
    let vpcs = vpc_ids(tx, call).await?;
    let groups = tx.peek(&keys::security_groups(&call.scope())).await?;
    let mut visible = groups.iter().filter(|group| vpcs.contains(&group.vpc));
    if let Some(SecurityGroup { scope, vpc, id, .. }) = visible.find(|group| has_rule(group))
        && let Some(group) = tx.get(&keys::security_group(scope, vpc, id)).await?
        && has_rule(&group)
    {
        return Ok(group);
    }
    Err(Error::no_such(SecurityGroupRuleId::KIND, id))
}

/// All VPCs, only to be shown: the commit does not depend on them.
pub(super) async fn vpcs(tx: &mut Transaction, call: &Call<'_>) -> Result<Vec<Vpc>> {
    let mut all = tx.peek(&keys::vpcs(&call.scope())).await?;
    all.retain(is_visible);
    Ok(all)
}

/// Their ids.
pub(super) async fn vpc_ids(tx: &mut Transaction, call: &Call<'_>) -> Result<BTreeSet<VpcId>> {
    let all = vpcs(tx, call).await?;
    Ok(all.into_iter().map(|vpc| vpc.id).collect())
}

async fn visible_vpc(tx: &mut Transaction, scope: &Scope, id: &VpcId) -> Result<Option<Vpc>> {
    let found = tx.get(&keys::vpc(scope, id)).await?;
    Ok(found.filter(is_visible))
}

fn is_visible(vpc: &Vpc) -> bool {
    vpc.fleet.is_none()
}

/// A record that is kept under its VPC, with that VPC.
async fn in_vpc<I: ResourceId, K: KeyParts>(
    tx: &mut Transaction,
    call: &Call<'_>,
    id: I,
    key: fn(&Scope, &VpcId, &I) -> Key<K>,
) -> Result<(Vpc, K::Value)> {
    let scope = call.scope();
    if let Some(vpc) = tx.get(&keys::located(&scope, &id.to_string())).await?
        && let Some(vpc) = visible_vpc(tx, &scope, &vpc).await?
        && let Some(found) = tx.get(&key(&scope, &vpc.id, &id)).await?
    {
        return Ok((vpc, found));
    }
    Err(Error::no_such(I::KIND, id))
}
