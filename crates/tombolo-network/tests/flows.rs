//! What is counted and recorded of packets, over real ones. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use aya::maps::{HashMap, Map, MapData};
use common::machine::{Machine, wait_for};
use common::{Build, eni, pcx, two_vpcs};
use tombolo_network::{
    DropReason, FlowDirection, FlowOutcome, FlowRecord, NetworkEngine, RuleDirection,
    SecurityGroupNumber, Traffic,
};

/// `Machine::assert_delivers` sends 13 bytes, with 28 of headers.
const BYTES: u64 = 41;

#[test]
fn a_flow_is_recorded_at_both_ends() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let mut flows = machine.engine().flows();
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);

    let records = [(); 2].map(|()| machine.next_record(&mut flows));
    for (record, interface, direction) in [
        (&records[0], 1, FlowDirection::Egress),
        (&records[1], 2, FlowDirection::Ingress),
    ] {
        let expected = FlowRecord {
            interface: eni(interface),
            direction,
            source: machine.network.address(1),
            destination: machine.network.address(2),
            source_port: 4000,
            destination_port: 4000,
            protocol: 17,
            packets: 1,
            bytes: BYTES,
            start: record.start,
            end: record.end,
            outcome: FlowOutcome::Accepted,
        };
        assert_eq!(*record, expected);
        assert!(record.start <= record.end);
    }
}

#[test]
fn a_rejected_packet_is_recorded_with_its_reason() {
    let machine = Machine::running(two_vpcs());
    let mut flows = machine.engine().flows();
    let one = machine.udp(1);
    machine.assert_drops(&one, machine.network.address(2), DropReason::NoRoute);

    let record = machine.next_record(&mut flows);
    assert_eq!(record.interface, eni(1));
    assert_eq!(record.direction, FlowDirection::Egress);
    assert_eq!(record.outcome, FlowOutcome::Rejected(DropReason::NoRoute));
    assert_eq!(record.packets, 1);
}

#[test]
fn what_the_receivers_group_rejects_is_recorded_at_both_ends() {
    let mut network = two_vpcs().peered(1, 1, 2);
    let group = network.security_groups.get_mut(&SecurityGroupNumber(2));
    group
        .unwrap()
        .rules
        .retain(|rule| rule.direction == RuleDirection::Egress);
    let machine = Machine::running(network);
    let mut flows = machine.engine().flows();
    let one = machine.udp(1);
    let reason = DropReason::SecurityGroupIngress;
    machine.assert_drops(&one, machine.network.address(2), reason);

    let records = [(); 2].map(|()| machine.next_record(&mut flows));
    assert_eq!(
        records.each_ref().map(|record| &record.interface),
        [&eni(1), &eni(2)]
    );
    for record in records {
        assert_eq!(record.outcome, FlowOutcome::Rejected(reason));
    }
}

/// Its flows leave the table with an interface, and what they carried since their last record is
/// recorded.
#[test]
fn an_interface_takes_its_flows_with_it() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let mut flows = machine.engine().flows();
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    for _ in 0..3 {
        machine.assert_delivers(&one, &two);
    }
    machine.assert_delivers(&two, &one);
    assert_eq!(machine.counters().tables["flows"].used, 1);
    for _ in 0..2 {
        machine.next_record(&mut flows);
    }

    let mut without = machine.network.clone();
    without.interfaces.remove(&eni(2));
    machine.apply(without);
    let records = [(); 4].map(|()| machine.next_record(&mut flows));
    let seen = records.each_ref().map(|record| {
        let bytes = record.packets * BYTES;
        assert_eq!(record.bytes, bytes);
        (record.interface.clone(), record.direction, record.packets)
    });
    assert_eq!(
        seen,
        [
            (eni(1), FlowDirection::Egress, 2),
            (eni(2), FlowDirection::Ingress, 2),
            (eni(2), FlowDirection::Egress, 1),
            (eni(1), FlowDirection::Ingress, 1),
        ]
    );
    wait_for("the table to be empty", || {
        machine.counters().tables["flows"].used == 0
    });
}

/// What is over makes room: the flow and its part of the sender's share. Time is not waited for,
/// but the flow made as old as its machine.
#[test]
fn a_flow_that_is_over_is_swept_out() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2).interface(3, 1, "10.1.0.9"));
    let mut followed = machine.engine().flows();
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&one, &two);
    for _ in 0..2 {
        machine.next_record(&mut followed);
    }

    let pin = machine.flows().join("flows");
    let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
    let mut flows: HashMap<_, [u8; 28], [u64; 9]> = map.try_into().unwrap();
    let (key, mut flow) = flows.iter().next().unwrap().unwrap();
    // The time of its last packet.
    flow[0] = 1;
    flows.insert(key, flow, 0).unwrap();
    let mut without = machine.network.clone();
    without.interfaces.remove(&eni(3));
    machine.apply(without);

    let tail = machine.next_record(&mut followed);
    assert_eq!((tail.interface, tail.packets), (eni(1), 1));
    wait_for("the flow to be removed", || flows.iter().next().is_none());
    wait_for("its part of the share to be free", || {
        machine.counters().tables["flows"].used == 0
    });
    machine.assert_delivers(&two, &one);
}

#[test]
fn traffic_is_counted_by_interface_and_by_peering() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    for _ in 0..2 {
        machine.assert_delivers(&one, &two);
    }
    machine.assert_delivers(&two, &one);
    let nobody = [10, 2, 0, 9].into();
    machine.assert_drops(&one, nobody, DropReason::NoSuchDestination);

    let traffic = |packets: u64| Traffic {
        packets,
        bytes: packets * BYTES,
    };
    let counters = machine.counters();
    let [first, second] = [1, 2].map(|interface| counters.interfaces[&eni(interface)]);
    assert_eq!([first.sent, first.received], [2, 1].map(traffic));
    assert_eq!([second.sent, second.received], [1, 2].map(traffic));
    assert_eq!([first.dropped.packets, second.dropped.packets], [1, 0]);
    assert_eq!(counters.peerings[&pcx(1)], traffic(3));
    assert_eq!(counters.forwarded_peering, traffic(3));
}

/// Nobody loses what was counted with a restart.
#[test]
fn counters_outlive_the_engine() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    let before = machine.counters();
    machine.stop();
    machine.start();
    machine.reapply();
    assert_eq!(machine.counters(), before);
}
