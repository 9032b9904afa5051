//! Private networks and what is in them.

mod interface;
mod route;
mod rule_entries;
mod security_group;

use ipnet::Ipv4Net;
use jiff::Timestamp;

use crate::Scope;
use crate::id::{FleetId, SubnetId, VpcCidrAssociationId, VpcId};

pub use interface::{Attachment, MacAddress, NetworkInterface};
pub use route::{Route, RouteTable, RouteTableAssociation, RouteTableUser, RouteTarget};
pub use rule_entries::{ICMP, PortPrefix, RuleEntries, RulePeer, TCP, UDP};
pub use security_group::{
    DEFAULT_GROUP, IcmpMessages, Peer, PeeredGroup, PortRange, Protocol, RuleDirection,
    SecurityGroup, SecurityGroupRule,
};

/// How many bits of a number in the data path are the number itself, as many as a tunnel key holds
/// (VXLAN, RFC 7348); those above are its generation.
pub const NUMBER_BITS: u32 = 24;

/// A VPC's number in the data path: 1 to 2^24 - 1 in the low [`NUMBER_BITS`], and a generation above
/// them, 0 at first. A number is given again, in another generation, once its VPC is gone, so that a
/// stale map entry can never mean another VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VpcNumber(pub u32);

/// A route table's number in the data path. Numbers of VPCs, route tables and security groups are
/// drawn from one sequence, so no two of them are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteTableNumber(pub u32);

/// A security group's number in the data path; see [`RouteTableNumber`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecurityGroupNumber(pub u32);

/// A private network of an account in a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: VpcId,
    /// The number in the data path.
    pub number: VpcNumber,
    /// The primary block, fixed for life.
    pub cidr: Ipv4Net,
    /// The blocks that were added later.
    pub secondary_cidrs: Vec<CidrAssociation>,
    /// What ModifyVpcAttribute changes.
    pub attributes: VpcAttributes,
    /// The fleet whose hidden VPC this is. EC2's operations do not show such a one, nor let
    /// anything be done to it.
    pub fleet: Option<FleetId>,
    /// When it was made.
    pub created: Timestamp,
}

impl Vpc {
    /// Every block, the primary one first.
    pub fn cidrs(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        let secondary = self.secondary_cidrs.iter().map(|added| added.cidr);
        std::iter::once(self.cidr).chain(secondary)
    }
}

/// A block that AssociateVpcCidrBlock added to a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CidrAssociation {
    /// The id, by which it is taken away again.
    pub id: VpcCidrAssociationId,
    /// The block.
    pub cidr: Ipv4Net,
}

/// A VPC's attributes (EC2's ModifyVpcAttribute). Tombolo has no DNS server of a VPC: they are
/// kept and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VpcAttributes {
    /// enableDnsSupport
    pub dns_support: bool,
    /// enableDnsHostnames
    pub dns_hostnames: bool,
    /// enableNetworkAddressUsageMetrics
    pub network_address_usage_metrics: bool,
}

impl Default for VpcAttributes {
    /// As EC2 makes a VPC that is not the default one.
    fn default() -> Self {
        VpcAttributes {
            dns_support: true,
            dns_hostnames: false,
            network_address_usage_metrics: false,
        }
    }
}

/// A part of a VPC's addresses, in one Availability Zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: SubnetId,
    /// The VPC.
    pub vpc: VpcId,
    /// The block, within the VPC's.
    pub cidr: Ipv4Net,
    /// The Availability Zone's name, such as `us-west-2a`. On one machine it is a name only.
    pub availability_zone: String,
}
