//! Random networks, small enough that packets meet in them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tombolo_domain::fleet::PublicPorts;
use tombolo_domain::id::VpcPeeringConnectionId;

use super::{LINKS, eni, mac};
use crate::network::{
    IcmpMessages, Interface, MappedPort, Network, Outside, Peering, PeeringEnd, PortRange,
    Protocol, Route, RouteTable, RouteTableNumber, Rule, RuleDirection, RulePeer, SecurityGroup,
    SecurityGroupNumber, ShareGroup, Subnet, TransportProtocol, Vpc, VpcNumber,
};
use crate::outside::OutsideConfig;
use crate::verdict::model::Joint;

/// The public address.
pub(super) const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

pub(super) const INTERNET_PORTS: [u16; 2] = [2047, 2048];

/// Two ports only to go out by, so that they run out; one of them is what an echo request has in
/// place of a port.
pub(super) fn joint() -> Joint {
    Joint {
        config: OutsideConfig {
            address: PUBLIC,
            interface: None,
            ports: PublicPorts::new(1, 39999).unwrap(),
            internet_ports: PublicPorts::new(INTERNET_PORTS[0], INTERNET_PORTS[1]).unwrap(),
        },
        mtu: 1000,
    }
}

const VPCS: u32 = 3;
const GROUPS: u32 = 5;

pub(super) fn address() -> impl Strategy<Value = Ipv4Addr> {
    (0..2_u8, 0..2_u8, 4..7_u8).prop_map(|(b, c, d)| Ipv4Addr::new(10, b, c, d))
}

/// Somebody outside, or an address that nobody can have there.
pub(super) fn remote() -> impl Strategy<Value = Ipv4Addr> {
    let outside = Just(Ipv4Addr::new(198, 51, 100, 1));
    let strange = [
        "198.51.100.2",
        "127.0.0.1",
        "224.0.0.1",
        "192.168.0.1",
        "10.0.0.4",
    ];
    let strange = select(strange.map(|text| text.parse().unwrap()).to_vec());
    prop_oneof![8 => outside, 2 => strange, 1 => Just(PUBLIC)]
}

/// What an interface has to do with it.
fn outside() -> impl Strategy<Value = Option<Outside>> {
    let transport = select(vec![TransportProtocol::Tcp, TransportProtocol::Udp]);
    let mapped = (transport, port(), select(vec![80, 20000, 20001])).prop_map(
        |(protocol, port, public_port)| MappedPort {
            protocol,
            port,
            public_port,
        },
    );
    let outside = (vec(mapped, 0..6), prop::bool::weighted(0.7))
        .prop_map(|(ports, internet)| Outside { ports, internet });
    option::weighted(0.7, outside)
}

fn block() -> impl Strategy<Value = Ipv4Net> {
    let length = select(vec![0, 8, 15, 16, 23, 24, 31, 32]);
    (address(), length).prop_map(|(address, length)| Ipv4Net::new(address, length).unwrap().trunc())
}

pub(super) fn port() -> impl Strategy<Value = u16> {
    select(vec![0, 22, 80, 81, 2048, 4000, 65535])
}

fn port_range() -> impl Strategy<Value = PortRange> {
    (port(), port()).prop_map(|(a, b)| PortRange {
        from: a.min(b),
        to: a.max(b),
    })
}

fn protocol() -> impl Strategy<Value = Protocol> {
    let kind = option::of(select(vec![0_u8, 3, 5, 8, 13]));
    let messages = (kind, option::of(0..2_u8));
    prop_oneof![
        2 => Just(Protocol::All),
        3 => port_range().prop_map(Protocol::Tcp),
        3 => port_range().prop_map(Protocol::Udp),
        2 => messages.prop_map(|(kind, code)| Protocol::Icmp(IcmpMessages { kind, code })),
        1 => select(vec![6, 17, 1, 47]).prop_map(Protocol::Number),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let direction = select(vec![RuleDirection::Ingress, RuleDirection::Egress]);
    let peer = prop_oneof![
        3 => block().prop_map(RulePeer::Cidr),
        1 => (1..=GROUPS).prop_map(|number| RulePeer::Group(SecurityGroupNumber(number))),
    ];
    (direction, protocol(), peer).prop_map(|(direction, protocol, peer)| Rule {
        direction,
        protocol,
        peer,
    })
}

fn vpc() -> impl Strategy<Value = (Vec<Ipv4Net>, Vec<Route>)> {
    let cidr = (0..2_u8, 15..=24_u8)
        .prop_map(|(b, length)| Ipv4Net::new(Ipv4Addr::new(10, b, 0, 0), length).unwrap());
    let route = (block(), 0..4_usize).prop_map(|(destination, peering)| Route {
        destination,
        peering: pcx(peering),
    });
    (vec(cidr, 1..3), vec(route, 0..4))
}

fn end() -> impl Strategy<Value = PeeringEnd> {
    (1..=VPCS, vec(block(), 0..3)).prop_map(|(vpc, cidrs)| PeeringEnd {
        vpc: VpcNumber(vpc),
        cidrs,
    })
}

pub(super) fn network() -> impl Strategy<Value = Network> {
    let interface = (
        1..=VPCS,
        address(),
        prop_oneof![
            2 => vec((1..=GROUPS).prop_map(SecurityGroupNumber), 1..=1),
            1 => vec((1..=GROUPS).prop_map(SecurityGroupNumber), 0..=5),
        ],
        select(vec![576, 1000, 9001]),
        outside(),
    );
    // A client and a server, too: between them only what belongs to a flow comes back.
    let group = prop_oneof![
        2 => vec(rule(), 0..8).prop_map(|rules| SecurityGroup { rules }),
        1 => Just(one_way(RuleDirection::Egress)),
        1 => Just(one_way(RuleDirection::Ingress)),
    ];
    let peering = (end(), end()).prop_map(|(requester, accepter)| Peering {
        requester,
        accepter,
    });
    (
        vec(vpc(), VPCS as usize),
        vec(interface, 2..=LINKS),
        vec(group, GROUPS as usize),
        vec(peering, 0..4),
    )
        .prop_map(|(vpcs, interfaces, groups, peerings)| Network {
            route_tables: (1..)
                .zip(&vpcs)
                .map(|(number, (_, routes))| {
                    let vpc = VpcNumber(number);
                    let routes = routes.clone();
                    (RouteTableNumber(number), RouteTable { vpc, routes })
                })
                .collect(),
            vpcs: (1..)
                .map(VpcNumber)
                .zip(vpcs)
                .map(|(number, (cidrs, _))| {
                    // The first two are one group's.
                    let share_group = ShareGroup(u64::from(number.0 / 3));
                    (number, Vpc { cidrs, share_group })
                })
                .collect(),
            security_groups: (1..).map(SecurityGroupNumber).zip(groups).collect(),
            interfaces: (0..)
                .zip(interfaces)
                .map(|(number, (vpc, address, security_groups, mtu, outside))| {
                    let interface = Interface {
                        vpc: VpcNumber(vpc),
                        address,
                        mac: mac(number),
                        subnet: Subnet(Ipv4Net::new(address, 24).unwrap().trunc()),
                        route_table: RouteTableNumber(vpc),
                        security_groups,
                        mtu,
                        outside,
                    };
                    (eni(number), interface)
                })
                .collect(),
            peerings: (0..).map(pcx).zip(peerings).collect(),
        })
}

/// A group that lets everything through in one direction.
fn one_way(direction: RuleDirection) -> SecurityGroup {
    let rule = Rule {
        direction,
        protocol: Protocol::All,
        peer: RulePeer::Cidr(Ipv4Net::default()),
    };
    SecurityGroup { rules: vec![rule] }
}

fn pcx(number: usize) -> VpcPeeringConnectionId {
    format!("pcx-{number:017x}").parse().unwrap()
}

/// What another network changes of the first while flows are live: everything but who there is.
pub(super) fn changed(before: &Network, other: Network) -> Network {
    let mut interfaces = before.interfaces.clone();
    for (id, interface) in &mut interfaces {
        if let Some(other) = other.interfaces.get(id) {
            interface.security_groups = other.security_groups.clone();
            interface.mtu = other.mtu;
            interface.outside = other.outside.clone();
        }
    }
    Network {
        interfaces,
        security_groups: other.security_groups,
        ..before.clone()
    }
}
