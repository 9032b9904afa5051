//! Private networks and what is in them.

mod interface;
mod route;
mod security_group;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{FleetId, SubnetId, VpcId};

pub use interface::{Attachment, MacAddress, NetworkInterface};
pub use route::{Route, RouteTable, RouteTarget};
pub use security_group::{
    DEFAULT_GROUP, Peer, Protocol, RuleDirection, SecurityGroup, SecurityGroupRule,
};

/// A VPC's number in the data path, 1 to 2^24 - 1 (it fits a tunnel key, for engines that span
/// hosts). The store hands it out and never uses it twice, so that a stale map entry can never
/// mean another VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VpcNumber(pub u32);

/// A private network of an account in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: VpcId,
    /// The number in the data path.
    pub number: VpcNumber,
    /// The primary block, fixed for life.
    pub cidr: Ipv4Net,
    /// The fleet whose hidden VPC this is. EC2's operations do not show such a one, nor let
    /// anything be done to it.
    pub fleet: Option<FleetId>,
    /// When it was made.
    pub created: Timestamp,
}

/// A part of a VPC's addresses, in one Availability Zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
