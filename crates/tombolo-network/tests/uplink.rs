//! The uplink outlives the engine, is mended, and leaves nothing. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::fs;

use aya::maps::{HashMap, Map, MapData};
use aya::programs::SchedClassifier;
use aya::programs::tc::TcAttachType;
use common::machine::{Machine, wait_for};
use common::outside::{MACHINE, Site, WAYS, Way, assert_plays, game, ip};
use common::{Build, eni};
use tombolo_network::{OutsideConfig, RepairKind};
use tombolo_testkit::netns::within;
use tombolo_testkit::wait;

/// What the machine has, as `ip` tells it.
fn of_the_machine(site: &Site) -> Vec<String> {
    let programs = site.on_machine(|| {
        let (_, programs) = SchedClassifier::query_tcx("eth0", TcAttachType::Ingress).unwrap();
        programs.len().to_string()
    });
    let mut all = vec![programs];
    for what in ["-br link", "-4 -br address", "-4 route show table all"] {
        all.push(site.on_machine(|| ip(what)));
    }
    all
}

/// The kernel takes off a program whose pin is gone after a grace period of its own.
#[track_caller]
fn assert_becomes(site: &Site, before: &[String]) {
    let mut now = Vec::new();
    let is_as_before = || {
        now = of_the_machine(site);
        (now == before).then_some(())
    };
    let found = wait::within(wait::TIMEOUT, is_as_before);
    assert!(found.is_some(), "{now:?} is not {before:?}");
}

#[test]
fn teardown_leaves_the_machine_as_it_was() {
    for way in WAYS {
        let site = Site::new(way);
        let before = of_the_machine(&site);
        let mut machine = site.machine(game());
        assert_ne!(of_the_machine(&site), before);
        machine.teardown().unwrap();
        assert_becomes(&site, &before);
        // Also what an engine left that is gone, by one that knows nothing of players.
        let mut machine = site.machine(game());
        machine.stop();
        machine.config.outside = None;
        machine.teardown().unwrap();
        assert_becomes(&site, &before);
    }
}

#[test]
fn players_play_on_while_the_engine_is_away_and_when_it_is_back() {
    for way in WAYS {
        let site = Site::new(way);
        let mut machine = site.machine(game());
        let (player, game) = (site.udp(), machine.udp(1));
        assert_plays(&site, &player, &game, 20000);
        machine.stop();
        assert_plays(&site, &player, &game, 20000);
        machine.start();
        assert_plays(&site, &player, &game, 20000);
        let applied = machine.reapply();
        assert_eq!(applied.changes, 0, "{applied:?}");
        assert!(applied.repairs.is_empty());
        assert_plays(&site, &player, &game, 20000);
        assert_eq!(machine.counters().dropped_total().packets, 0);
    }
}

#[test]
fn an_earlier_builds_programs_are_replaced_under_running_games() {
    for way in WAYS {
        let site = Site::new(way);
        let mut machine = site.machine(game());
        let (player, game) = (site.udp(), machine.udp(1));
        assert_plays(&site, &player, &game, 20000);
        machine.stop();
        let earlier = machine.directory().join("bpf/build-0000000000000000");
        fs::rename(machine.build(), &earlier).unwrap();
        machine.start();
        assert_plays(&site, &player, &game, 20000);
        assert_ne!(machine.reapply().changes, 0);
        assert!(!earlier.exists());
        assert_plays(&site, &player, &game, 20000);
        assert_eq!(machine.counters().from_outside.packets, 2);
        assert_eq!(machine.reapply().changes, 0);
    }
}

/// Asserts that what `harm` does is told as `kind`, put right, and nothing the second time.
fn assert_mended(way: Way, kind: RepairKind, harm: impl FnOnce(&Site, &Machine)) {
    let site = Site::new(way);
    let mut machine = site.machine(game());
    let (player, game) = (site.udp(), machine.udp(1));
    assert_plays(&site, &player, &game, 20000);
    assert!(machine.reapply().repairs.is_empty());
    harm(&site, &machine);
    let applied = machine.reapply();
    assert_eq!(applied.outside, None);
    let kinds: Vec<_> = applied.repairs.listed.iter().map(|one| &one.what).collect();
    assert!(kinds.contains(&&kind), "{:?}", applied.repairs);
    assert_plays(&site, &player, &game, 20000);
    let again = machine.reapply();
    assert_eq!((again.changes, again.repairs.count()), (0, 0), "{again:?}");
}

fn uplink(machine: &Machine) -> String {
    format!("tmb-{}", machine.config.name)
}

#[test]
fn an_uplink_that_is_gone_is_made_again() {
    for way in WAYS {
        assert_mended(way, RepairKind::Uplink, |site, machine| {
            site.on_machine(|| ip(&format!("link delete {}", uplink(machine))));
        });
        assert_mended(way, RepairKind::Uplink, |site, machine| {
            site.on_machine(|| ip(&format!("link set {} down", uplink(machine))));
        });
    }
}

#[test]
fn a_route_that_is_gone_is_added_again() {
    assert_mended(Way::Routed, RepairKind::Uplink, |site, _| {
        site.on_machine(|| ip(&format!("route delete {}", site.address)));
    });
}

#[test]
fn a_program_that_is_gone_is_attached_again() {
    for of in ["take-", "send-", "uplink"] {
        assert_mended(Way::Taken, RepairKind::Attachment, |site, machine| {
            let links = machine.directory().join("bpf/links");
            let mut pins = fs::read_dir(links).unwrap().map(|pin| pin.unwrap().path());
            let pin = pins.find(|pin| {
                let name = pin.file_name().unwrap().to_str().unwrap();
                name.starts_with(of)
            });
            fs::remove_file(pin.unwrap()).unwrap();
            let link = match of {
                "take-" => "eth0".to_owned(),
                "send-" => uplink(machine),
                _ => "uplink".to_owned(),
            };
            let attached = || {
                let (_, programs) =
                    SchedClassifier::query_tcx(&link, TcAttachType::Ingress).unwrap();
                programs.len()
            };
            wait_for("the kernel to detach it", || match of {
                "uplink" => within(&machine.core(), attached) == 0,
                _ => site.on_machine(attached) == 0,
            });
        });
    }
}

#[test]
fn a_port_that_somebody_closed_is_opened_again() {
    let table = RepairKind::MapEntry("public_ports".to_owned());
    assert_mended(Way::Taken, table, |_, machine| {
        let data = MapData::from_pin(machine.build().join("public_ports")).unwrap();
        let map = Map::from_map_data(data).unwrap();
        let mut ports: HashMap<_, [u8; 4], [u8; 8]> = map.try_into().unwrap();
        let keys: Vec<_> = ports.keys().map(Result::unwrap).collect();
        assert_eq!(keys.len(), 2);
        for key in keys {
            ports.remove(&key).unwrap();
        }
    });
}

#[test]
fn another_way_outside_takes_the_place_of_the_one_before() {
    let site = Site::new(Way::Routed);
    let before = of_the_machine(&site);
    let mut machine = site.machine(game());
    machine.stop();
    machine.config.outside = Some(OutsideConfig {
        address: MACHINE,
        interface: Some("eth0".to_owned()),
        ports: "20000-39999".parse().unwrap(),
        internet_ports: "40000-59999".parse().unwrap(),
    });
    machine.start();
    machine.reapply();
    let (player, game) = (site.udp(), machine.udp(1));
    player.send_to(b"hello", (MACHINE, 20000)).unwrap();
    game.recv_from(&mut [0; 8]).unwrap();
    machine.stop();
    machine.config.outside = None;
    machine.start();
    machine.reapply();
    assert_eq!(of_the_machine(&site), before);
}

#[test]
fn what_cannot_be_had_here_is_refused_before_anything_is_made() {
    let site = Site::new(Way::Routed);
    let before = of_the_machine(&site);
    let check = |address, interface: Option<&str>, told: &str| {
        let machine = site.machine_with(|_| {});
        let mut wrong = machine.config.clone();
        wrong.name = format!("{}x", &wrong.name[1..]);
        wrong.outside = Some(OutsideConfig {
            address,
            interface: interface.map(str::to_owned),
            ports: "20000-39999".parse().unwrap(),
            internet_ports: "40000-59999".parse().unwrap(),
        });
        let mut other = machine;
        other.teardown().unwrap();
        other.config = wrong;
        let error = other.try_start().unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(told), "{source}");
        other.config.outside = None;
    };
    check(MACHINE, None, "is an address of this machine itself");
    check(MACHINE, Some("eth7"), "this machine has no interface eth7");
    site.reserve_ports("20000-59998");
    check(MACHINE, Some("eth0"), "ports 32768 to 60999 to its own");
    // A list that is longer than a first read of a file takes, and lacks nothing but its end.
    let list: Vec<String> = (20_000..59_999)
        .step_by(2)
        .map(|port| port.to_string())
        .collect();
    site.reserve_ports(&list.join(","));
    check(MACHINE, Some("eth0"), "59998,20000-39999,40000-59999`");
    site.reserve_ports("20000-59999");
    assert_eq!(of_the_machine(&site), before);
}

/// An uplink that cannot be made any more leaves the networks as they are.
#[test]
fn without_a_way_outside_the_networks_go_on() {
    let site = Site::new(Way::Taken);
    let network = game().interface(2, 1, "10.1.0.5");
    let mut machine = site.machine(network);
    site.on_machine(|| ip("link set eth0 name eth9"));
    let applied = machine.apply_with_failures(machine.network.clone());
    let reason = applied.outside.unwrap();
    assert!(reason.contains("no interface eth0"), "{reason}");
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    machine.assert_delivers(&one, &two);
    assert!(machine.network.interfaces.contains_key(&eni(1)));
    site.on_machine(|| ip("link set eth9 name eth0"));
    assert_eq!(machine.reapply().outside, None);
    assert_plays(&site, &site.udp(), &one, 20000);
}
