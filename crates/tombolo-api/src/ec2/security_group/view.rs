//! DescribeSecurityGroups, and groups as EC2 shows them: rules with the same protocol and ports are
//! one permission.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{AccountId, SecurityGroupId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::vpc::{Peer, RuleDirection, SecurityGroup, SecurityGroupRule};

use super::peering::ActivePeerings;
use super::{arn, protocol, rule_view};
use crate::ec2::error::Result;
use crate::ec2::filter::{Field, Filtered};
use crate::ec2::parameter::unsupported;
use crate::ec2::selection::{Describable, Selection, well_formed};
use crate::ec2::tag::{Tag, TagsOf};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    group_ids: Vec<String>,
    #[serde(default)]
    group_names: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    security_groups: Vec<GroupView>,
    next_token: Option<String>,
}

/// The security groups of the caller's VPCs.
pub(crate) async fn describe_security_groups(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    if !input.group_names.is_empty() {
        return Err(unsupported(
            "GroupNames names security groups of a default VPC, and Tombolo makes none. Use \
             GroupIds, or the filters group-name and vpc-id.",
        ));
    }
    let vpcs = match &input.group_ids[..] {
        [] => input.selection.vpcs(tx, call).await?,
        ids => {
            let ids = well_formed::<SecurityGroupId>(ids);
            tx.vpcs().holding(call.action(), &ids).await?
        }
    };
    let peerings = ActivePeerings::in_vpcs(tx, call, &vpcs).await?;
    let mut tags = TagsOf::read(tx, call).await?;
    let groups = tx.security_groups_in(&vpcs).await?;
    let names = names_for(tx, &groups).await?;
    let all = groups.into_iter().map(|group| {
        let tags = tags.take(&group.id);
        GroupView::new(group, tags, &peerings, &names)
    });
    let ids = ("groupIds", &input.group_ids[..]);
    let page = input.selection.by_ids(call, ids, all.collect())?;
    Ok(Described {
        security_groups: page.items,
        next_token: page.next_token,
    })
}

/// The names of `groups` and of the caller's other groups that their rules name: of VPCs that are not
/// asked for.
async fn names_for(
    tx: &mut ScopedTransaction<'_>,
    groups: &[SecurityGroup],
) -> Result<BTreeMap<SecurityGroupId, String>> {
    let names = groups
        .iter()
        .map(|group| (group.id.clone(), group.name.clone()));
    let mut names: BTreeMap<_, _> = names.collect();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        if let Peer::PeeredGroup(peered) = &rule.peer
            && peered.account == tx.principal().account()
            && !names.contains_key(&peered.group)
            && let Some(other) = tx.peek_group(&peered.vpc, &peered.group).await?
        {
            names.insert(other.id.clone(), other.name.clone());
        }
    }
    Ok(names)
}

/// EC2's SecurityGroup.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupView {
    group_id: SecurityGroupId,
    group_name: String,
    description: String,
    vpc_id: VpcId,
    owner_id: AccountId,
    security_group_arn: String,
    #[serde(rename = "IpPermissions")]
    ingress: Permissions,
    #[serde(rename = "IpPermissionsEgress")]
    egress: Permissions,
    tags: Vec<Tag>,
}

/// The rules of one direction.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Permissions {
    all: Vec<PermissionView>,
    /// The names of the groups in them, for the filter only: EC2 shows none in a VPC.
    #[serde(skip)]
    group_names: Vec<String>,
}

impl GroupView {
    fn new(
        group: SecurityGroup,
        tags: Vec<Tag>,
        peerings: &ActivePeerings,
        names: &BTreeMap<SecurityGroupId, String>,
    ) -> Self {
        let permissions = |direction| {
            let rules = group.rules_of(direction);
            let named = group
                .rules_of(direction)
                .filter_map(|rule| rule.peer.group());
            Permissions {
                all: grouped_permissions(&group, rules, peerings),
                group_names: named.filter_map(|id| names.get(id).cloned()).collect(),
            }
        };
        GroupView {
            ingress: permissions(RuleDirection::Ingress),
            egress: permissions(RuleDirection::Egress),
            security_group_arn: arn(&group),
            owner_id: group.scope.account,
            tags,
            group_id: group.id,
            group_name: group.name,
            description: group.description,
            vpc_id: group.vpc,
        }
    }
}

impl Permissions {
    fn cidrs(&self) -> Vec<String> {
        let ranges = self.all.iter().flat_map(|one| &one.ip_ranges);
        ranges.map(|range| range.cidr_ip.clone()).collect()
    }

    fn first_ports(&self) -> Vec<String> {
        let ports = self.all.iter().filter_map(|one| one.from_port);
        ports.map(|port| port.to_string()).collect()
    }

    fn last_ports(&self) -> Vec<String> {
        let ports = self.all.iter().filter_map(|one| one.to_port);
        ports.map(|port| port.to_string()).collect()
    }

    fn pairs(&self, read: fn(&PairView) -> String) -> Vec<String> {
        let pairs = self.all.iter().flat_map(|one| &one.user_id_group_pairs);
        pairs.map(read).collect()
    }

    fn group_ids(&self) -> Vec<String> {
        self.pairs(|pair| pair.group_id.to_string())
    }

    fn user_ids(&self) -> Vec<String> {
        self.pairs(|pair| pair.user_id.to_string())
    }

    fn protocols(&self) -> Vec<String> {
        let permissions = self.all.iter();
        permissions.map(|one| one.ip_protocol.clone()).collect()
    }
}

impl Filtered for GroupView {
    const FIELDS: &'static [Field<Self>] = &[
        ("description", |g| vec![g.description.clone()]),
        ("egress.ip-permission.cidr", |g| g.egress.cidrs()),
        ("egress.ip-permission.from-port", |g| g.egress.first_ports()),
        ("egress.ip-permission.group-id", |g| g.egress.group_ids()),
        ("egress.ip-permission.group-name", |g| {
            g.egress.group_names.clone()
        }),
        // No rule has an IPv6 range or a prefix list.
        ("egress.ip-permission.ipv6-cidr", |_| Vec::new()),
        ("egress.ip-permission.prefix-list-id", |_| Vec::new()),
        ("egress.ip-permission.protocol", |g| g.egress.protocols()),
        ("egress.ip-permission.to-port", |g| g.egress.last_ports()),
        ("egress.ip-permission.user-id", |g| g.egress.user_ids()),
        ("group-id", |g| vec![g.group_id.to_string()]),
        ("group-name", |g| vec![g.group_name.clone()]),
        ("ip-permission.cidr", |g| g.ingress.cidrs()),
        ("ip-permission.from-port", |g| g.ingress.first_ports()),
        ("ip-permission.group-id", |g| g.ingress.group_ids()),
        ("ip-permission.group-name", |g| {
            g.ingress.group_names.clone()
        }),
        ("ip-permission.ipv6-cidr", |_| Vec::new()),
        ("ip-permission.prefix-list-id", |_| Vec::new()),
        ("ip-permission.protocol", |g| g.ingress.protocols()),
        ("ip-permission.to-port", |g| g.ingress.last_ports()),
        ("ip-permission.user-id", |g| g.ingress.user_ids()),
        ("owner-id", |g| vec![g.owner_id.to_string()]),
        ("vpc-id", |g| vec![g.vpc_id.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Describable for GroupView {
    type Id = SecurityGroupId;

    fn id(&self) -> &SecurityGroupId {
        &self.group_id
    }
}

/// EC2's IpPermission.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PermissionView {
    pub(super) ip_protocol: String,
    pub(super) from_port: Option<i32>,
    pub(super) to_port: Option<i32>,
    pub(super) ip_ranges: Vec<RangeView>,
    pub(super) user_id_group_pairs: Vec<PairView>,
    ipv6_ranges: [(); 0],
    prefix_list_ids: [(); 0],
}

/// EC2's IpRange.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RangeView {
    pub(super) cidr_ip: String,
    description: Option<String>,
}

/// EC2's UserIdGroupPair. The VPC, the connection and its status are there for a group of another VPC
/// only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PairView {
    pub(super) user_id: AccountId,
    pub(super) group_id: SecurityGroupId,
    vpc_id: Option<VpcId>,
    vpc_peering_connection_id: Option<VpcPeeringConnectionId>,
    peering_status: Option<&'static str>,
    description: Option<String>,
}

/// `rules`, all of `group`, in the order in which they were written.
pub(super) fn grouped_permissions<'r>(
    group: &SecurityGroup,
    rules: impl Iterator<Item = &'r SecurityGroupRule>,
    peerings: &ActivePeerings,
) -> Vec<PermissionView> {
    let mut permissions: Vec<PermissionView> = Vec::new();
    for rule in rules {
        let new = PermissionView::none(rule);
        let at = permissions
            .iter()
            .position(|permission| permission.has_same_protocol_as(&new));
        let at = at.unwrap_or_else(|| {
            permissions.push(new);
            permissions.len() - 1
        });
        permissions[at].add(group, rule, peerings);
    }
    permissions
}

impl PermissionView {
    /// The protocol and the ports of `rule`, without any source.
    fn none(rule: &SecurityGroupRule) -> Self {
        let (from_port, to_port) = protocol::ports(rule.protocol).unzip();
        PermissionView {
            ip_protocol: protocol::ip_protocol(rule.protocol),
            from_port,
            to_port,
            ip_ranges: Vec::new(),
            user_id_group_pairs: Vec::new(),
            ipv6_ranges: [],
            prefix_list_ids: [],
        }
    }

    fn has_same_protocol_as(&self, other: &Self) -> bool {
        self.ip_protocol == other.ip_protocol
            && self.from_port == other.from_port
            && self.to_port == other.to_port
    }

    fn add(&mut self, group: &SecurityGroup, rule: &SecurityGroupRule, peerings: &ActivePeerings) {
        let description = rule_view::description(rule);
        match &rule.peer {
            Peer::Cidr(cidr) => self.ip_ranges.push(RangeView {
                cidr_ip: cidr.to_string(),
                description,
            }),
            Peer::Group(id) => self.user_id_group_pairs.push(PairView {
                user_id: group.scope.account,
                group_id: id.clone(),
                vpc_id: None,
                vpc_peering_connection_id: None,
                peering_status: None,
                description,
            }),
            Peer::PeeredGroup(peered) => {
                let (connection, status) = peerings.status(&group.vpc, peered);
                self.user_id_group_pairs.push(PairView {
                    user_id: peered.account,
                    group_id: peered.group.clone(),
                    vpc_id: Some(peered.vpc.clone()),
                    vpc_peering_connection_id: Some(connection),
                    peering_status: Some(status),
                    description,
                });
            }
        }
    }
}
