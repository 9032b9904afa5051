//! What of the `ebpf` engine outlives it, how it mends what drifted, and that teardown leaves
//! nothing. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use aya::maps::lpm_trie::Key;
use aya::maps::{LpmTrie, Map, MapData, MapType};
use aya::programs::SchedClassifier;
use aya::programs::tc::TcAttachType;
use common::machine::{Machine, link_of, wait_for};
use common::netlink::change_link;
use common::{Build, two_vpcs};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;
use serde_json::{Value, json};
use tombolo_network::DropReason;
use tombolo_testkit::netns::within;

#[test]
fn traffic_survives_the_engine_going_away_and_coming_back() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);

    machine.stop();
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&two, &one);

    machine.start();
    machine.assert_delivers(&one, &two);
    assert_eq!(machine.reapply().changes, 0);
    assert_eq!(machine.counters().forwarded_peering.packets, 4);
}

#[test]
fn what_changed_while_the_engine_was_away_is_made_up_for() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.stop();
    machine.start();
    assert_ne!(machine.apply(two_vpcs()).changes, 0);
    machine.assert_drops(&one, machine.network.address(2), DropReason::NoRoute);
    machine.assert_drops(&two, machine.network.address(1), DropReason::NoRoute);
}

/// The alias is what the engine sets last, so a kill before that leaves a link without.
#[test]
fn a_half_made_interface_is_made_anew() {
    let machine = drifted(|machine| {
        within(&machine.core(), || {
            change_link(&link_of(2), |mut link| {
                link.attributes.push(LinkAttribute::IfAlias(String::new()));
                RouteNetlinkMessage::SetLink(link)
            });
        });
    });
    assert_peered_again(&machine);
}

#[test]
fn a_stray_admission_is_taken_away() {
    let mut machine = Machine::running(two_vpcs().vpc(3, "10.3.0.0/16"));
    let mut admissions: LpmTrie<_, [u8; 12], u32> = map(&machine, "admissions");
    let stray = Key::new(96, [0, 0, 0, 2, 0, 0, 0, 1, 10, 1, 0, 4]);
    admissions.insert(&stray, 1, 0).unwrap();
    assert_eq!(machine.reapply().changes, 1);
    assert_eq!(admissions.keys().count(), 0);
    assert_eq!(machine.reapply().changes, 0);
}

#[test]
fn an_interface_that_moves_to_another_address_is_made_anew() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    machine.apply(two_vpcs().peered(1, 1, 2).interface(2, 2, "10.2.3.9"));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    machine.assert_drops(&one, [10, 2, 0, 4].into(), DropReason::NoSuchDestination);
}

#[test]
fn an_earlier_builds_program_is_replaced_under_running_traffic() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.stop();
    // To the engine, whatever is not its own build is an earlier one.
    let earlier = machine.directory().join("bpf/build-0000000000000000");
    fs::rename(machine.build(), &earlier).unwrap();
    machine.start();
    machine.assert_delivers(&one, &two);

    assert_ne!(machine.reapply().changes, 0);
    assert!(!earlier.exists());
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&two, &one);
    assert_eq!(machine.counters().forwarded_peering.packets, 2);
    assert_eq!(machine.reapply().changes, 0);
}

/// `flows-1.json` has what the releases up to ff7b196 pin, and `flow-shares-1.json` what came beside
/// it without a change of those. Another layout takes another number
/// (`FLOW_LAYOUT`), and a file beside this one: an upgrade would misread the flows that are there.
#[test]
fn the_flow_maps_that_an_upgrade_takes_over_are_those_of_their_layout() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let golden = [
        include_str!("golden/flows-1.json"),
        include_str!("golden/flow-shares-1.json"),
    ];
    let golden = golden.map(|golden| serde_json::from_str::<Value>(golden).unwrap());
    let maps: BTreeMap<String, Value> = golden
        .iter()
        .flat_map(|golden| golden["maps"].as_object().unwrap().clone())
        .collect();
    let directory = machine.flows();
    let name = directory.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("flows-1-"), "{name}");
    let mut pinned: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pinned.sort();
    assert_eq!(pinned, maps.keys().cloned().collect::<Vec<_>>());
    for (name, expected) in &maps {
        let map = MapData::from_pin(directory.join(name)).unwrap();
        let info = map.info().unwrap();
        let kind = match info.map_type().unwrap() {
            MapType::Hash => "hash",
            MapType::Array => "array",
            MapType::RingBuf => "ringbuf",
            other => panic!("{name} is of type {other:?}"),
        };
        let found = json!({
            "type": kind,
            "key_bytes": info.key_size(),
            "value_bytes": info.value_size(),
            "flags": info.map_flags(),
        });
        assert_eq!(found, *expected, "{name}");
    }
}

/// The links' pins are found by their names, whichever build made them.
#[test]
fn attachments_are_pinned_by_the_names_of_their_links() {
    let machine = Machine::running(two_vpcs().peered(1, 1, 2));
    machine.wait_until_settled();
    let mut pinned: Vec<_> = fs::read_dir(machine.directory().join("bpf/links"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pinned.sort();
    assert_eq!(pinned, [link_of(1), link_of(2)]);
}

/// The earlier program goes by the rules of its own maps until it is replaced, and what it let
/// through last is decided again.
#[test]
fn a_rule_that_goes_with_an_upgrade_stops_flows_that_the_earlier_build_let_through() {
    for _ in 0..8 {
        let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
        let [one, two] = [1, 2].map(|interface| machine.udp(interface));
        machine.assert_delivers(&one, &two);
        machine.stop();
        let earlier = machine.directory().join("bpf/build-0000000000000000");
        fs::rename(machine.build(), &earlier).unwrap();
        machine.start();

        let to = two.local_addr().unwrap();
        let applied = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !applied.load(Ordering::Relaxed) {
                    one.send_to(b"again and again", to).unwrap();
                }
            });
            let mut closed = machine.network.clone();
            for group in closed.security_groups.values_mut() {
                group.rules.clear();
            }
            machine.apply(closed);
            applied.store(true, Ordering::Relaxed);
        });
        let address = machine.network.address(2);
        machine.assert_drops(&one, address, DropReason::SecurityGroupEgress);
    }
}

/// Each gets a filter first, since attaching by TCX takes its time; no packet notices.
#[test]
fn many_interfaces_work_at_once_and_move_to_tcx_under_running_traffic() {
    let mut network = two_vpcs().peered(1, 1, 2);
    for number in 3..=8 {
        network = network.interface(number, 1, &format!("10.1.0.{}", number + 4));
    }
    let mut machine = Machine::running(network);
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    let attached = |link: String| {
        let query = || SchedClassifier::query_tcx(&link, TcAttachType::Ingress);
        within(&machine.core(), query).unwrap().1.len()
    };
    let mut sent = 0;
    wait_for("all attachments to be settled", || {
        machine.assert_delivers(&one, &two);
        sent += 1;
        (1..=8).all(|number| attached(link_of(number)) == 1)
    });
    machine.assert_delivers(&two, &one);
    assert_eq!(machine.counters().forwarded_peering.packets, sent + 1);
    assert_eq!(machine.reapply().changes, 0);
    assert!(machine.reapply().repairs.is_empty());
    let last = machine.udp(8);
    machine.assert_delivers(&last, &two);
}

#[test]
fn teardown_leaves_nothing() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    machine.teardown().unwrap();
    let prefix = format!("tmb-{}-", machine.config.name);
    let names: Vec<_> = fs::read_dir("/run/netns")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&prefix))
        .collect();
    assert_eq!(names, [""; 0]);
    assert_eq!(fs::read_dir(machine.directory()).unwrap().count(), 0);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(
        !mounts.contains(machine.directory().to_str().unwrap()),
        "{mounts}"
    );
    // Also when there was nothing.
    machine.teardown().unwrap();
}

#[test]
fn teardown_takes_away_what_an_earlier_engine_left() {
    let mut machine = Machine::running(two_vpcs());
    machine.stop();
    machine.teardown().unwrap();
    assert!(!machine.core().exists());
    assert!(!machine.directory().join("bpf").exists());
}

/// A peering's whole life costs no look at the rest of the machine, and only those VPCs cost
/// anything that have an interface here: it stays as quick with many around.
#[test]
fn one_peering_among_many_vpcs_changes_only_its_own_entries() {
    let mut many = two_vpcs();
    for number in 3..=2000 {
        many = many.vpc(
            number,
            &format!("10.{}.{}.0/24", number >> 8, number & 0xff),
        );
    }
    let mut machine = Machine::running(many.clone());
    // Two routes, two admissions, and two places to count in.
    assert_eq!(machine.apply(many.clone().peered(1, 1, 2)).changes, 6);
    assert_eq!(machine.apply(many.clone()).changes, 6);
    let elsewhere = many.peered(1, 3, 4);
    assert_eq!(machine.apply(elsewhere).changes, 0);
}

/// Two peered VPCs after `drift` happened to them and the engine was asked for the same again.
fn drifted(drift: impl FnOnce(&Machine)) -> Machine {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    assert_eq!(machine.reapply().changes, 0);
    drift(&machine);
    assert_ne!(machine.reapply().changes, 0);
    assert_eq!(machine.reapply().changes, 0);
    machine
}

fn assert_peered_again(machine: &Machine) {
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&two, &one);
}

/// A map of the engine, opened behind its back.
fn map<M: TryFrom<Map, Error: std::fmt::Debug>>(machine: &Machine, name: &str) -> M {
    let data = MapData::from_pin(machine.build().join(name)).unwrap();
    M::try_from(Map::from_map_data(data).unwrap()).unwrap()
}
