//! Security groups.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{IdSource, SecurityGroupId, SecurityGroupRuleId, VpcId, VpcPeeringConnectionId};

/// Which packets reach and leave the network interfaces that carry the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: SecurityGroupId,
    /// The VPC.
    pub vpc: VpcId,
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
            name: DEFAULT_GROUP.to_owned(),
            description,
            rules,
        }
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
            made_by: Some(connection.clone()),
        });
    }

    /// Takes away the rules that `connection` made, and no other.
    pub fn remove_rules_of(&mut self, connection: &VpcPeeringConnectionId) {
        self.rules
            .retain(|rule| rule.made_by.as_ref() != Some(connection));
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// The id.
    pub id: SecurityGroupRuleId,
    /// In or out.
    pub direction: RuleDirection,
    /// Which packets.
    pub protocol: Protocol,
    /// From or to whom.
    pub peer: Peer,
    /// The connection that made this rule and will take it back, if a person did not.
    pub made_by: Option<VpcPeeringConnectionId>,
}

/// In or out of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleDirection {
    /// Packets to the interface.
    Ingress,
    /// Packets from the interface.
    Egress,
}

/// The protocols that a rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Every one: `-1` in EC2's API.
    All,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Addresses.
    Cidr(Ipv4Net),
    /// The interfaces that carry a group.
    Group(SecurityGroupId),
}
