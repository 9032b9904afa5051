//! The program in the kernel decides as the model in `verdict.rs` does. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::net::{Ipv4Addr, UdpSocket};

use common::machine::Machine;
use common::{Build, datagram, eni, pcx};
use tombolo_network::{Counters, DropReason, Network, NetworkEngine, SimulatedEngine, Verdict};
use tombolo_testkit::frame::Datagram;
use tombolo_testkit::packet_socket::PacketSocket;

/// Four VPCs, two with the same CIDR, with routes of every kind: whole, part of a VPC, default,
/// to nowhere, by another's peering, over the VPC's own block; and a peering that admits half.
fn network() -> Network {
    let mut network = Network::default()
        .vpc(1, "10.1.0.0/16")
        .vpc(2, "10.2.0.0/16")
        .vpc(3, "10.3.0.0/16")
        .vpc(4, "10.3.0.0/16")
        .interface(1, 1, "10.1.0.4")
        .interface(2, 1, "10.1.128.4")
        .interface(3, 2, "10.2.0.4")
        .interface(4, 2, "10.2.9.4")
        .interface(5, 3, "10.3.0.4")
        .interface(6, 4, "10.3.0.4")
        .interface(7, 4, "10.3.0.5")
        .peering(1, 1, 2)
        .peering(2, 2, 3)
        .peering(3, 4, 2)
        .route(1, "10.2.0.0/16", 1)
        .route(2, "10.1.0.0/24", 1)
        .route(2, "10.3.0.0/16", 2)
        .route(2, "10.3.0.5/32", 3)
        .route(2, "10.2.9.0/24", 1)
        .route(3, "0.0.0.0/0", 2)
        .route(3, "10.1.0.0/16", 1)
        .route(4, "10.2.0.0/16", 3)
        .route(4, "10.2.9.4/32", 99);
    let half = "10.1.0.0/17".parse().unwrap();
    network.peerings.get_mut(&pcx(1)).unwrap().requester.cidrs = vec![half];
    network
}

#[test]
fn the_program_decides_as_the_model_does() {
    let machine = Machine::running(network());
    let model = SimulatedEngine::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(model.apply(&machine.network)).unwrap();

    let sockets: Vec<UdpSocket> = (1..=7).map(|number| machine.udp(number)).collect();
    for socket in &sockets {
        socket.set_nonblocking(true).unwrap();
    }
    let nowhere = [
        "10.1.0.9",
        "10.2.200.1",
        "10.3.7.7",
        "192.0.2.1",
        "224.0.0.1",
    ];
    let mut destinations: Vec<Ipv4Addr> = nowhere.map(|text| text.parse().unwrap()).into();
    destinations.extend((1..=7).map(|number| machine.network.address(number)));
    destinations.sort();
    destinations.dedup();

    for from in 1..=7 {
        let interface = &machine.network.interfaces[&eni(from)];
        for source in [interface.address, Ipv4Addr::new(10, 2, 0, 77)] {
            // A workload's stack would not take a packet from its own address.
            for &to in destinations.iter().filter(|&&to| to != interface.address) {
                let expected = model.verdict(&eni(from), &datagram(source, to));
                let before = machine.counters();
                let frame = Datagram::new(interface.mac.0, source, to);
                machine.workload(from, || PacketSocket::open().send(&frame.frame()));
                let observed = observe(&machine, &before, &sockets);
                assert_eq!(observed, expected, "from {from} as {source} to {to}");
            }
        }
    }
}

/// What the counters and the workloads' sockets say of the one packet sent since `before`.
fn observe(machine: &Machine, before: &Counters, sockets: &[UdpSocket]) -> Verdict {
    let mut after = before.clone();
    common::machine::wait_for("the packet to be counted", || {
        after = machine.counters();
        after != *before
    });
    let dropped = |reason: &DropReason| after.dropped[reason] != before.dropped[reason];
    if let Some(reason) = DropReason::ALL.into_iter().find(dropped) {
        return Verdict::Drop(reason);
    }
    let mut receiver = None;
    common::machine::wait_for("the packet to arrive", || {
        receiver = (1..)
            .zip(sockets)
            .find(|(_, socket)| socket.recv_from(&mut [0; 8]).is_ok())
            .map(|(number, _)| eni(number));
        receiver.is_some()
    });
    let receiver = receiver.unwrap();
    if after.forwarded_local != before.forwarded_local {
        Verdict::Local(receiver)
    } else {
        Verdict::Peering(receiver)
    }
}
