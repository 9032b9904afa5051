//! What an engine is asked for: the wanted state of one machine's networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};

pub use tombolo_domain::vpc::{MacAddress, VpcNumber};

/// Everything that should exist, whole. An engine takes away what is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The VPCs, by number.
    pub vpcs: BTreeMap<VpcNumber, Vpc>,
    /// The network interfaces that have a workload on this machine.
    pub interfaces: BTreeMap<NetworkInterfaceId, Interface>,
    /// The peerings that let packets through.
    pub peerings: BTreeMap<VpcPeeringConnectionId, Peering>,
}

/// A private network. Two VPCs never meet but by a [`Peering`], also when their CIDRs are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// The blocks of addresses that are local to the VPC.
    pub cidrs: Vec<Ipv4Net>,
    /// Where packets that leave the VPC go. The longest prefix wins; what no route takes is
    /// dropped and counted.
    pub routes: Vec<Route>,
}

/// A route out of a VPC, through a peering that the same [`Network`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What the route is for.
    pub destination: Ipv4Net,
    /// The peering that takes the packets.
    pub peering: VpcPeeringConnectionId,
}

/// A network interface, and the network namespace of the workload that has it as `eth0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The VPC that it is in.
    pub vpc: VpcNumber,
    /// Its only address: packets with another source are dropped and counted.
    pub address: Ipv4Addr,
    /// Its Ethernet address: frames with another source are dropped and counted.
    pub mac: MacAddress,
    /// The subnet that it is in; the subnet's first host address is the router's.
    pub subnet: Subnet,
}

/// A subnet's block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peering {
    /// The VPC that asked for it (a fleet's).
    pub requester: PeeringEnd,
    /// The VPC that accepted it.
    pub accepter: PeeringEnd,
}

/// One end of a [`Peering`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeringEnd {
    /// The VPC at this end.
    pub vpc: VpcNumber,
    /// The addresses of this end that may send to the other.
    pub cidrs: Vec<Ipv4Net>,
}
