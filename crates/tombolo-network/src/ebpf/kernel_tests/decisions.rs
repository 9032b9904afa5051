//! Decisions one at a time: what random packets meet too seldom, or cannot.

use std::collections::BTreeSet;

use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::vpc::NUMBER_BITS;

use super::bytes::{self, frame};
use super::run::SHOT;
use super::{KernelTest, eni, kernel_test, keys, mac};
use crate::drop_reason::DropReason;
use crate::ebpf::maps::desired::DesiredMaps;
use crate::ebpf::maps::object::FlowTable;
use crate::network::{
    Interface, Network, Peering, PeeringEnd, Protocol, Route, RouteTable, RouteTableNumber, Rule,
    RuleDirection, RulePeer, SecurityGroup, SecurityGroupNumber, ShareGroup, Subnet, Vpc,
    VpcNumber,
};
use crate::verdict::Verdict;
use crate::verdict::model::{Datagram, Payload, TcpFlags};

pub(super) const CLIENT: usize = 0;
pub(super) const SERVER: usize = 1;
pub(super) const OTHER_CLIENT: usize = 2;

/// Two clients that may send to anyone, and a server that anyone may send to: what comes back
/// from it belongs to a flow.
fn clients_and_server() -> Network {
    let group = |direction| SecurityGroup {
        rules: vec![Rule {
            direction,
            protocol: Protocol::All,
            peer: RulePeer::Cidr("0.0.0.0/0".parse().unwrap()),
        }],
    };
    let interface = |number: usize, address: &str, group| Interface {
        vpc: VpcNumber(1),
        address: address.parse().unwrap(),
        mac: mac(number),
        subnet: Subnet("10.0.0.0/24".parse().unwrap()),
        route_table: RouteTableNumber(1),
        security_groups: vec![SecurityGroupNumber(group)],
        mtu: 1500,
        outside: None,
    };
    let block = "10.0.0.0/16".parse().unwrap();
    let table = RouteTable {
        vpc: VpcNumber(1),
        routes: Vec::new(),
    };
    let interfaces = [
        interface(CLIENT, "10.0.0.4", 1),
        interface(SERVER, "10.0.0.5", 2),
        interface(OTHER_CLIENT, "10.0.0.6", 1),
    ];
    Network {
        vpcs: [(
            VpcNumber(1),
            Vpc {
                cidrs: vec![block],
                share_group: ShareGroup(1),
            },
        )]
        .into(),
        route_tables: [(RouteTableNumber(1), table)].into(),
        security_groups: [
            (SecurityGroupNumber(1), group(RuleDirection::Egress)),
            (SecurityGroupNumber(2), group(RuleDirection::Ingress)),
        ]
        .into(),
        interfaces: (0..).map(eni).zip(interfaces).collect(),
        ..Network::default()
    }
}

pub(super) fn with_clients_and_server(table: FlowTable, work: impl FnOnce(&mut KernelTest) + Send) {
    kernel_test(table, |test| {
        test.apply(&clients_and_server());
        work(test);
    });
}

/// A whole packet between two of the network.
pub(super) fn packet(network: &Network, from: usize, to: usize, payload: Payload) -> Datagram {
    Datagram {
        source: network.interfaces[&eni(from)].address,
        destination: network.interfaces[&eni(to)].address,
        payload,
        id: 1,
        fragment_offset: 0,
        more_fragments: false,
        length: 60,
        cut_short: false,
    }
}

fn check(test: &KernelTest, from: usize, to: usize, payload: Payload, expected: &str) {
    let datagram = packet(&test.network, from, to, payload);
    let verdict = test.send(&eni(from), &datagram, 0).verdict;
    let observed = match &verdict {
        Verdict::Local(receiver) if *receiver == eni(to) => "passes".to_owned(),
        Verdict::Drop(reason) => reason.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(observed, expected, "{datagram:?}");
}

pub(super) fn udp(from: u16, to: u16) -> Payload {
    Payload::Udp { ports: [from, to] }
}

/// A segment with the flags named by their first letters.
pub(super) fn tcp(from: u16, to: u16, flags: &str) -> Payload {
    let has = |flag| flags.contains(flag);
    Payload::Tcp {
        ports: [from, to],
        flags: TcpFlags {
            fin: has('F'),
            syn: has('S'),
            rst: has('R'),
            ack: has('A'),
        },
    }
}

#[test]
fn a_reply_needs_a_live_flow() {
    with_clients_and_server(FlowTable::default(), |test| {
        let reply = || udp(4000, 1000);
        check(test, SERVER, CLIENT, reply(), "security_group_egress");
        check(test, CLIENT, SERVER, udp(1000, 4000), "passes");
        check(test, SERVER, CLIENT, reply(), "passes");
        check(
            test,
            SERVER,
            CLIENT,
            udp(4000, 1001),
            "security_group_egress",
        );
        check(test, SERVER, OTHER_CLIENT, reply(), "security_group_egress");
    });
}

/// The timeouts, each just before and just after.
#[test]
fn a_flow_is_forgotten_after_its_timeout() {
    type Talk = fn(&KernelTest);
    let check_timeout = |seconds: u64, talk: Talk, reply: fn() -> Payload| {
        with_clients_and_server(FlowTable::default(), |test| {
            talk(test);
            test.wait(seconds * 1000 - 500);
            check(test, SERVER, CLIENT, reply(), "passes");
        });
        with_clients_and_server(FlowTable::default(), |test| {
            talk(test);
            test.wait(seconds * 1000 + 500);
            check(test, SERVER, CLIENT, reply(), "security_group_egress");
        });
    };
    let asked: Talk = |test| check(test, CLIENT, SERVER, udp(1, 2), "passes");
    let answered: Talk = |test| {
        check(test, CLIENT, SERVER, udp(1, 2), "passes");
        check(test, SERVER, CLIENT, udp(2, 1), "passes");
    };
    let stream: Talk = |test| {
        for _ in 0..2 {
            check(test, CLIENT, SERVER, udp(1, 2), "passes");
            check(test, SERVER, CLIENT, udp(2, 1), "passes");
        }
    };
    check_timeout(30, asked, || udp(2, 1));
    check_timeout(30, answered, || udp(2, 1));
    check_timeout(180, stream, || udp(2, 1));

    let opening: Talk = |test| check(test, CLIENT, SERVER, tcp(1, 2, "S"), "passes");
    let established: Talk = |test| {
        check(test, CLIENT, SERVER, tcp(1, 2, "S"), "passes");
        check(test, SERVER, CLIENT, tcp(2, 1, "SA"), "passes");
        check(test, CLIENT, SERVER, tcp(1, 2, "FA"), "passes");
    };
    let closing: Talk = |test| {
        check(test, CLIENT, SERVER, tcp(1, 2, "S"), "passes");
        check(test, SERVER, CLIENT, tcp(2, 1, "SA"), "passes");
        check(test, CLIENT, SERVER, tcp(1, 2, "FA"), "passes");
        check(test, SERVER, CLIENT, tcp(2, 1, "FA"), "passes");
    };
    check_timeout(60, opening, || tcp(2, 1, "A"));
    check_timeout(432_000, established, || tcp(2, 1, "A"));
    check_timeout(10, closing, || tcp(2, 1, "A"));

    let echo = |kind| Payload::Icmp {
        kind,
        code: 0,
        id: 7,
    };
    with_clients_and_server(FlowTable::default(), |test| {
        check(test, CLIENT, SERVER, echo(8), "passes");
        test.wait(29_500);
        check(test, SERVER, CLIENT, echo(0), "passes");
        test.wait(30_500);
        check(test, SERVER, CLIENT, echo(0), "security_group_egress");
    });
    check_timeout(
        600,
        |test| check(test, CLIENT, SERVER, Payload::Other(47), "passes"),
        || Payload::Other(47),
    );
}

#[test]
fn a_server_cannot_open_a_connection_back_to_its_client() {
    with_clients_and_server(FlowTable::default(), |test| {
        check(test, CLIENT, SERVER, tcp(1, 80, "S"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1, "SA"), "passes");
        check(
            test,
            SERVER,
            CLIENT,
            tcp(80, 1, "S"),
            "security_group_egress",
        );
        // It did not end the flow by trying.
        check(test, SERVER, CLIENT, tcp(80, 1, "A"), "passes");
        // Nor can one ping back by the identifier that looks like a query's type.
        let ping = |kind| Payload::Icmp {
            kind,
            code: 0,
            id: 8 << 8,
        };
        check(test, CLIENT, SERVER, ping(8), "passes");
        check(test, SERVER, CLIENT, ping(8), "security_group_egress");
        check(test, SERVER, CLIENT, ping(0), "passes");
    });
}

#[test]
fn a_connection_that_closed_can_be_opened_again_at_once() {
    with_clients_and_server(FlowTable::default(), |test| {
        check(test, CLIENT, SERVER, tcp(1, 80, "S"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1, "RA"), "passes");
        check(test, CLIENT, SERVER, tcp(1, 80, "S"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1, "SA"), "passes");
        test.wait(100_000_000);
        check(test, SERVER, CLIENT, tcp(80, 1, "A"), "passes");
        assert_eq!(test.flows.keys().count(), 1);
    });
}

/// A table that anyone may fill.
const fn unshared(capacity: u32) -> FlowTable {
    FlowTable {
        capacity,
        share: capacity,
        vpc_share: capacity,
        group_share: capacity,
        reserve: 0,
        reserved: 0,
    }
}

#[test]
fn a_full_table_stops_new_flows_only() {
    let table = FlowTable {
        share: 2,
        ..unshared(3)
    };
    with_clients_and_server(table, |test| {
        check(test, CLIENT, SERVER, udp(1, 9), "passes");
        check(test, CLIENT, SERVER, udp(2, 9), "passes");
        check(test, CLIENT, SERVER, udp(3, 9), "flow_table_full");
        // The share of one is not another's.
        check(test, OTHER_CLIENT, SERVER, udp(1, 9), "passes");
        check(test, OTHER_CLIENT, SERVER, udp(2, 9), "flow_table_full");
        for port in [1, 2] {
            check(test, CLIENT, SERVER, udp(port, 9), "passes");
            check(test, SERVER, CLIENT, udp(9, port), "passes");
        }
        // One that is over makes room for itself, and for nobody else before it is swept out.
        test.wait(31_000);
        check(test, CLIENT, SERVER, udp(1, 9), "passes");
        check(test, CLIENT, SERVER, udp(3, 9), "flow_table_full");
    });
}

/// Clients 0 and 1 are in VPCs of one share group, client 2 in another's; each has a server.
fn three_vpcs_of_two_groups() -> Network {
    let open = [RuleDirection::Egress, RuleDirection::Ingress].map(|direction| Rule {
        direction,
        protocol: Protocol::All,
        peer: RulePeer::Cidr("0.0.0.0/0".parse().unwrap()),
    });
    let mut network = Network::default();
    network.security_groups.insert(
        SecurityGroupNumber(1),
        SecurityGroup {
            rules: open.to_vec(),
        },
    );
    for vpc in 1..=3_u32 {
        let of_vpc = Vpc {
            cidrs: vec!["10.0.0.0/16".parse().unwrap()],
            share_group: ShareGroup(u64::from(vpc / 3)),
        };
        network.vpcs.insert(VpcNumber(vpc), of_vpc);
        let table = RouteTable {
            vpc: VpcNumber(vpc),
            routes: Vec::new(),
        };
        network.route_tables.insert(RouteTableNumber(vpc), table);
        for (number, address) in [(vpc - 1, "10.0.0.4"), (vpc + 2, "10.0.0.5")] {
            let interface = Interface {
                vpc: VpcNumber(vpc),
                address: address.parse().unwrap(),
                mac: mac(number as usize),
                subnet: Subnet("10.0.0.0/24".parse().unwrap()),
                route_table: RouteTableNumber(vpc),
                security_groups: vec![SecurityGroupNumber(1)],
                mtu: 1500,
                outside: None,
            };
            network.interfaces.insert(eni(number as usize), interface);
        }
    }
    network
}

/// Whoever makes VPC after VPC takes no more of the table than its share group has.
#[test]
fn a_share_group_has_one_share_of_the_table() {
    let table = FlowTable {
        capacity: 10,
        share: 10,
        vpc_share: 3,
        group_share: 4,
        reserve: 0,
        reserved: 0,
    };
    kernel_test(table, |test| {
        test.apply(&three_vpcs_of_two_groups());
        for port in 1..=3 {
            check(test, 0, 3, udp(port, 9), "passes");
        }
        check(test, 0, 3, udp(4, 9), "flow_table_full");
        // The VPC's share is used up, whichever interface asks.
        check(test, 3, 0, udp(4, 8), "flow_table_full");
        check(test, 1, 4, udp(1, 9), "passes");
        check(test, 1, 4, udp(2, 9), "flow_table_full");
        // The other group notices nothing.
        for port in 1..=3 {
            check(test, 2, 5, udp(port, 9), "passes");
        }
        // What is in the table goes on.
        check(test, 3, 0, udp(9, 3), "passes");
        check(test, 4, 1, udp(9, 1), "passes");
    });
}

/// A sweeper that was killed has taken flows out of the table, and counted none of them as ended.
#[test]
fn what_a_killed_sweeper_took_out_can_be_begun_again() {
    let one_has_four = [
        FlowTable {
            share: 4,
            ..unshared(32)
        },
        FlowTable {
            vpc_share: 4,
            ..unshared(32)
        },
        FlowTable {
            group_share: 4,
            ..unshared(32)
        },
        unshared(4),
    ];
    for table in one_has_four {
        kernel_test(table, |test| {
            test.apply(&three_vpcs_of_two_groups());
            let fill = |test: &KernelTest| {
                for port in 1..=4 {
                    check(test, 0, 3, udp(port, 9), "passes");
                }
                check(test, 0, 3, udp(5, 9), "flow_table_full");
            };
            fill(test);
            for key in keys(&test.flows) {
                test.flows.remove(&key).unwrap();
            }
            check(test, 0, 3, udp(1, 9), "flow_table_full");
            let mut sweeper = test.sweeper(table);
            sweeper.sweep().unwrap();
            check(test, 0, 3, udp(1, 9), "flow_table_full");
            sweeper.sweep().unwrap();
            fill(test);
            for _ in 0..3 {
                sweeper.sweep().unwrap();
                check(test, 0, 3, udp(5, 9), "flow_table_full");
            }
        });
    }
}

/// Of the group whose share is nearly used up, and of nobody else.
#[test]
fn what_has_been_idle_is_evicted_from_its_own_share() {
    let table = FlowTable {
        group_share: 8,
        ..unshared(32)
    };
    kernel_test(table, |test| {
        test.apply(&three_vpcs_of_two_groups());
        let flows = |test: &KernelTest, vpc: u32| {
            let keys = test.flows.keys().map(Result::unwrap);
            let of_vpc = keys.filter(|key| key.ends[0].vpc == vpc);
            let ports = of_vpc.flat_map(|key| key.ends.map(|end| u16::from_be_bytes(end.port)));
            ports.filter(|port| *port != 9).collect::<BTreeSet<_>>()
        };
        // The first was answered, the others never.
        check(test, 0, 3, udp(101, 9), "passes");
        check(test, 3, 0, udp(9, 101), "passes");
        for port in 102..=103 {
            check(test, 1, 4, udp(port, 9), "passes");
        }
        check(test, 2, 5, udp(101, 9), "passes");
        test.wait(11_000);
        for port in 104..=107 {
            check(test, 0, 3, udp(port, 9), "passes");
        }
        // Seven of eight: one is to go, to have six.
        test.sweep(table);
        assert_eq!(flows(test, 1), [101, 104, 105, 106, 107].into());
        assert_eq!(flows(test, 2).len(), 1);
        assert_eq!(flows(test, 3), [101].into());
        // What ended is theirs again, and nothing else is idle for so long.
        for port in 108..=109 {
            check(test, 0, 3, udp(port, 9), "passes");
        }
        check(test, 0, 3, udp(110, 9), "flow_table_full");
        // Then the answered one, though the other that is left was idle as long.
        test.sweep(table);
        assert_eq!(flows(test, 2), [].into());
        assert!(!flows(test, 1).contains(&101));
        assert_eq!(flows(test, 1).len(), 6);
        test.sweep(table);
        assert_eq!(flows(test, 1).len(), 6);
    });
}

#[test]
fn the_reserve_is_for_groups_that_have_few_flows() {
    let table = FlowTable {
        reserve: 2,
        reserved: 1,
        ..unshared(6)
    };
    kernel_test(table, |test| {
        test.apply(&three_vpcs_of_two_groups());
        for port in 1..=4 {
            check(test, 0, 3, udp(port, 9), "passes");
        }
        check(test, 1, 4, udp(1, 9), "flow_table_full");
        check(test, 2, 5, udp(1, 9), "passes");
        check(test, 2, 5, udp(2, 9), "flow_table_full");
    });
}

#[test]
fn a_rule_that_goes_ends_live_flows_and_comes_back_for_them() {
    with_clients_and_server(FlowTable::default(), |test| {
        let open = clients_and_server();
        let mut closed = open.clone();
        let server = closed.security_groups.get_mut(&SecurityGroupNumber(2));
        server.unwrap().rules.clear();

        check(test, CLIENT, SERVER, udp(1, 9), "passes");
        test.apply(&closed);
        check(test, CLIENT, SERVER, udp(1, 9), "security_group_ingress");
        check(test, SERVER, CLIENT, udp(9, 1), "security_group_egress");
        test.apply(&open);
        check(test, SERVER, CLIENT, udp(9, 1), "passes");

        // The same for a group that the interface no longer carries.
        let mut bare = open.clone();
        let server = bare.interfaces.get_mut(&eni(SERVER)).unwrap();
        server.security_groups.clear();
        test.apply(&bare);
        check(test, CLIENT, SERVER, udp(1, 9), "security_group_ingress");
        test.apply(&open);
        check(test, CLIENT, SERVER, udp(1, 9), "passes");
    });
}

/// What takes over an address takes over none of the flows of who had it.
#[test]
fn a_flow_is_not_inherited_with_an_address() {
    with_clients_and_server(FlowTable::default(), |test| {
        check(test, CLIENT, SERVER, udp(1000, 4000), "passes");
        check(test, SERVER, CLIENT, udp(4000, 1000), "passes");
        for heir in [CLIENT, SERVER] {
            let link = test.links[&eni(heir + 4)];
            test.links.insert(eni(heir), link);
            test.apply(&clients_and_server());
            let reply = udp(4000, 1000);
            check(test, SERVER, CLIENT, reply, "security_group_egress");
            check(test, CLIENT, SERVER, udp(1000, 4000), "passes");
            check(test, SERVER, CLIENT, udp(4000, 1000), "passes");
        }
    });
}

/// A VPC that has the number of one that is gone, in its next generation, has nothing of that one's,
/// also by the same links.
#[test]
fn a_number_that_is_given_again_inherits_nothing() {
    let first_of = |network: &Network, payload| Datagram {
        more_fragments: true,
        ..packet(network, CLIENT, SERVER, payload)
    };
    let rest_of = |network: &Network, payload| Datagram {
        fragment_offset: 8,
        ..packet(network, CLIENT, SERVER, payload)
    };
    let outcome = |test: &KernelTest, datagram: Datagram| {
        let verdict = test.send(&eni(CLIENT), &datagram, 0).verdict;
        match verdict {
            Verdict::Drop(reason) => reason.to_string(),
            _ => "passes".to_owned(),
        }
    };
    with_clients_and_server(FlowTable::default(), |test| {
        let before = clients_and_server();
        check(test, CLIENT, SERVER, udp(1000, 4000), "passes");
        check(test, SERVER, CLIENT, udp(4000, 1000), "passes");
        assert_eq!(outcome(test, first_of(&before, udp(7, 9))), "passes");
        assert_eq!(outcome(test, rest_of(&before, udp(7, 9))), "passes");

        test.apply(&Network::default());
        let again = with_numbers_of(1 << NUMBER_BITS, before);
        test.apply(&again);
        let reply = udp(4000, 1000);
        check(test, SERVER, CLIENT, reply, "security_group_egress");
        assert_eq!(outcome(test, rest_of(&again, udp(7, 9))), "fragment");
        check(test, CLIENT, SERVER, udp(1000, 4000), "passes");
        check(test, SERVER, CLIENT, udp(4000, 1000), "passes");
    });
}

/// The same network with all numbers in another generation.
fn with_numbers_of(generation: u32, network: Network) -> Network {
    let vpc = |number: VpcNumber| VpcNumber(number.0 | generation);
    let table = |number: RouteTableNumber| RouteTableNumber(number.0 | generation);
    let group = |number: SecurityGroupNumber| SecurityGroupNumber(number.0 | generation);
    let mut again = Network::default();
    for (number, of_vpc) in network.vpcs {
        again.vpcs.insert(vpc(number), of_vpc);
    }
    for (number, of_table) in network.route_tables {
        let of_table = RouteTable {
            vpc: vpc(of_table.vpc),
            ..of_table
        };
        again.route_tables.insert(table(number), of_table);
    }
    for (number, rules) in network.security_groups {
        again.security_groups.insert(group(number), rules);
    }
    for (id, interface) in network.interfaces {
        let groups = interface.security_groups.iter();
        let interface = Interface {
            vpc: vpc(interface.vpc),
            route_table: table(interface.route_table),
            security_groups: groups.map(|number| group(*number)).collect(),
            ..interface
        };
        again.interfaces.insert(id, interface);
    }
    again
}

/// Or a client could use up what its server may begin: with connections that it resets, of which
/// the server knows nothing and answers on.
#[test]
fn what_answers_or_resets_begins_no_flow() {
    let table = FlowTable {
        share: 1,
        ..unshared(8)
    };
    with_clients_and_server(table, |test| {
        let mut open = clients_and_server();
        for interface in open.interfaces.values_mut() {
            interface.security_groups = [1, 2].map(SecurityGroupNumber).to_vec();
        }
        test.apply(&open);
        check(test, SERVER, CLIENT, tcp(80, 1000, "SA"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1001, "SA"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1002, "R"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1003, "RA"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1004, "A"), "passes");
        check(test, SERVER, CLIENT, tcp(80, 1005, "A"), "flow_table_full");
    });
}

/// While a route changes, what it takes never goes by a wider one, which may lead to others.
#[test]
fn a_route_that_changes_leaves_nothing_to_a_wider_one() {
    let vpc = |number, cidr: &str| {
        let cidrs = vec![cidr.parse().unwrap()];
        (
            VpcNumber(number),
            Vpc {
                cidrs,
                share_group: ShareGroup(number.into()),
            },
        )
    };
    let interface = |number: usize, vpc, address: &str| {
        let mut interface = clients_and_server().interfaces[&eni(0)].clone();
        interface.vpc = VpcNumber(vpc);
        interface.address = address.parse().unwrap();
        interface.mac = mac(number);
        interface.security_groups = vec![SecurityGroupNumber(1), SecurityGroupNumber(2)];
        (eni(number), interface)
    };
    let pcx =
        |number: u8| -> VpcPeeringConnectionId { format!("pcx-{number:017x}").parse().unwrap() };
    let end = |vpc, cidr: &str| PeeringEnd {
        vpc: VpcNumber(vpc),
        cidrs: vec![cidr.parse().unwrap()],
    };
    let peering = |to| Peering {
        requester: end(1, "10.0.0.0/16"),
        accepter: end(to, "10.1.0.0/16"),
    };
    let route = |cidr: &str, number| Route {
        destination: cidr.parse().unwrap(),
        peering: pcx(number),
    };
    let mut network = clients_and_server();
    network
        .vpcs
        .extend([vpc(2, "10.1.0.0/16"), vpc(3, "10.1.0.0/16")]);
    network.interfaces = [
        interface(0, 1, "10.0.0.4"),
        interface(1, 2, "10.1.0.5"),
        interface(2, 3, "10.1.0.5"),
    ]
    .into();
    network.peerings = [(pcx(2), peering(2)), (pcx(3), peering(3))].into();
    let table = network.route_tables.get_mut(&RouteTableNumber(1)).unwrap();
    table.routes = vec![route("10.1.0.0/16", 2), route("10.1.0.0/24", 3)];

    kernel_test(FlowTable::default(), |test| {
        test.apply(&network);
        let datagram = packet(&network, 0, 2, udp(1, 9));
        let verdict = |test: &KernelTest| test.send(&eni(0), &datagram, 0).verdict;
        assert_eq!(verdict(test), Verdict::Peering(eni(2)));

        network.peerings.remove(&pcx(3));
        let before = test.wanted.take();
        let wanted = DesiredMaps::compile(&network);
        test.data_path.retain(before.as_ref(), &wanted).unwrap();
        let between = verdict(test);
        assert!(matches!(between, Verdict::Drop(_)), "{between:?}");
        test.wanted = before;
        test.apply(&network);
        assert_eq!(verdict(test), Verdict::Drop(DropReason::NoRoute));
    });
}

/// A packet that the kernel is still to cut counts by its segments, in size and in number.
#[test]
fn the_size_of_a_packet_to_be_cut_is_that_of_its_segments() {
    with_clients_and_server(FlowTable::default(), |test| {
        let large = Datagram {
            length: 2940,
            ..packet(&test.network, CLIENT, SERVER, tcp(1, 80, "A"))
        };
        let frame = frame(&large, mac(CLIENT), 0);
        let before = test.counters.totals().unwrap().forwarded_local.packets;
        let fits = test.observe(&eni(CLIENT), &frame, 1460);
        assert_eq!(fits.verdict, Verdict::Local(eni(SERVER)));
        let after = test.counters.totals().unwrap().forwarded_local.packets;
        assert_eq!(
            after - before,
            3,
            "the two segments' payload and a header more"
        );

        let exceeds = test.observe(&eni(CLIENT), &frame, 1461);
        assert_eq!(exceeds.verdict, Verdict::Drop(DropReason::TooBig));
        assert_eq!(exceeds.told, Some(1500));
    });
}

#[test]
fn nobody_is_told_that_an_error_or_a_later_fragment_is_too_big() {
    with_clients_and_server(FlowTable::default(), |test| {
        let first = Datagram {
            more_fragments: true,
            ..packet(&test.network, CLIENT, SERVER, udp(1, 9))
        };
        test.send(&eni(CLIENT), &first, 0);
        let second = Datagram {
            fragment_offset: 5,
            length: 1600,
            ..first
        };
        let told = test.send(&eni(CLIENT), &second, 0);
        assert_eq!(told.verdict, Verdict::Drop(DropReason::TooBig));
        assert_eq!(told.told, None);
    });
}

/// Headers that lie about lengths, one lie at a time.
#[test]
fn malformed_headers_are_dropped() {
    with_clients_and_server(FlowTable::default(), |test| {
        let good = packet(&test.network, CLIENT, SERVER, udp(1, 9));
        let good = frame(&good, mac(CLIENT), 0);
        // What is at an offset of the frame becomes another byte.
        let lies = [
            (14, 0x65), // version 6
            (14, 0x44), // a header of 16 bytes
            (14, 0x4f), // of 60, which leaves the packet without a UDP header
            (16, 0x0f), // longer than the frame
            (17, 19),   // shorter than its header
        ];
        for (offset, byte) in lies {
            let mut frame = good.clone();
            frame[offset] = byte;
            let outcome = test.observe(&eni(CLIENT), &frame, 0);
            let malformed = Verdict::Drop(DropReason::Malformed);
            assert_eq!(outcome.verdict, malformed, "{byte:#x} at {offset}");
        }
        for length in [34, 41, 73] {
            let outcome = test.observe(&eni(CLIENT), &good[..length], 0);
            let malformed = Verdict::Drop(DropReason::Malformed);
            assert_eq!(outcome.verdict, malformed, "{length} bytes");
        }
    });
}

#[test]
fn other_ethernet_frames_are_dropped() {
    with_clients_and_server(FlowTable::default(), |test| {
        let good = packet(&test.network, CLIENT, SERVER, udp(1, 9));
        let good = frame(&good, mac(CLIENT), 0);
        let mut ipv6 = good.clone();
        ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
        let mut spoofed = good.clone();
        spoofed[11] ^= 1;
        for (frame, reason) in [
            (ipv6, DropReason::EtherType),
            (spoofed, DropReason::SpoofedMac),
        ] {
            assert_eq!(test.run(&eni(CLIENT), &frame).verdict, SHOT);
            let outcome = test.observe(&eni(CLIENT), &frame, 0);
            assert_eq!(outcome.verdict, Verdict::Drop(reason));
        }
        // Nothing of the frame is another's once it is delivered.
        let delivered = test.run(&eni(CLIENT), &good).frame;
        assert_eq!(delivered, bytes::readdressed(&good, mac(SERVER)));
    });
}
