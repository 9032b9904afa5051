//! Rules as EC2 shows them within their group: those with the same protocol and ports together.

use serde::Serialize;
use tombolo_domain::id::{AccountId, SecurityGroupId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::vpc::{Peer, SecurityGroup, SecurityGroupRule};

use super::peering::ActivePeerings;
use super::{protocol, rule};

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

/// EC2's UserIdGroupPair. What says how a group of another VPC is reached is there for such a one
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
pub(super) fn together<'r>(
    group: &SecurityGroup,
    rules: impl Iterator<Item = &'r SecurityGroupRule>,
    peerings: &ActivePeerings,
) -> Vec<PermissionView> {
    let mut permissions: Vec<PermissionView> = Vec::new();
    for rule in rules {
        let new = PermissionView::none(rule);
        let at = permissions
            .iter()
            .position(|permission| permission.takes_same_packets_as(&new));
        let at = at.unwrap_or_else(|| {
            permissions.push(new);
            permissions.len() - 1
        });
        permissions[at].add(group, rule, peerings);
    }
    permissions
}

impl PermissionView {
    /// The packets of `rule`, from nobody yet.
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

    fn takes_same_packets_as(&self, other: &Self) -> bool {
        self.ip_protocol == other.ip_protocol
            && self.from_port == other.from_port
            && self.to_port == other.to_port
    }

    fn add(&mut self, group: &SecurityGroup, rule: &SecurityGroupRule, peerings: &ActivePeerings) {
        let description = rule::description(rule);
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
