//! More than a table of the data path has room for is refused whole. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::machine::Machine;
use common::{Build, pcx, two_vpcs};
use ipnet::Ipv4Net;
use tombolo_network::{EngineError, Route, RouteTableNumber};

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    let before = machine.counters().tables["routes"];
    let more = u32::try_from(before.capacity).unwrap();

    let mut network = machine.network.clone();
    // What comes first is no less in force than what comes last.
    network.peerings.remove(&pcx(1));
    let mut network = network.peering(2, 1, 2);
    let table = network.route_tables.get_mut(&RouteTableNumber(1)).unwrap();
    table.routes.extend((0..more).map(|host| Route {
        destination: Ipv4Net::from(std::net::Ipv4Addr::from(0x6440_0000 + host)),
        peering: pcx(2),
    }));
    match machine.try_apply(&network) {
        Err(EngineError::Full {
            table,
            needed,
            capacity,
        }) => {
            assert_eq!(table, "routes");
            assert_eq!(capacity, before.capacity);
            // The routes by the peering that is gone are there as black holes.
            assert_eq!(needed, before.used + u64::from(more));
        }
        other => panic!("{other:?}"),
    }
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&two, &one);
    assert_eq!(machine.reapply().changes, 0);
}
