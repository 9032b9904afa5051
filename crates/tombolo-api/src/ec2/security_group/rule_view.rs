//! DescribeSecurityGroupRules, and rules as EC2 shows them one by one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::id::{
    AccountId, SecurityGroupId, SecurityGroupRuleId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::vpc::{Peer, Protocol, RuleDirection, SecurityGroup, SecurityGroupRule};

use super::peering::ActivePeerings;
use super::protocol;
use crate::ec2::error::Result;
use crate::ec2::filter::{Field, Filtered};
use crate::ec2::selection::{Describable, Selection, well_formed};
use crate::ec2::tag::{Tag, TagsOf};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeRules {
    #[serde(default)]
    security_group_rule_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedRules {
    security_group_rules: Vec<RuleView>,
    next_token: Option<String>,
}

/// The rules of the security groups of the caller's VPCs.
pub(crate) async fn describe_security_group_rules(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeRules,
) -> Result<DescribedRules> {
    let in_groups = input.selection.literals("group-id");
    let in_groups = in_groups.map(|ids| ids.filter_map(|id| id.parse().ok()));
    let vpcs = match (&input.security_group_rule_ids[..], in_groups) {
        ([], None) => tx.vpcs().to(call.action()).await?,
        ([], Some(groups)) => {
            let groups: BTreeSet<SecurityGroupId> = groups.collect();
            let groups: Vec<_> = groups.into_iter().collect();
            tx.vpcs().holding(call.action(), &groups).await?
        }
        (ids, _) => {
            tx.vpcs()
                .holding_rules(call.action(), &well_formed(ids))
                .await?
        }
    };
    let peerings = ActivePeerings::in_vpcs(tx, call, &vpcs).await?;
    let mut tags = TagsOf::read(tx, call).await?;
    let mut views = Vec::new();
    for group in tx.security_groups_in(&vpcs).await? {
        let rules = group.rules.iter();
        views.extend(rules.map(|rule| RuleView::new(&group, rule, &peerings, tags.take(&rule.id))));
    }
    let ids = ("securityGroupRuleIds", &input.security_group_rule_ids[..]);
    let page = input.selection.by_ids(call, ids, views)?;
    Ok(DescribedRules {
        security_group_rules: page.items,
        next_token: page.next_token,
    })
}

/// EC2's SecurityGroupRule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RuleView {
    security_group_rule_id: SecurityGroupRuleId,
    security_group_rule_arn: String,
    group_id: SecurityGroupId,
    group_owner_id: AccountId,
    is_egress: bool,
    ip_protocol: String,
    from_port: i32,
    to_port: i32,
    cidr_ipv4: Option<String>,
    referenced_group_info: Option<ReferencedGroup>,
    description: Option<String>,
    tags: Vec<Tag>,
}

/// EC2's ReferencedSecurityGroup.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReferencedGroup {
    group_id: SecurityGroupId,
    user_id: AccountId,
    vpc_id: Option<VpcId>,
    vpc_peering_connection_id: Option<VpcPeeringConnectionId>,
    peering_status: Option<&'static str>,
}

impl RuleView {
    /// `rule` of `group`.
    pub(super) fn new(
        group: &SecurityGroup,
        rule: &SecurityGroupRule,
        peerings: &ActivePeerings,
        tags: Vec<Tag>,
    ) -> Self {
        let Scope { account, region } = &group.scope;
        let (from_port, to_port) = all_ports(rule.protocol);
        RuleView {
            security_group_rule_arn: format!(
                "arn:aws:ec2:{region}:{account}:security-group-rule/{}",
                rule.id
            ),
            security_group_rule_id: rule.id.clone(),
            group_id: group.id.clone(),
            group_owner_id: *account,
            is_egress: rule.direction == RuleDirection::Egress,
            ip_protocol: protocol::ip_protocol(rule.protocol),
            from_port,
            to_port,
            cidr_ipv4: cidr(&rule.peer),
            referenced_group_info: ReferencedGroup::of(group, &rule.peer, peerings),
            description: description(rule),
            tags,
        }
    }
}

impl ReferencedGroup {
    fn of(group: &SecurityGroup, peer: &Peer, peerings: &ActivePeerings) -> Option<Self> {
        match peer {
            Peer::Cidr(_) => None,
            Peer::Group(id) => Some(ReferencedGroup {
                group_id: id.clone(),
                user_id: group.scope.account,
                vpc_id: None,
                vpc_peering_connection_id: None,
                peering_status: None,
            }),
            Peer::PeeredGroup(peered) => {
                let (connection, status) = peerings.status(&group.vpc, peered);
                Some(ReferencedGroup {
                    group_id: peered.group.clone(),
                    user_id: peered.account,
                    vpc_id: Some(peered.vpc.clone()),
                    vpc_peering_connection_id: Some(connection),
                    peering_status: Some(status),
                })
            }
        }
    }
}

impl Filtered for RuleView {
    const FIELDS: &'static [Field<Self>] = &[
        ("group-id", |rule| vec![rule.group_id.to_string()]),
        ("security-group-rule-id", |rule| {
            vec![rule.security_group_rule_id.to_string()]
        }),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Describable for RuleView {
    type Id = SecurityGroupRuleId;

    fn id(&self) -> &SecurityGroupRuleId {
        &self.security_group_rule_id
    }
}

/// EC2's RevokedSecurityGroupRule: a rule that was deleted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RevokedRule {
    security_group_rule_id: SecurityGroupRuleId,
    group_id: SecurityGroupId,
    is_egress: bool,
    ip_protocol: String,
    from_port: i32,
    to_port: i32,
    cidr_ipv4: Option<String>,
    referenced_group_id: Option<SecurityGroupId>,
    description: Option<String>,
}

impl RevokedRule {
    /// `rule`, which `group` had.
    pub(super) fn new(group: &SecurityGroupId, rule: SecurityGroupRule) -> Self {
        let (from_port, to_port) = all_ports(rule.protocol);
        RevokedRule {
            group_id: group.clone(),
            is_egress: rule.direction == RuleDirection::Egress,
            ip_protocol: protocol::ip_protocol(rule.protocol),
            from_port,
            to_port,
            cidr_ipv4: cidr(&rule.peer),
            referenced_group_id: rule.peer.group().cloned(),
            description: description(&rule),
            security_group_rule_id: rule.id,
        }
    }
}

/// The description that a client gave a rule, or the connection that made it.
pub(super) fn description(rule: &SecurityGroupRule) -> Option<String> {
    rule.description.clone().or_else(|| {
        let connection = rule.made_by.as_ref()?;
        Some(format!(
            "Added for VPC peering connection {connection} and removed with it."
        ))
    })
}

/// A rule in the words of EC2's errors: `peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW`.
pub(super) fn error_text(rule: &SecurityGroupRule) -> String {
    let peer = match &rule.peer {
        Peer::Cidr(cidr) => cidr.to_string(),
        Peer::Group(group) => group.to_string(),
        Peer::PeeredGroup(peered) => peered.group.to_string(),
    };
    format!(
        "peer: {peer}, {}, ALLOW",
        protocol::error_text(rule.protocol)
    )
}

fn cidr(peer: &Peer) -> Option<String> {
    match peer {
        Peer::Cidr(cidr) => Some(cidr.to_string()),
        Peer::Group(_) | Peer::PeeredGroup(_) => None,
    }
}

/// Where rules are shown one by one, a protocol without ports has -1 for both.
fn all_ports(protocol: Protocol) -> (i32, i32) {
    protocol::ports(protocol).unwrap_or((-1, -1))
}
