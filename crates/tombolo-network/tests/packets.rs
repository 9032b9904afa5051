//! Real packets through the `ebpf` engine. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;

use common::machine::{Machine, assert_nothing_received, link_of, wait_for};
use common::{Build, eni, pcx, two_vpcs};
use tombolo_network::ebpf::AttachmentKind;
use tombolo_network::{DropReason, MacAddress, Network};
use tombolo_testkit::frame::{Arp, Datagram, ROUTER, with_vlan_tag};
use tombolo_testkit::packet_socket::PacketSocket;

/// Sends a frame from the workload that the calling thread is in.
fn send(frame: &[u8]) {
    PacketSocket::open().send(frame);
}

#[test]
fn interfaces_of_one_vpc_reach_each_other_across_subnets() {
    let machine = Machine::running(
        Network::default()
            .vpc(1, "10.1.0.0/16")
            .interface(1, 1, "10.1.0.4")
            .interface(2, 1, "10.1.0.5")
            .interface(3, 1, "10.1.9.4"),
    );
    let [one, neighbour, far] = [1, 2, 3].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &neighbour);
    machine.assert_delivers(&neighbour, &one);
    machine.assert_delivers(&one, &far);
    assert_eq!(machine.counters().forwarded_local.packets, 3);
    assert_eq!(machine.counters().forwarded_peering.packets, 0);
    assert_eq!(machine.counters().dropped_total().packets, 0);
}

#[test]
fn unpeered_vpcs_do_not_reach_each_other() {
    let machine = Machine::running(two_vpcs());
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_drops(&one, machine.network.address(2), DropReason::NoRoute);
    machine.assert_drops(&two, machine.network.address(1), DropReason::NoRoute);
    assert_nothing_received(&one);
    assert_nothing_received(&two);
}

#[test]
fn peered_vpcs_reach_each_other_both_ways() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&two, &one);
    assert_eq!(machine.counters().forwarded_peering.packets, 2);

    let (mut client, mut server) = machine.tcp(1, 2);
    let block = vec![0x5a; 1 << 20];
    let sender = std::thread::spawn(move || client.write_all(&block).map(|()| client));
    let mut received = vec![0; 1 << 20];
    server.read_exact(&mut received).unwrap();
    assert!(received.iter().all(|&byte| byte == 0x5a));
    sender.join().unwrap().unwrap();
}

#[test]
fn peering_takes_effect_when_apply_returns() {
    let mut machine = Machine::running(two_vpcs());
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    for _ in 0..3 {
        machine.apply(two_vpcs().peered(1, 1, 2));
        machine.assert_delivers(&one, &two);
        machine.apply(two_vpcs());
        machine.assert_drops(&one, machine.network.address(2), DropReason::NoRoute);
        assert_nothing_received(&two);
    }
}

#[test]
fn deleting_a_peering_stops_a_live_tcp_stream() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let (mut client, mut server) = machine.tcp(1, 2);
    client.write_all(b"before").unwrap();
    let mut buffer = [0; 6];
    server.read_exact(&mut buffer).unwrap();

    // The routes that a person wrote stay and name a peering that is gone.
    machine.apply(machine.network.clone().without_peering(1));
    let before = machine.counters();
    client.write_all(b"after").unwrap();
    wait_for("the segment to be dropped", || {
        machine.counters().dropped[&DropReason::NoRoute] != before.dropped[&DropReason::NoRoute]
    });
    assert_eq!(
        machine.counters().forwarded_peering,
        before.forwarded_peering
    );
    server.set_nonblocking(true).unwrap();
    let read = server.read(&mut buffer).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::WouldBlock));
}

#[test]
fn a_third_vpc_peered_with_one_does_not_reach_the_other() {
    let chain = two_vpcs()
        .vpc(3, "10.3.0.0/16")
        .interface(3, 3, "10.3.0.4")
        .peered(1, 1, 2)
        .peered(2, 2, 3);
    let mut machine = Machine::running(chain.clone());
    let [one, two, three] = [1, 2, 3].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&three, &two);
    machine.assert_drops(&three, machine.network.address(1), DropReason::NoRoute);

    // Not by way of the VPC between them, and not by a peering that is not its own.
    machine.apply(chain.clone().route(3, "10.1.0.0/16", 2));
    machine.assert_drops(
        &three,
        machine.network.address(1),
        DropReason::NoSuchDestination,
    );
    machine.apply(chain.route(3, "10.1.0.0/16", 1));
    machine.assert_drops(&three, machine.network.address(1), DropReason::NoRoute);
    assert_nothing_received(&one);
}

#[test]
fn a_source_outside_the_peerings_cidrs_is_not_admitted() {
    let mut network = two_vpcs().peered(1, 1, 2).interface(3, 1, "10.1.7.4");
    let admitted = "10.1.7.0/24".parse().unwrap();
    network.peerings.get_mut(&pcx(1)).unwrap().requester.cidrs = vec![admitted];
    let machine = Machine::running(network);
    let [outside, destination, inside] = [1, 2, 3].map(|interface| machine.udp(interface));
    machine.assert_delivers(&inside, &destination);
    machine.assert_drops(
        &outside,
        machine.network.address(2),
        DropReason::NotAdmitted,
    );
    assert_nothing_received(&destination);
}

#[test]
fn vpcs_with_the_same_cidr_do_not_meet() {
    let machine = Machine::running(
        Network::default()
            .vpc(1, "10.0.0.0/16")
            .vpc(2, "10.0.0.0/16")
            .interface(1, 1, "10.0.0.4")
            .interface(2, 1, "10.0.0.5")
            .interface(3, 2, "10.0.0.5")
            .interface(4, 2, "10.0.0.6"),
    );
    let [one, mine, theirs, _] = [1, 2, 3, 4].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &mine);
    assert_nothing_received(&theirs);
    machine.assert_drops(
        &one,
        machine.network.address(4),
        DropReason::NoSuchDestination,
    );
}

#[test]
fn a_new_vpc_inherits_nothing_from_the_one_it_replaces() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let two = machine.udp(2);
    machine.assert_delivers(&machine.udp(1), &two);

    // The same CIDR and address, and VPC 2's route still names the peering with the old one.
    let replaced = Network::default()
        .vpc(2, "10.2.0.0/16")
        .vpc(3, "10.1.0.0/16")
        .interface(2, 2, "10.2.0.4")
        .interface(3, 3, "10.1.0.4")
        .route(2, "10.1.0.0/16", 1);
    machine.apply(replaced);
    let three = machine.udp(3);
    machine.assert_drops(&two, machine.network.address(3), DropReason::NoRoute);
    machine.assert_drops(&three, machine.network.address(2), DropReason::NoRoute);
    assert_nothing_received(&two);
    assert_nothing_received(&three);
}

#[test]
fn a_spoofed_source_address_is_dropped_and_counted() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2).interface(3, 1, "10.1.0.5"));
    let two = machine.udp(2);
    let mac = machine.network.interfaces[&eni(1)].mac.0;
    let forged = Datagram::new(mac, machine.network.address(3), machine.network.address(2));
    machine.assert_counts_drop(DropReason::SpoofedAddress, || {
        machine.workload(1, || send(&forged.frame()));
    });
    assert_nothing_received(&two);

    // The same frame with the true address passes, so it was the address.
    let honest = Datagram {
        source: machine.network.address(1),
        ..forged
    };
    machine.workload(1, || send(&honest.frame()));
    two.recv_from(&mut [0; 8]).unwrap();
}

#[test]
fn a_spoofed_mac_is_dropped_and_counted() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let two = machine.udp(2);
    let forged = Datagram::new(
        [0x02, 0, 0, 0, 0, 0x77],
        machine.network.address(1),
        machine.network.address(2),
    );
    machine.assert_counts_drop(DropReason::SpoofedMac, || {
        machine.workload(1, || send(&forged.frame()));
    });
    assert_nothing_received(&two);
}

#[test]
fn an_arp_request_with_a_spoofed_sender_is_dropped_and_counted() {
    let machine = Machine::running(two_vpcs());
    let mac = machine.network.interfaces[&eni(1)].mac.0;
    let router = "10.1.0.1".parse().unwrap();
    let forged = Arp::request((mac, "10.1.0.9".parse().unwrap()), router);
    machine.assert_counts_drop(DropReason::SpoofedAddress, || {
        machine.workload(1, || send(&forged));
    });
}

#[test]
fn malformed_packets_and_other_protocols_are_dropped_and_counted() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let mac = machine.network.interfaces[&eni(1)].mac.0;
    let frame = Datagram::new(mac, machine.network.address(1), machine.network.address(2));
    let too_long = Datagram {
        total_length: 1000,
        ..frame.clone()
    };
    machine.assert_counts_drop(DropReason::Malformed, || {
        machine.workload(1, || send(&too_long.frame()));
    });
    for ether_type in [0x86dd, 0x88a8, 0x1234] {
        let other = Datagram {
            ether_type,
            ..frame.clone()
        };
        machine.assert_counts_drop(DropReason::EtherType, || {
            machine.workload(1, || send(&other.frame()));
        });
    }
}

#[test]
fn a_vlan_tag_does_not_hide_what_is_in_the_frame() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let mac = machine.network.interfaces[&eni(1)].mac.0;
    let frame = Datagram::new(mac, machine.network.address(1), machine.network.address(2));
    machine.assert_counts_drop(DropReason::EtherType, || {
        machine.workload(1, || send(&with_vlan_tag(frame.frame())));
    });
}

#[test]
fn the_router_answers_arp_for_the_subnet_but_not_for_the_asker() {
    let machine = Machine::running(two_vpcs());
    let mac = machine.network.interfaces[&eni(1)].mac.0;
    let own = machine.network.address(1);
    let answers = machine.workload(1, || {
        let socket = PacketSocket::open();
        let ask = |target: &str| socket.send(&Arp::request((mac, own), target.parse().unwrap()));
        // Outside the subnet and the asker's own get no answer, so the next answer to arrive is
        // to the question after them.
        ask("10.1.1.1");
        ask("10.1.0.4");
        ask("10.1.0.1");
        ask("10.1.0.77");
        let mut answers = Vec::new();
        wait_for("two answers", || {
            let seen = socket.seen();
            let packets = seen.iter().filter_map(|frame| Arp::read(frame));
            answers.extend(packets.filter(|arp| arp.is_reply).map(|arp| arp.sender));
            answers.len() >= 2
        });
        answers
    });
    assert_eq!(
        answers,
        [
            (ROUTER, "10.1.0.1".parse().unwrap()),
            (ROUTER, "10.1.0.77".parse().unwrap()),
        ]
    );
}

#[test]
fn older_kernels_attachment_carries_packets_too() {
    let mut machine = Machine::with(|config| config.attachment = AttachmentKind::Clsact);
    machine.apply(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    machine.stop();
    machine.assert_delivers(&two, &one);
    machine.start();
    assert_eq!(machine.reapply().changes, 0);
    machine.assert_delivers(&one, &two);
    machine.apply(two_vpcs());
    machine.assert_drops(&one, machine.network.address(2), DropReason::NoRoute);
}

#[test]
fn an_interface_that_cannot_be_made_does_not_stop_the_others() {
    let mut network = two_vpcs().peered(1, 1, 2).interface(3, 1, "10.1.0.5");
    // A group address, which no interface can have.
    network.interfaces.get_mut(&eni(3)).unwrap().mac = MacAddress([1, 0, 0x5e, 0, 0, 1]);
    let mut machine = Machine::new();
    let failed = machine.apply_with_failures(network.clone()).failed;
    assert_eq!(failed.keys().collect::<Vec<_>>(), [&eni(3)]);
    let expected = format!(
        "making the veth pair of {} from {} to eth0 in tmb-{}-{:017x}: ",
        eni(3),
        link_of(3),
        machine.config.name,
        3
    );
    assert!(failed[&eni(3)].starts_with(&expected), "{failed:?}");
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);

    network.interfaces.get_mut(&eni(3)).unwrap().mac = MacAddress([2, 0, 0x5e, 0, 0, 1]);
    assert_ne!(machine.apply(network).changes, 0);
    let three = machine.udp(3);
    machine.assert_delivers(&one, &three);
}

#[test]
fn sockets_are_of_the_namespace_that_the_engine_names() {
    use tombolo_network::NetworkEngine;

    let machine = Machine::running(two_vpcs());
    let path = machine.engine().namespace(&eni(1)).unwrap();
    let address = machine.network.address(1);
    let socket = tombolo_testkit::netns::within(&path, || std::net::UdpSocket::bind((address, 0)));
    assert!(socket.unwrap().as_raw_fd() >= 0);
    assert_eq!(machine.engine().namespace(&eni(9)), None);
}
