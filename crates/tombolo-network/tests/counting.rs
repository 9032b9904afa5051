//! Whoever asks what was counted is in nobody's way. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use aya::maps::{HashMap, Map, MapData};
use common::machine::Machine;
use common::{Build, pcx, two_vpcs};
use tombolo_network::{NetworkChange, NetworkEngine};

/// How many flows there are to read.
const FLOWS: u32 = 1 << 18;

/// `struct flow_key` and `struct flow` of `bpf/maps.h`, by their sizes alone.
type FlowKey = [u8; 28];
type Flow = [u8; 72];

/// A peering that is deleted ends with its next packet, however many fleets ask which of their ports
/// have players, and however many flows are read for them: what was asked for first ends last.
#[test]
fn a_peering_is_taken_away_while_every_flow_is_read() {
    let network = two_vpcs().peered(1, 1, 2).public(1, 20_000, 4_000);
    let mut machine = Machine::running(network);
    fill(&machine);
    let fleets = (0..50).map(|_| machine.engine().active_ports());
    let asked = futures::future::join_all(fleets);
    let change = NetworkChange {
        peerings: [(pcx(1), None)].into(),
        ..NetworkChange::default()
    };
    let changed = machine.engine().change(change.clone());
    let first = machine.block_on(async {
        let (mut asked, mut changed) = (std::pin::pin!(asked), std::pin::pin!(changed));
        tokio::select! {
            biased;
            ports = &mut asked => panic!("every flow was read first, {} times", ports.len()),
            applied = &mut changed => applied.unwrap(),
        }
    });
    assert_ne!(first.changes, 0);
    machine.network.change(change);
}

/// Puts flows between addresses that nobody has into the table, which no sweep removes meanwhile.
fn fill(machine: &Machine) {
    let data = MapData::from_pin(machine.flows().join("flows")).unwrap();
    let mut flows: HashMap<MapData, FlowKey, Flow> =
        Map::from_map_data(data).unwrap().try_into().unwrap();
    for number in 0..FLOWS {
        let mut key = [0; 28];
        key[..4].copy_from_slice(&number.to_ne_bytes());
        // An unanswered flow of a protocol without ports, whose last packet is yet to come.
        let mut flow = [0; 72];
        flow[..8].copy_from_slice(&(u64::MAX >> 2).to_ne_bytes());
        flows.insert(key, flow, 0).unwrap();
    }
}
