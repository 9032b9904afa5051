//! Security groups.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::fleet::{InboundPermission, TransportProtocol};
use crate::id::{
    AccountId, IdSource, SecurityGroupId, SecurityGroupRuleId, VpcId, VpcPeeringConnectionId,
};
use crate::vpc::{SecurityGroupNumber, VpcNumber};

/// Which packets reach and leave the network interfaces that carry the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: SecurityGroupId,
    /// The VPC.
    pub vpc: VpcId,
    /// The number in the data path. `None` for the group that came with the VPC, which has the
    /// VPC's own.
    pub number: Option<SecurityGroupNumber>,
    /// The name; `default` is the group that comes with the VPC and cannot be deleted.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The rules.
    pub rules: Vec<SecurityGroupRule>,
}

/// The name of the group that every VPC has.
pub const DEFAULT_GROUP: &str = "default";

impl SecurityGroup {
    /// The group that comes with a new VPC: everything in from the group itself, everything out
    /// (Amazon VPC User Guide, "Default security groups").
    pub fn default_of(scope: Scope, vpc: VpcId, ids: &dyn IdSource) -> Self {
        let id = SecurityGroupId::generate(ids);
        let rule = |direction, peer| SecurityGroupRule {
            id: SecurityGroupRuleId::generate(ids),
            direction,
            protocol: Protocol::All,
            peer,
            description: None,
            made_by: None,
        };
        let rules = vec![
            rule(RuleDirection::Ingress, Peer::Group(id.clone())),
            rule(RuleDirection::Egress, Peer::Cidr(Ipv4Net::default())),
        ];
        let description = "default VPC security group".to_owned();
        SecurityGroup {
            scope,
            id,
            vpc,
            number: None,
            name: DEFAULT_GROUP.to_owned(),
            description,
            rules,
        }
    }

    /// Its number in the data path, `vpc` being that of its VPC.
    pub fn number_in(&self, vpc: VpcNumber) -> SecurityGroupNumber {
        self.number.unwrap_or(SecurityGroupNumber(vpc.0))
    }

    /// Whether this is its VPC's default group.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_GROUP
    }

    /// Lets `cidr` in, on behalf of `connection`, which will take the rule back.
    pub fn admit(
        &mut self,
        cidr: Ipv4Net,
        connection: &VpcPeeringConnectionId,
        ids: &dyn IdSource,
    ) {
        self.rules.push(SecurityGroupRule {
            id: SecurityGroupRuleId::generate(ids),
            direction: RuleDirection::Ingress,
            protocol: Protocol::All,
            peer: Peer::Cidr(cidr),
            description: None,
            made_by: Some(connection.clone()),
        });
    }

    /// Takes away the rules that `connection` made, and no other.
    pub fn remove_rules_of(
        &mut self,
        connection: &VpcPeeringConnectionId,
    ) -> Vec<SecurityGroupRule> {
        self.remove_rules(|rule| rule.made_by.as_ref() == Some(connection))
    }

    /// Lets players in as `permissions` have it, of the fleet whose VPC's default group this is,
    /// and none that came by earlier ones. Rules that stay keep their ids.
    pub fn allow_players(&mut self, permissions: &[InboundPermission], ids: &dyn IdSource) {
        let mut wanted: Vec<SecurityGroupRule> = permissions
            .iter()
            .map(|permission| SecurityGroupRule::of_inbound_permission(permission, ids))
            .collect();
        self.rules.retain(|rule| {
            if !rule.is_of_inbound_permission() {
                return true;
            }
            let before = wanted.len();
            wanted.retain(|other| !other.has_same_permission(rule));
            wanted.len() < before
        });
        self.rules.append(&mut wanted);
    }

    /// Takes away the rules that are `unwanted`.
    pub fn remove_rules(
        &mut self,
        unwanted: impl Fn(&SecurityGroupRule) -> bool,
    ) -> Vec<SecurityGroupRule> {
        self.rules.extract_if(.., |rule| unwanted(rule)).collect()
    }

    /// The rules of one direction.
    pub fn rules_of(&self, direction: RuleDirection) -> impl Iterator<Item = &SecurityGroupRule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.direction == direction)
    }

    /// Whether a rule names `group`.
    pub fn refers_to(&self, group: &SecurityGroupId) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.peer.group() == Some(group))
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroupRule {
    /// The id.
    pub id: SecurityGroupRuleId,
    /// In or out.
    pub direction: RuleDirection,
    /// Which packets.
    pub protocol: Protocol,
    /// From or to whom.
    pub peer: Peer,
    /// What a person wrote about it.
    pub description: Option<String>,
    /// The connection that made this rule and will take it back, if a person did not.
    pub made_by: Option<VpcPeeringConnectionId>,
}

/// The description of the rules that a fleet's inbound permissions made. They are in groups that
/// nobody but the fleet's operations can change, so no other rule has it.
const INBOUND_PERMISSION: &str = "EC2InboundPermissions";

impl SecurityGroupRule {
    fn of_inbound_permission(permission: &InboundPermission, ids: &dyn IdSource) -> Self {
        let ports = PortRange {
            from: permission.from_port,
            to: permission.to_port,
        };
        SecurityGroupRule {
            id: SecurityGroupRuleId::generate(ids),
            direction: RuleDirection::Ingress,
            protocol: match permission.protocol {
                TransportProtocol::Tcp => Protocol::Tcp(ports),
                TransportProtocol::Udp => Protocol::Udp(ports),
            },
            peer: Peer::Cidr(permission.range.trunc()),
            description: Some(INBOUND_PERMISSION.to_owned()),
            made_by: None,
        }
    }

    /// Whether a fleet's inbound permission made it.
    pub fn is_of_inbound_permission(&self) -> bool {
        self.made_by.is_none() && self.description.as_deref() == Some(INBOUND_PERMISSION)
    }

    /// Whether both let the same packets pass. Ids, descriptions and who made them do not count.
    pub fn has_same_permission(&self, other: &SecurityGroupRule) -> bool {
        self.direction == other.direction
            && self.protocol == other.protocol
            && self.peer.is_same_as(&other.peer)
    }
}

/// In or out of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleDirection {
    /// Packets to the interface.
    Ingress,
    /// Packets from the interface.
    Egress,
}

/// The packets that a rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Every one: `-1` in EC2's API.
    All,
    /// TCP to these ports.
    Tcp(PortRange),
    /// UDP to these ports.
    Udp(PortRange),
    /// ICMP of these kinds.
    Icmp(IcmpMessages),
    /// Every packet of another protocol, by its IANA number.
    Number(u8),
}

/// Ports, from the first to the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The first.
    pub from: u16,
    /// The last; not below the first.
    pub to: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: PortRange = PortRange {
        from: 0,
        to: u16::MAX,
    };
}

/// ICMP messages by type and code (RFC 792).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpMessages {
    /// The type; `None` is every one, and then of every code.
    pub kind: Option<u8>,
    /// The code; `None` is every one.
    pub code: Option<u8>,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Addresses.
    Cidr(Ipv4Net),
    /// The interfaces that carry a group of the same VPC.
    Group(SecurityGroupId),
    /// The interfaces that carry a group of a VPC that this one is peered with.
    PeeredGroup(PeeredGroup),
}

impl Peer {
    /// The group, if it is one.
    pub fn group(&self) -> Option<&SecurityGroupId> {
        match self {
            Peer::Cidr(_) => None,
            Peer::Group(group) => Some(group),
            Peer::PeeredGroup(peered) => Some(&peered.group),
        }
    }

    /// Whether both are the same addresses or the same group, whichever connection led to it when
    /// the rule was written.
    pub fn is_same_as(&self, other: &Peer) -> bool {
        match (self, other) {
            (Peer::Cidr(one), Peer::Cidr(other)) => one == other,
            (one, other) => one.group().is_some() && one.group() == other.group(),
        }
    }
}

/// A group of another VPC. It counts while the connection is active and the group is there;
/// otherwise the rule is stale (Amazon VPC Peering Guide, "Update your security groups to
/// reference peer security groups").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeeredGroup {
    /// The account that has the group.
    pub account: AccountId,
    /// The VPC of the group.
    pub vpc: VpcId,
    /// The group.
    pub group: SecurityGroupId,
    /// The connection that led there when the rule was written.
    pub connection: VpcPeeringConnectionId,
}
