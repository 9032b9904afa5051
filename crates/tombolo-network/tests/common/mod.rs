//! What the tests of the engines share: networks in a few words, and a machine to try them on.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test crate uses its part of it"
)]

pub mod conformance;
pub mod machine;
pub mod netlink;
pub mod outside;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};
use tombolo_network::{
    Interface, MAX_MTU, MacAddress, MappedPort, Network, Packet, Peering, PeeringEnd, Protocol,
    Route, RouteTable, RouteTableNumber, Rule, RuleDirection, RulePeer, SecurityGroup,
    SecurityGroupNumber, ShareGroup, Subnet, Transport, TransportProtocol, Vpc, VpcNumber,
};

/// The interface with that number.
pub fn eni(number: u32) -> NetworkInterfaceId {
    format!("eni-{number:017x}").parse().unwrap()
}

/// The peering with that number.
pub fn pcx(number: u32) -> VpcPeeringConnectionId {
    format!("pcx-{number:017x}").parse().unwrap()
}

/// A network as a test writes it.
pub trait Build {
    /// Adds VPC `number`, with a route table and a security group of the same number; the group
    /// lets everything through.
    fn vpc(self, number: u32, cidr: &str) -> Self;
    /// Adds interface `number` in a /24 subnet of a VPC.
    fn interface(self, number: u32, vpc: u32, address: &str) -> Self;
    /// Adds peering `number` of the two VPCs, with no route.
    fn peering(self, number: u32, requester: u32, accepter: u32) -> Self;
    /// Adds a route to a VPC.
    fn route(self, vpc: u32, destination: &str, peering: u32) -> Self;
    /// Adds peering `number` and the routes to each other's whole VPC.
    fn peered(self, number: u32, requester: u32, accepter: u32) -> Self;
    /// Maps a port of the public address to a port of an interface, for UDP and TCP both.
    fn public(self, interface: u32, public_port: u16, port: u16) -> Self;
    /// Lets an interface begin flows to the outside.
    fn internet(self, interface: u32) -> Self;
    /// Takes a peering away and leaves the routes that name it.
    fn without_peering(self, number: u32) -> Self;
    /// The blocks of a VPC.
    fn cidrs(&self, vpc: u32) -> Vec<Ipv4Net>;
    /// The address of an interface.
    fn address(&self, interface: u32) -> Ipv4Addr;
}

impl Build for Network {
    fn vpc(mut self, number: u32, cidr: &str) -> Self {
        let vpc = Vpc {
            cidrs: vec![cidr.parse().unwrap()],
            share_group: ShareGroup(number.into()),
        };
        let table = RouteTable {
            vpc: VpcNumber(number),
            routes: Vec::new(),
        };
        self.vpcs.insert(VpcNumber(number), vpc);
        self.route_tables.insert(RouteTableNumber(number), table);
        self.security_groups
            .insert(SecurityGroupNumber(number), open_group());
        self
    }

    fn interface(mut self, number: u32, vpc: u32, address: &str) -> Self {
        let address: Ipv4Addr = address.parse().unwrap();
        let interface = Interface {
            vpc: VpcNumber(vpc),
            address,
            mac: MacAddress([0x02, 0, 0, 0, (number >> 8) as u8, number as u8]),
            subnet: Subnet(Ipv4Net::new(address, 24).unwrap().trunc()),
            route_table: RouteTableNumber(vpc),
            security_groups: vec![SecurityGroupNumber(vpc)],
            mtu: MAX_MTU,
            outside: None,
        };
        self.interfaces.insert(eni(number), interface);
        self
    }

    fn peering(mut self, number: u32, requester: u32, accepter: u32) -> Self {
        let end = |vpc: u32| PeeringEnd {
            vpc: VpcNumber(vpc),
            cidrs: self.cidrs(vpc),
        };
        let peering = Peering {
            requester: end(requester),
            accepter: end(accepter),
        };
        self.peerings.insert(pcx(number), peering);
        self
    }

    fn route(mut self, vpc: u32, destination: &str, peering: u32) -> Self {
        let route = Route {
            destination: destination.parse().unwrap(),
            peering: pcx(peering),
        };
        self.route_tables
            .get_mut(&RouteTableNumber(vpc))
            .unwrap()
            .routes
            .push(route);
        self
    }

    fn peered(mut self, number: u32, requester: u32, accepter: u32) -> Self {
        self = self.peering(number, requester, accepter);
        for (from, to) in [(requester, accepter), (accepter, requester)] {
            for cidr in self.cidrs(to) {
                self = self.route(from, &cidr.to_string(), number);
            }
        }
        self
    }

    fn public(mut self, interface: u32, public_port: u16, port: u16) -> Self {
        let outside = &mut self.interfaces.get_mut(&eni(interface)).unwrap().outside;
        let ports = &mut outside.get_or_insert_default().ports;
        ports.extend(
            [TransportProtocol::Tcp, TransportProtocol::Udp].map(|protocol| MappedPort {
                protocol,
                port,
                public_port,
            }),
        );
        self
    }

    fn internet(mut self, interface: u32) -> Self {
        let outside = &mut self.interfaces.get_mut(&eni(interface)).unwrap().outside;
        outside.get_or_insert_default().internet = true;
        self
    }

    fn without_peering(mut self, number: u32) -> Self {
        self.peerings.remove(&pcx(number)).unwrap();
        self
    }

    fn cidrs(&self, vpc: u32) -> Vec<Ipv4Net> {
        self.vpcs[&VpcNumber(vpc)].cidrs.clone()
    }

    fn address(&self, interface: u32) -> Ipv4Addr {
        self.interfaces[&eni(interface)].address
    }
}

/// A security group that lets everything through.
pub fn open_group() -> SecurityGroup {
    let rule = |direction| Rule {
        direction,
        protocol: Protocol::All,
        peer: RulePeer::Cidr(Ipv4Net::default()),
    };
    SecurityGroup {
        rules: vec![rule(RuleDirection::Ingress), rule(RuleDirection::Egress)],
    }
}

/// Two VPCs with an interface each (1 in VPC 1, 2 in VPC 2), and no peering.
pub fn two_vpcs() -> Network {
    Network::default()
        .vpc(1, "10.1.0.0/16")
        .vpc(2, "10.2.0.0/16")
        .interface(1, 1, "10.1.0.4")
        .interface(2, 2, "10.2.0.4")
}

/// A datagram between the ports that workloads use.
pub fn datagram(source: Ipv4Addr, destination: Ipv4Addr) -> Packet {
    Packet {
        source,
        destination,
        transport: Transport::Udp {
            source_port: 4000,
            destination_port: 4000,
        },
    }
}
