//! Properties of the data path's decision, on random networks, against the promises of
//! `Network`'s own documentation read off one by one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use common::{datagram, eni, open_group, pcx};
use ipnet::Ipv4Net;
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_network::{
    Interface, MAX_MTU, MacAddress, Network, NetworkEngine, Peering, PeeringEnd, Route, RouteTable,
    RouteTableNumber, SecurityGroupNumber, ShareGroup, SimulatedEngine, Subnet, Verdict, Vpc,
    VpcNumber,
};

/// Few VPCs, few addresses: what can collide does.
const VPCS: u32 = 4;

fn address() -> impl Strategy<Value = Ipv4Addr> {
    (0..2u8, 0..2u8, 4..8u8).prop_map(|(b, c, d)| Ipv4Addr::new(10, b, c, d))
}

fn cidr() -> impl Strategy<Value = Ipv4Net> {
    let length = prop::sample::select(vec![0, 8, 15, 16, 23, 24, 31, 32]);
    (address(), length).prop_map(|(address, length)| Ipv4Net::new(address, length).unwrap().trunc())
}

/// The blocks of a VPC, and the routes of its table.
fn vpc() -> impl Strategy<Value = (Vpc, Vec<Route>)> {
    let block = (0..2u8, 16..=24u8)
        .prop_map(|(b, length)| Ipv4Net::new(Ipv4Addr::new(10, b, 0, 0), length).unwrap());
    let route = (cidr(), 0..4u32).prop_map(|(destination, peering)| Route {
        destination,
        peering: pcx(peering),
    });
    (vec(block, 1..3), vec(route, 0..5)).prop_map(|(cidrs, routes)| {
        let share_group = ShareGroup::default();
        (Vpc { cidrs, share_group }, routes)
    })
}

fn end() -> impl Strategy<Value = PeeringEnd> {
    (1..=VPCS, vec(cidr(), 0..3)).prop_map(|(vpc, cidrs)| PeeringEnd {
        vpc: VpcNumber(vpc),
        cidrs,
    })
}

fn network() -> impl Strategy<Value = Network> {
    let peering = (end(), end()).prop_map(|(requester, accepter)| Peering {
        requester,
        accepter,
    });
    let interface = (1..=VPCS, address()).prop_map(|(vpc, address)| Interface {
        vpc: VpcNumber(vpc),
        address,
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        subnet: Subnet(Ipv4Net::new(address, 24).unwrap().trunc()),
        route_table: RouteTableNumber(vpc),
        security_groups: vec![SecurityGroupNumber(1)],
        mtu: MAX_MTU,
        outside: None,
    });
    (
        vec(vpc(), VPCS as usize),
        vec(interface, 1..10),
        vec(peering, 0..4),
    )
        .prop_map(|(vpcs, interfaces, peerings)| Network {
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
                .zip(vpcs.into_iter().map(|(vpc, _)| vpc))
                .collect(),
            security_groups: [(SecurityGroupNumber(1), open_group())].into(),
            interfaces: (0..).map(eni).zip(interfaces).collect(),
            peerings: (0..).map(pcx).zip(peerings).collect(),
        })
}

/// Every packet that the network forwards, of all sources and destinations that there are.
fn forwarded(network: &Network) -> BTreeMap<(NetworkInterfaceId, Ipv4Addr), Verdict> {
    let engine = SimulatedEngine::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(engine.apply(network)).unwrap();
    let mut forwarded = BTreeMap::new();
    for (from, interface) in &network.interfaces {
        for to in addresses() {
            match engine.verdict(from, &datagram(interface.address, to)) {
                Verdict::Drop(_) => {}
                verdict => {
                    forwarded.insert((from.clone(), to), verdict);
                }
            }
        }
    }
    forwarded
}

fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    (0..2u8)
        .flat_map(|b| (0..2u8).flat_map(move |c| (4..8u8).map(move |d| Ipv4Addr::new(10, b, c, d))))
}

/// Whether the promise about peerings lets `from` send to `to`, whatever the prefixes' lengths.
fn some_peering_allows(network: &Network, from: &Interface, to: &Interface) -> bool {
    let ends = |peering: &Peering| {
        [
            (peering.requester.clone(), peering.accepter.clone()),
            (peering.accepter.clone(), peering.requester.clone()),
        ]
    };
    let routed = network.route_tables[&from.route_table]
        .routes
        .iter()
        .any(|route| {
            route.destination.contains(&to.address)
                && network.peerings.get(&route.peering).is_some_and(|peering| {
                    ends(peering)
                        .iter()
                        .any(|(near, far)| near.vpc == from.vpc && far.vpc == to.vpc)
                })
        });
    let admitted = network.peerings.values().flat_map(ends).any(|(near, far)| {
        near.vpc == from.vpc
            && far.vpc == to.vpc
            && near.cidrs.iter().any(|cidr| cidr.contains(&from.address))
    });
    routed && admitted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_packet_goes_to_its_address_in_its_vpc_or_where_a_peering_allows(network in network()) {
        for ((from, to), verdict) in forwarded(&network) {
            let from = &network.interfaces[&from];
            match verdict {
                Verdict::Local(receiver) => {
                    let receiver = &network.interfaces[&receiver];
                    prop_assert_eq!(receiver.address, to);
                    prop_assert_eq!(receiver.vpc, from.vpc);
                }
                Verdict::Peering(receiver) => {
                    let receiver = &network.interfaces[&receiver];
                    prop_assert_eq!(receiver.address, to);
                    prop_assert!(some_peering_allows(&network, from, receiver));
                }
                Verdict::Outside | Verdict::Drop(_) => {
                    unreachable!("only what was forwarded between VPCs is listed")
                }
            }
        }
    }

    #[test]
    fn nothing_crosses_without_peerings(mut network in network()) {
        network.peerings.clear();
        for verdict in forwarded(&network).values() {
            prop_assert!(matches!(verdict, Verdict::Local(_)));
        }
    }

    #[test]
    fn a_peering_takes_nothing_from_vpcs_that_are_not_its_ends(network in network()) {
        for removed in network.peerings.keys() {
            let mut without = network.clone();
            let peering = without.peerings.remove(removed).unwrap();
            let ends = [peering.requester.vpc, peering.accepter.vpc];
            let others = |network: &Network| {
                let mut forwarded = forwarded(network);
                forwarded.retain(|(from, _), _| !ends.contains(&network.interfaces[from].vpc));
                forwarded
            };
            prop_assert_eq!(others(&network), others(&without));
        }
    }

    #[test]
    fn the_end_of_a_peering_opens_no_other_way(network in network()) {
        let before = forwarded(&network);
        for removed in network.peerings.keys() {
            let mut without = network.clone();
            without.peerings.remove(removed);
            for (way, verdict) in forwarded(&without) {
                prop_assert_eq!(before.get(&way), Some(&verdict));
            }
        }
    }

    #[test]
    fn a_source_that_is_not_the_interfaces_own_is_always_dropped(
        network in network(),
        source in address(),
        to in address(),
    ) {
        let engine = SimulatedEngine::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(engine.apply(&network)).unwrap();
        for (from, interface) in &network.interfaces {
            if source != interface.address {
                let verdict = engine.verdict(from, &datagram(source, to));
                let spoofed = Verdict::Drop(tombolo_network::DropReason::SpoofedAddress);
                prop_assert_eq!(verdict, spoofed);
            }
        }
    }
}
