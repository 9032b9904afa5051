//! DescribeSecurityGroupReferences and DescribeStaleSecurityGroups: rules that name groups of peered
//! VPCs, from either side.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{SecurityGroupId, SecurityGroupRuleId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::vpc::{Peer, RuleDirection, SecurityGroup};

use super::peering::ActivePeerings;
use super::view::{self, PairView, PermissionView};
use crate::ec2::error::Result;
use crate::ec2::selection::PageLimit;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeReferences {
    group_id: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedReferences {
    security_group_reference_set: Vec<Reference>,
}

/// EC2's SecurityGroupReference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reference {
    group_id: SecurityGroupId,
    referencing_vpc_id: VpcId,
    vpc_peering_connection_id: VpcPeeringConnectionId,
}

/// The VPCs that are peered with those of the groups and have rules that name them.
pub(crate) async fn describe_security_group_references(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeReferences,
) -> Result<DescribedReferences> {
    let mut references = Vec::new();
    for id in &input.group_id {
        let group = tx.security_group(id).to(call.action()).await?;
        let peerings = ActivePeerings::of_vpc(tx, &group).await?;
        for (connection, end) in peerings.from(&group.vpc) {
            let is_named = tx.is_named_by_peer(connection, &end.vpc, &group.id).await?;
            if is_named {
                references.push(Reference {
                    group_id: group.id.clone(),
                    referencing_vpc_id: end.vpc.clone(),
                    vpc_peering_connection_id: connection.id.clone(),
                });
            }
        }
    }
    Ok(DescribedReferences {
        security_group_reference_set: references,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStale {
    vpc_id: String,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedStale {
    stale_security_group_set: Vec<StaleGroup>,
    next_token: Option<String>,
}

/// The groups of a VPC with rules that are stale: they name a group of another VPC that is not
/// peered with this one any more, or a group that was deleted.
pub(crate) async fn describe_stale_security_groups(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeStale,
) -> Result<DescribedStale> {
    let vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let peerings = ActivePeerings::of_vpc(tx, &vpc).await?;
    let mut all = Vec::new();
    for group in tx.security_groups_of(&vpc).peek().await? {
        let stale = stale_rules(tx, &group, &peerings).await?;
        if !stale.is_empty() {
            all.push(StaleGroup::new(group, &stale, &peerings));
        }
    }
    let limit = PageLimit {
        scope: &call.scope(),
        operation: call.operation,
        max_results: input.max_results,
        next_token: input.next_token.as_deref(),
    };
    let page = limit.of(all, |group| group.group_id.to_string())?;
    Ok(DescribedStale {
        stale_security_group_set: page.items,
        next_token: page.next_token,
    })
}

async fn stale_rules(
    tx: &mut ScopedTransaction<'_>,
    group: &SecurityGroup,
    peerings: &ActivePeerings,
) -> Result<BTreeSet<SecurityGroupRuleId>> {
    let mut stale = BTreeSet::new();
    for rule in &group.rules {
        let Peer::PeeredGroup(peered) = &rule.peer else {
            continue;
        };
        let counts = match peerings.between(&group.vpc, &peered.vpc) {
            Some(connection) => {
                let (vpc, group) = (&peered.vpc, &peered.group);
                tx.has_peered_group(connection, vpc, group).await?
            }
            None => false,
        };
        if !counts {
            stale.insert(rule.id.clone());
        }
    }
    Ok(stale)
}

/// EC2's StaleSecurityGroup.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StaleGroup {
    group_id: SecurityGroupId,
    group_name: String,
    description: String,
    vpc_id: VpcId,
    stale_ip_permissions: Vec<StalePermission>,
    stale_ip_permissions_egress: Vec<StalePermission>,
}

/// EC2's StaleIpPermission.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StalePermission {
    ip_protocol: String,
    from_port: Option<i32>,
    to_port: Option<i32>,
    user_id_group_pairs: Vec<PairView>,
}

impl StaleGroup {
    fn new(
        group: SecurityGroup,
        stale: &BTreeSet<SecurityGroupRuleId>,
        peerings: &ActivePeerings,
    ) -> Self {
        let permissions = |direction| {
            let rules = group.rules_of(direction);
            let rules = rules.filter(|rule| stale.contains(&rule.id));
            let permissions = view::grouped_permissions(&group, rules, peerings);
            permissions.into_iter().map(StalePermission::from).collect()
        };
        StaleGroup {
            stale_ip_permissions: permissions(RuleDirection::Ingress),
            stale_ip_permissions_egress: permissions(RuleDirection::Egress),
            group_id: group.id,
            group_name: group.name,
            description: group.description,
            vpc_id: group.vpc,
        }
    }
}

impl From<PermissionView> for StalePermission {
    fn from(view: PermissionView) -> Self {
        StalePermission {
            ip_protocol: view.ip_protocol,
            from_port: view.from_port,
            to_port: view.to_port,
            user_id_group_pairs: view.user_id_group_pairs,
        }
    }
}
