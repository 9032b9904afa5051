//! Security groups and the flows that they let begin, with real packets. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::UdpSocket;

use common::machine::{DEADLINE, Machine, assert_nothing_received, wait_for};
use common::{Build, eni, two_vpcs};
use tombolo_network::ebpf::FlowTable;
use tombolo_network::{
    DropReason, Network, PortRange, Protocol, Rule, RuleDirection, RulePeer, SecurityGroup,
    SecurityGroupNumber,
};

const CLIENT: u32 = 1;
const SERVER: u32 = 2;

/// What the server's group lets in: the client's group, to the port that tests use.
fn to_the_server() -> Rule {
    let range = PortRange {
        from: 4000,
        to: 4000,
    };
    Rule {
        direction: RuleDirection::Ingress,
        protocol: Protocol::Udp(range),
        peer: RulePeer::Group(SecurityGroupNumber(11)),
    }
}

/// Two peered VPCs. The client's group lets everything out and nothing in, the server's lets in
/// these and nothing out: what comes back belongs to a flow.
fn client_and_server(rules: Vec<Rule>) -> Network {
    let mut network = two_vpcs().peered(1, 1, 2);
    let out = Rule {
        direction: RuleDirection::Egress,
        protocol: Protocol::All,
        peer: RulePeer::Cidr("10.0.0.0/8".parse().unwrap()),
    };
    for (interface, number, rules) in [(CLIENT, 11, vec![out]), (SERVER, 12, rules)] {
        let number = SecurityGroupNumber(number);
        network
            .security_groups
            .insert(number, SecurityGroup { rules });
        let interface = network.interfaces.get_mut(&eni(interface)).unwrap();
        interface.security_groups = vec![number];
    }
    network
}

/// The same with TCP.
fn tcp(mut rule: Rule) -> Rule {
    if let Protocol::Udp(range) = rule.protocol {
        rule.protocol = Protocol::Tcp(range);
    }
    rule
}

#[test]
fn a_reply_passes_without_a_rule_and_nothing_else_does() {
    let machine = Machine::running(client_and_server(vec![to_the_server()]));
    let [client, server] = [CLIENT, SERVER].map(|interface| machine.udp(interface));
    let client_address = machine.network.address(CLIENT);
    machine.assert_drops(&server, client_address, DropReason::SecurityGroupEgress);
    machine.assert_delivers(&client, &server);
    machine.assert_delivers(&server, &client);

    // Another port of the server's has no rule, and another of the client's no flow.
    let address = machine.network.address(SERVER);
    machine.assert_counts_drop(DropReason::SecurityGroupIngress, || {
        client.send_to(b"?", (address, 4001)).unwrap();
    });
    machine.assert_counts_drop(DropReason::SecurityGroupEgress, || {
        server.send_to(b"!", (client_address, 4001)).unwrap();
    });
    assert_nothing_received(&client);
}

#[test]
fn an_interface_without_groups_reaches_nobody_and_is_reached_by_nobody() {
    let mut network = two_vpcs().peered(1, 1, 2);
    network
        .interfaces
        .get_mut(&eni(1))
        .unwrap()
        .security_groups
        .clear();
    let machine = Machine::running(network);
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    let [first, second] = [1, 2].map(|interface| machine.network.address(interface));
    machine.assert_drops(&one, second, DropReason::SecurityGroupEgress);
    machine.assert_drops(&two, first, DropReason::SecurityGroupIngress);
}

#[test]
fn groups_count_within_a_vpc_too() {
    let mut network = Network::default()
        .vpc(1, "10.1.0.0/16")
        .interface(1, 1, "10.1.0.4")
        .interface(2, 1, "10.1.0.5");
    let closed = SecurityGroupNumber(9);
    network
        .security_groups
        .insert(closed, SecurityGroup::default());
    network.interfaces.get_mut(&eni(2)).unwrap().security_groups = vec![closed];
    let machine = Machine::running(network);
    let one = machine.udp(1);
    let neighbour = machine.network.address(2);
    machine.assert_drops(&one, neighbour, DropReason::SecurityGroupIngress);
}

#[test]
fn a_rule_that_goes_stops_a_live_connection_and_its_return_lets_it_go_on() {
    let open = client_and_server(vec![tcp(to_the_server())]);
    let mut machine = Machine::running(open.clone());
    let (mut client, mut server) = machine.tcp(CLIENT, SERVER);
    let mut buffer = [0; 6];
    client.write_all(b"before").unwrap();
    server.read_exact(&mut buffer).unwrap();
    server.write_all(b"answer").unwrap();
    client.read_exact(&mut buffer).unwrap();

    machine.apply(client_and_server(Vec::new()));
    let forwarded = machine.counters().forwarded_peering;
    client.write_all(b"during").unwrap();
    wait_for("the segment to be dropped", || {
        machine.counters().dropped[&DropReason::SecurityGroupIngress].packets > 0
    });
    // Nor does the server's side of the connection get out.
    server.write_all(b"answer").unwrap();
    wait_for("the answer to be dropped", || {
        machine.counters().dropped[&DropReason::SecurityGroupEgress].packets > 0
    });
    assert_eq!(machine.counters().forwarded_peering, forwarded);
    server.set_nonblocking(true).unwrap();
    let read = server.read(&mut buffer).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::WouldBlock));
    server.set_nonblocking(false).unwrap();

    machine.apply(open);
    server.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"during");
}

#[test]
fn a_flow_survives_the_engine() {
    let mut machine = Machine::running(client_and_server(vec![to_the_server()]));
    let [client, server] = [CLIENT, SERVER].map(|interface| machine.udp(interface));
    machine.assert_delivers(&client, &server);
    machine.stop();
    machine.assert_delivers(&server, &client);
    machine.start();
    assert_eq!(machine.reapply().changes, 0);
    machine.assert_delivers(&server, &client);
}

#[test]
fn a_full_table_refuses_new_flows_and_keeps_the_others() {
    let mut machine = Machine::with(|config| {
        config.flow_table = FlowTable {
            capacity: 3,
            share: 2,
            vpc_share: 3,
            group_share: 3,
            reserve: 0,
            reserved: 0,
        };
    });
    machine.apply(client_and_server(vec![to_the_server()]).interface(3, 1, "10.1.0.9"));
    let server = machine.udp(SERVER);
    let address = machine.network.address(CLIENT);
    let socket = |port| {
        let socket = machine.workload(CLIENT, || UdpSocket::bind((address, port)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    };
    let [first, second, third] = [5001, 5002, 5003].map(socket);
    machine.assert_delivers(&first, &server);
    machine.assert_delivers(&second, &server);
    let to = machine.network.address(SERVER);
    machine.assert_drops(&third, to, DropReason::FlowTableFull);
    for client in [&first, &second] {
        machine.assert_delivers(&server, client);
        machine.assert_delivers(client, &server);
    }
}

/// The server's machine says with ICMP that nobody listens, and has no rule that lets it.
#[test]
fn an_icmp_error_passes_with_the_flow_that_it_is_about() {
    let machine = Machine::running(client_and_server(vec![to_the_server()]));
    let client = machine.udp(CLIENT);
    client
        .connect((machine.network.address(SERVER), 4000))
        .unwrap();
    client.send(b"is anybody there?").unwrap();
    let answer = client.recv(&mut [0; 8]).map_err(|error| error.kind());
    assert_eq!(answer, Err(ErrorKind::ConnectionRefused));
    assert_eq!(machine.counters().dropped_total().packets, 0);
}
