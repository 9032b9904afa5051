//! What somebody else changes behind the engine's back comes back with the next `apply` of the
//! same network, and is told, by its name. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::fs;

use aya::maps::lpm_trie::Key;
use aya::maps::{Array, LpmTrie, Map, MapData};
use aya::programs::SchedClassifier;
use aya::programs::tc::TcAttachType;
use common::machine::{Machine, link_of, wait_for};
use common::netlink::{change_link, delete_link};
use common::{Build, two_vpcs};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;
use nix::mount::{MntFlags, umount2};
use tombolo_network::{Network, Repair, RepairKind};
use tombolo_testkit::netns::within;

#[test]
fn a_deleted_veth() {
    let repairs = drifted(|machine| within(&machine.core(), || delete_link(&link_of(2))));
    assert_eq!(kinds(&repairs), [RepairKind::Interface]);
    assert_names(&repairs[0], &[&link_of(2), "eni-00000000000000002", "gone"]);
}

#[test]
fn a_link_that_is_down() {
    let repairs = drifted(|machine| {
        within(&machine.core(), || {
            change_link(&link_of(2), |mut link| {
                link.header.change_mask = netlink_packet_route::link::LinkFlags::Up;
                RouteNetlinkMessage::SetLink(link)
            });
        });
    });
    assert_eq!(kinds(&repairs), [RepairKind::Interface]);
    assert_names(&repairs[0], &[&link_of(2), "down"]);
}

#[test]
fn a_link_of_another_mtu() {
    let repairs = drifted(|machine| {
        within(&machine.core(), || {
            change_link(&link_of(1), |mut link| {
                link.attributes.push(LinkAttribute::Mtu(1400));
                RouteNetlinkMessage::SetLink(link)
            });
        });
    });
    assert_eq!(kinds(&repairs), [RepairKind::Interface]);
    assert_names(&repairs[0], &[&link_of(1), "1400", "9001"]);
}

#[test]
fn a_workloads_namespace() {
    let namespace = format!("{:017x}", 2);
    let repairs = drifted(|machine| {
        let namespace = machine.namespace(&namespace);
        umount2(&namespace, MntFlags::MNT_DETACH).unwrap();
        fs::remove_file(namespace).unwrap();
    });
    assert_eq!(kinds(&repairs), [RepairKind::Namespace]);
    assert_names(&repairs[0], &[&namespace, "gone"]);
}

#[test]
fn a_workload_keeps_its_interface_when_its_namespaces_name_goes() {
    let mut machine = Machine::running(two_vpcs().peered(1, 1, 2));
    let (client, server) = (machine.udp(1), machine.udp(2));
    forget_namespace(&machine, &format!("{:017x}", 2));
    assert_eq!(machine.reapply().repairs.count(), 1);
    machine.assert_delivers(&client, &server);
    drop(server);
    machine.assert_delivers(&client, &machine.udp(2));
    assert!(machine.reapply().repairs.is_empty());
}

#[test]
fn a_namespace_too_many() {
    let repairs = drifted(|machine| {
        within(&machine.core(), || {
            let path = machine.namespace("stranger");
            fs::write(&path, "").unwrap();
            let ours = Some("/proc/thread-self/ns/net");
            let bind = nix::mount::MsFlags::MS_BIND;
            nix::mount::mount(ours, &path, None::<&str>, bind, None::<&str>).unwrap();
        });
    });
    assert_eq!(kinds(&repairs), [RepairKind::Namespace]);
    assert_names(&repairs[0], &["stranger"]);
}

#[test]
fn a_detached_program() {
    let repairs = drifted(|machine| {
        fs::remove_file(machine.directory().join("bpf/links").join(link_of(1))).unwrap();
        wait_until_detached(machine, 1);
    });
    assert_eq!(kinds(&repairs), [RepairKind::Attachment]);
    assert_names(&repairs[0], &[&link_of(1), "eni-00000000000000001"]);
}

#[test]
fn a_map_entry_removed_one_added_and_one_changed() {
    let key = |bits: [u8; 8], length| Key::new(length, bits);
    let repairs = drifted(|machine| {
        let mut routes: LpmTrie<_, [u8; 8], [u32; 2]> = map(machine, "routes");
        let to_two = key([0, 0, 0, 1, 10, 2, 0, 0], 48);
        let local = key([0, 0, 0, 1, 10, 1, 0, 0], 48);
        let stray = key([0, 0, 0, 1, 10, 9, 0, 0], 48);
        assert_eq!(routes.get(&to_two, 0).unwrap(), [1, 2]);
        routes.remove(&to_two).unwrap();
        routes.insert(&local, [1, 2], 0).unwrap();
        routes.insert(&stray, [1, 2], 0).unwrap();
    });
    let of_routes = RepairKind::MapEntry("routes".to_owned());
    assert_eq!(
        kinds(&repairs),
        [of_routes.clone(), of_routes.clone(), of_routes]
    );
    let mut found: Vec<_> = repairs
        .iter()
        .map(|repair| repair.found.rsplit(" was ").next().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, ["changed", "gone", "somebody else's"]);
}

#[test]
fn an_interfaces_share_of_the_flow_table() {
    let repairs = drifted(|machine| {
        let settings = MapData::from_pin(machine.flows().join("settings")).unwrap();
        let mut settings: Array<_, [u32; 2]> =
            Map::from_map_data(settings).unwrap().try_into().unwrap();
        let [generation, _] = settings.get(&0, 0).unwrap();
        settings.set(0, [generation, 0], 0).unwrap();
    });
    assert_eq!(
        kinds(&repairs),
        [RepairKind::MapEntry("settings".to_owned())]
    );
    assert_names(&repairs[0], &["share", "65536"]);
}

#[test]
fn the_core_namespaces_name() {
    let repairs = drifted(|machine| {
        umount2(&machine.core(), MntFlags::MNT_DETACH).unwrap();
        fs::remove_file(machine.core()).unwrap();
    });
    assert_eq!(kinds(&repairs), [RepairKind::CoreNamespace]);
}

/// What the maps hold is not lost with their pins, and a restart finds them again.
#[test]
fn the_pins_of_a_map_and_of_the_program() {
    let mut machine = running();
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    for name in ["routes", "guest_egress"] {
        fs::remove_file(machine.build().join(name)).unwrap();
    }
    let repairs = repaired(&mut machine);
    assert_eq!(
        kinds(&repairs),
        [RepairKind::FileSystem, RepairKind::FileSystem]
    );
    assert_names(&repairs[0], &["routes"]);
    assert_names(&repairs[1], &["guest_egress"]);
    machine.stop();
    machine.start();
    assert_eq!(machine.reapply().changes, 0);
    assert_eq!(machine.counters().forwarded_peering.packets, 1);
    machine.assert_delivers(&two, &one);
}

#[test]
fn the_bpf_file_system() {
    let mut machine = running();
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    umount2(&machine.directory().join("bpf"), MntFlags::MNT_DETACH).unwrap();
    // With the file system went the attachments that were pinned on it.
    for interface in [1, 2] {
        wait_until_detached(&machine, interface);
    }
    let repairs = repaired(&mut machine);
    let count = |kind| {
        kinds(&repairs)
            .iter()
            .filter(|found| **found == kind)
            .count()
    };
    assert_eq!(count(RepairKind::Attachment), 2);
    assert_eq!(count(RepairKind::FileSystem), repairs.len() - 2);
    machine.assert_delivers(&two, &one);
    assert_eq!(machine.counters().forwarded_peering.packets, 2);
    machine.stop();
    machine.start();
    assert_eq!(machine.reapply().changes, 0);
}

#[test]
fn everything_in_a_reboot() {
    let mut machine = running();
    machine.stop();
    // As the kernel of the next boot has it: nothing but the disk.
    for interface in [1, 2] {
        forget_namespace(&machine, &format!("{interface:017x}"));
    }
    forget_namespace(&machine, "core");
    umount2(&machine.directory().join("bpf"), MntFlags::MNT_DETACH).unwrap();
    machine.start();
    let repairs = repaired(&mut machine);
    assert_eq!(kinds(&repairs), [RepairKind::Everything]);
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
}

#[test]
fn the_core_namespace_while_no_engine_runs() {
    let mut machine = running();
    machine.stop();
    forget_namespace(&machine, "core");
    machine.start();
    let repairs = repaired(&mut machine);
    assert_eq!(kinds(&repairs), [RepairKind::CoreNamespace]);
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
}

#[test]
fn the_bpf_file_system_while_no_engine_runs() {
    let mut machine = running();
    machine.stop();
    umount2(&machine.directory().join("bpf"), MntFlags::MNT_DETACH).unwrap();
    machine.start();
    let repairs = repaired(&mut machine);
    assert_eq!(repairs[0].what, RepairKind::FileSystem);
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
}

#[test]
fn a_veth_deleted_while_no_engine_runs() {
    let mut machine = running();
    machine.stop();
    within(&machine.core(), || delete_link(&link_of(2)));
    machine.start();
    let repairs = repaired(&mut machine);
    assert_eq!(kinds(&repairs), [RepairKind::Interface]);
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
}

/// Another network than the one before is no drift, nor is the first one of all.
#[test]
fn what_was_asked_for_is_no_repair() {
    let mut machine = Machine::new();
    for network in [
        two_vpcs(),
        network(),
        two_vpcs(),
        Network::default(),
        network(),
    ] {
        assert!(machine.apply(network).repairs.is_empty());
    }
    machine.stop();
    machine.start();
    assert!(machine.apply(two_vpcs()).repairs.is_empty());
}

/// However much was changed, what is told is bounded.
#[test]
fn more_repairs_than_are_listed() {
    let mut machine = running();
    let mut routes: LpmTrie<_, [u8; 8], [u32; 2]> = map(&machine, "routes");
    for number in 0..150 {
        let stray = Key::new(64, [0, 0, 0, 1, 10, 9, 0, number]);
        routes.insert(&stray, [1, 2], 0).unwrap();
    }
    let repairs = machine.reapply().repairs;
    assert_eq!(repairs.count(), 150);
    assert_eq!(repairs.listed.len(), 100);
}

fn network() -> Network {
    two_vpcs().peered(1, 1, 2)
}

fn running() -> Machine {
    let mut machine = Machine::running(network());
    machine.wait_until_settled();
    assert!(machine.reapply().repairs.is_empty());
    machine
}

/// What was repaired after `drift`, with traffic after it as it was before.
fn drifted(drift: impl FnOnce(&Machine)) -> Vec<Repair> {
    let mut machine = running();
    drift(&machine);
    let repairs = repaired(&mut machine);
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    machine.assert_delivers(&two, &one);
    repairs
}

/// Applies the same again: once to repair, and once to see that all is well.
fn repaired(machine: &mut Machine) -> Vec<Repair> {
    machine.network = network();
    let applied = machine.reapply();
    assert_ne!(applied.changes, 0);
    let again = machine.reapply();
    assert_eq!(again.changes, 0);
    assert!(again.repairs.is_empty());
    applied.repairs.listed
}

fn kinds(repairs: &[Repair]) -> Vec<RepairKind> {
    repairs.iter().map(|repair| repair.what.clone()).collect()
}

fn assert_names(repair: &Repair, names: &[&str]) {
    for name in names {
        assert!(repair.found.contains(name), "{repair}: {name}");
    }
}

fn forget_namespace(machine: &Machine, name: &str) {
    let path = machine.namespace(name);
    umount2(&path, MntFlags::MNT_DETACH).unwrap();
    fs::remove_file(path).unwrap();
}

/// The kernel detaches a program when it gets around to it.
fn wait_until_detached(machine: &Machine, interface: u32) {
    let attached = || {
        SchedClassifier::query_tcx(&link_of(interface), TcAttachType::Ingress)
            .unwrap()
            .1
            .len()
    };
    wait_for("the program to be detached", || {
        within(&machine.core(), attached) == 0
    });
}

/// A map of the engine, opened behind its back.
fn map<M: TryFrom<Map, Error: std::fmt::Debug>>(machine: &Machine, name: &str) -> M {
    let data = MapData::from_pin(machine.build().join(name)).unwrap();
    M::try_from(Map::from_map_data(data).unwrap()).unwrap()
}
