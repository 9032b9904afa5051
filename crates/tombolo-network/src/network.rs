//! What an engine is asked for: the wanted state of one machine's networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};

pub use tombolo_domain::fleet::{MappedPort, TransportProtocol};
pub use tombolo_domain::vpc::{
    IcmpMessages, MacAddress, PortRange, Protocol, RouteTableNumber, RuleDirection,
    SecurityGroupNumber, VpcNumber,
};

/// Everything that should exist, whole. An engine takes away what is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Network {
    /// The VPCs, by number.
    pub vpcs: BTreeMap<VpcNumber, Vpc>,
    /// The route tables, by number.
    pub route_tables: BTreeMap<RouteTableNumber, RouteTable>,
    /// The security groups, by number.
    pub security_groups: BTreeMap<SecurityGroupNumber, SecurityGroup>,
    /// The network interfaces that have a workload on this machine.
    pub interfaces: BTreeMap<NetworkInterfaceId, Interface>,
    /// The peerings that let packets through.
    pub peerings: BTreeMap<VpcPeeringConnectionId, Peering>,
}

impl Network {
    /// How many things there are in it.
    pub(crate) fn size(&self) -> usize {
        self.vpcs.len()
            + self.route_tables.len()
            + self.security_groups.len()
            + self.interfaces.len()
            + self.peerings.len()
    }
}

/// A private network. Two VPCs never meet but by a [`Peering`], also when their CIDRs are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Vpc {
    /// The blocks of addresses that are local to the VPC.
    pub cidrs: Vec<Ipv4Net>,
    /// With which VPCs it has a share of the flow table in common.
    pub share_group: ShareGroup,
}

/// VPCs that have one share of the flow table together, by a number that means nothing to an
/// engine: whoever makes many VPCs has no more of the table for it. Never `u64::MAX`, and of one
/// VPC always the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareGroup(pub u64);

/// Where packets of the interfaces that use it go. The VPC's own blocks are local in each of its
/// tables, without a [`Route`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteTable {
    /// The VPC that it belongs to.
    pub vpc: VpcNumber,
    /// The ways out. The longest prefix wins; what no route takes is dropped and counted.
    pub routes: Vec<Route>,
}

/// A route out of a VPC, through a peering. When the same [`Network`] does not hold the peering, or
/// it is none of the VPC's, the route is a black hole: it takes its packets from wider routes, and
/// they are dropped as those that no route takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// What the route is for.
    pub destination: Ipv4Net,
    /// The peering that takes the packets.
    pub peering: VpcPeeringConnectionId,
}

/// A network interface, and the network namespace of the workload that has it as `eth0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interface {
    /// The VPC that it is in.
    pub vpc: VpcNumber,
    /// Its only address: packets with another source are dropped and counted.
    pub address: Ipv4Addr,
    /// Its Ethernet address: frames with another source are dropped and counted.
    pub mac: MacAddress,
    /// The subnet that it is in; the subnet's first host address is the router's.
    pub subnet: Subnet,
    /// The route table of its subnet.
    pub route_table: RouteTableNumber,
    /// The security groups that it carries, at most [`MAX_GROUPS`]. With none, nothing may leave
    /// or reach it.
    pub security_groups: Vec<SecurityGroupNumber>,
    /// The largest packet that it takes, in bytes of IPv4: its MTU, from [`MIN_MTU`] to [`MAX_MTU`].
    pub mtu: u16,
    /// What it has to do with addresses outside of every VPC; `None` is nothing.
    pub outside: Option<Outside>,
}

/// What an interface has to do with the network that the machine itself is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outside {
    /// Its ports that can be reached at the machine's public address. Security groups say from
    /// where; a port of the public address leads to one interface.
    pub ports: Vec<MappedPort>,
    /// Whether it may begin flows to the outside, from the public address.
    pub internet: bool,
}

/// How many security groups an interface can carry (EC2's default quota).
pub const MAX_GROUPS: usize = 5;
/// The smallest MTU that an interface can have: what every IPv4 host must take (RFC 791).
pub const MIN_MTU: u16 = 576;
/// The largest: jumbo frames, as within a Region of AWS (Amazon EC2 User Guide, "Network maximum
/// transmission unit").
pub const MAX_MTU: u16 = 9001;

/// What may reach and leave the interfaces that carry the group. A packet needs a rule of one of
/// the sender's groups to leave and of one of the receiver's to enter, or a flow that had them: a
/// reply to a flow that was let through passes without.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SecurityGroup {
    /// What it lets through; a group without rules lets nothing through.
    pub rules: Vec<Rule>,
}

/// What a security group lets through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// In or out of the group's interfaces.
    pub direction: RuleDirection,
    /// Which packets; ports and ICMP types are those of the packet that begins a flow.
    pub protocol: Protocol,
    /// From or to whom.
    pub peer: RulePeer,
}

/// The other side of a [`Rule`].
pub type RulePeer = tombolo_domain::vpc::RulePeer<SecurityGroupNumber>;

/// A subnet's block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet(pub Ipv4Net);

impl Subnet {
    /// The VPC router's address, the first after the network's own (Amazon VPC User Guide,
    /// "Subnet CIDR blocks").
    pub fn router(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0.network()).wrapping_add(1))
    }
}

/// Two VPCs whose owners agreed. A packet crosses only if its source VPC is one end, its source
/// address is within that end's `cidrs`, and a route of the source VPC names the peering: so a
/// peering never becomes a way through to a third VPC.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peering {
    /// The VPC that asked for it (a fleet's).
    pub requester: PeeringEnd,
    /// The VPC that accepted it.
    pub accepter: PeeringEnd,
}

/// One end of a [`Peering`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeeringEnd {
    /// The VPC at this end.
    pub vpc: VpcNumber,
    /// The addresses of this end that may send to the other.
    pub cidrs: Vec<Ipv4Net>,
}
