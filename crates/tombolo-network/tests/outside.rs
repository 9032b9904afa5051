//! Players come in, and instances go out, over real packets. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use common::machine::{DEADLINE, assert_nothing_received, wait_for};
use common::outside::{PLAYERS, Site, WAYS, Way, assert_arrives, assert_plays, game, ip};
use common::{Build, eni};
use tombolo_network::{
    Counters, DropReason, FlowDirection, NetworkEngine, PortRange, Protocol, Rule, RuleDirection,
    RulePeer, SecurityGroup, SecurityGroupNumber,
};

#[test]
fn a_player_reaches_the_game_and_is_seen_by_its_own_address() {
    for way in WAYS {
        let site = Site::new(way);
        let machine = site.machine(game());
        let (player, game) = (site.udp(), machine.udp(1));
        assert_plays(&site, &player, &game, 20000);
        let counters = machine.counters();
        assert_eq!(counters.from_outside.packets, 2);
        assert_eq!(counters.to_outside.packets, 1);
        assert_eq!(counters.dropped_total().packets, 0);
        assert_eq!(counters.busy_ports, [(eni(1), 1)].into());
    }
}

#[test]
fn tcp_goes_both_ways_in_bulk() {
    for way in WAYS {
        let site = Site::new(way);
        let machine = site.machine(game());
        let listener = machine.workload(1, || TcpListener::bind("10.1.0.4:4000").unwrap());
        let to = (site.address, 20000).into();
        let client = site.among_players(|| TcpStream::connect_timeout(&to, DEADLINE).unwrap());
        let (server, source) = listener.accept().unwrap();
        assert_eq!(source, client.local_addr().unwrap());
        for (mut from, mut to) in [
            (client.try_clone().unwrap(), server.try_clone().unwrap()),
            (server, client),
        ] {
            let block: Vec<u8> = (0..1 << 20).map(|at: u32| at as u8).collect();
            let sent = block.clone();
            let sender = std::thread::spawn(move || from.write_all(&sent).map(|()| from));
            let mut received = vec![0; block.len()];
            to.set_read_timeout(Some(DEADLINE)).unwrap();
            to.read_exact(&mut received).unwrap();
            assert!(received == block);
            sender.join().unwrap().unwrap();
        }
    }
}

#[test]
fn a_port_that_leads_nowhere_gets_no_answer_and_is_counted() {
    let site = Site::new(Way::Routed);
    let machine = site.machine(game());
    let (player, game) = (site.udp(), machine.udp(1));
    machine.assert_counts_drop(DropReason::NotAPublicPort, || {
        player.send_to(b"4000", (site.address, 4000)).unwrap();
    });
    // TCP is another namespace of ports, and a port of the instance's is none of the address's.
    let tcp = (site.address, 20001).into();
    let before = machine.counters();
    let refused =
        site.among_players(|| TcpStream::connect_timeout(&tcp, Duration::from_millis(300)));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
    let dropped = |counters: Counters| counters.dropped[&DropReason::NotAPublicPort].packets;
    assert!(dropped(machine.counters()) > dropped(before));
    assert_nothing_received(&game);
    assert_nothing_received(&player);
}

#[test]
fn the_machine_keeps_its_own_ports_of_an_address_that_it_has() {
    let site = Site::new(Way::Taken);
    let machine = site.machine(game());
    let (player, game) = (site.udp(), machine.udp(1));
    let own = site.on_machine(|| UdpSocket::bind((site.address, 5353)).unwrap());
    own.set_read_timeout(Some(DEADLINE)).unwrap();
    let real = player.local_addr().unwrap();
    assert_arrives(&player, own.local_addr().unwrap(), &own, real);
    assert_arrives(&own, real, &player, own.local_addr().unwrap());
    assert_plays(&site, &player, &game, 20000);
    assert_eq!(machine.counters().dropped_total().packets, 0);
}

/// With an address that is routed to it, the machine is outside too.
#[test]
fn the_machines_own_programs_reach_the_game() {
    let site = Site::new(Way::Routed);
    let machine = site.machine(game());
    let own = site.on_machine(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    own.set_read_timeout(Some(DEADLINE)).unwrap();
    let game = machine.udp(1);
    own.send_to(b"hello", (site.address, 20000)).unwrap();
    let mut buffer = [0; 8];
    let (_, source) = game.recv_from(&mut buffer).unwrap();
    game.send_to(b"hello", source).unwrap();
    let (_, answered) = own.recv_from(&mut buffer).unwrap();
    assert_eq!(answered, (site.address, 20000).into());
}

#[test]
fn security_groups_say_which_players_come_in() {
    for way in WAYS {
        let site = Site::new(way);
        let mut network = game();
        let only = |range: &str| SecurityGroup {
            rules: vec![Rule {
                direction: RuleDirection::Ingress,
                protocol: Protocol::Udp(PortRange {
                    from: 4000,
                    to: 4000,
                }),
                peer: RulePeer::Cidr(range.parse().unwrap()),
            }],
        };
        let group = SecurityGroupNumber(1);
        network.security_groups.insert(group, only("192.0.2.9/32"));
        let mut machine = site.machine(network.clone());
        let (player, game) = (site.udp(), machine.udp(1));
        let other = site.among_players(|| UdpSocket::bind("198.51.100.1:0").unwrap());
        // No rule lets the game out, and none is needed.
        assert_plays(&site, &player, &game, 20000);
        machine.assert_counts_drop(DropReason::SecurityGroupIngress, || {
            other.send_to(b"no", (site.address, 20000)).unwrap();
        });
        // Also in the middle of it.
        network
            .security_groups
            .insert(group, only("198.51.100.0/24"));
        machine.apply(network);
        machine.assert_counts_drop(DropReason::SecurityGroupIngress, || {
            player.send_to(b"no", (site.address, 20000)).unwrap();
        });
        assert_nothing_received(&game);
    }
}

#[test]
fn a_port_that_is_closed_stops_the_next_packet_and_leaves_others_alone() {
    let site = Site::new(Way::Routed);
    let network = game().interface(2, 1, "10.1.0.5").public(2, 20001, 4000);
    let mut machine = site.machine(network.clone());
    let (player, game, other) = (site.udp(), machine.udp(1), machine.udp(2));
    assert_plays(&site, &player, &game, 20000);
    assert_plays(&site, &player, &other, 20001);
    let mut closed = network.clone();
    closed
        .interfaces
        .get_mut(&eni(1))
        .unwrap()
        .outside
        .as_mut()
        .unwrap()
        .ports
        .clear();
    machine.apply(closed);
    assert_eq!(machine.counters().busy_ports, [(eni(2), 1)].into());
    machine.assert_counts_drop(DropReason::NotAPublicPort, || {
        player.send_to(b"no", (site.address, 20000)).unwrap();
    });
    machine.assert_counts_drop(DropReason::NoInternet, || {
        game.send_to(b"no", player.local_addr().unwrap()).unwrap();
    });
    assert_plays(&site, &player, &other, 20001);
    assert_nothing_received(&game);
    // At another port it is another flow.
    let mut moved = network;
    let outside = &mut moved.interfaces.get_mut(&eni(1)).unwrap().outside;
    for port in &mut outside.as_mut().unwrap().ports {
        port.public_port = 20002;
    }
    machine.apply(moved);
    assert_plays(&site, &player, &game, 20002);
}

#[test]
fn games_with_the_same_address_in_two_vpcs_each_have_their_players() {
    for way in WAYS {
        let site = Site::new(way);
        let network = game()
            .vpc(2, "10.1.0.0/16")
            .interface(2, 2, "10.1.0.4")
            .public(2, 20001, 4000);
        let machine = site.machine(network);
        let (player, one, two) = (site.udp(), machine.udp(1), machine.udp(2));
        for _ in 0..2 {
            assert_plays(&site, &player, &one, 20000);
            assert_plays(&site, &player, &two, 20001);
        }
        assert_nothing_received(&one);
        assert_nothing_received(&two);
    }
}

/// A port leads to one interface; the first has it, as with addresses.
#[test]
fn of_two_that_want_the_same_port_the_first_has_it() {
    let site = Site::new(Way::Routed);
    let network = game().interface(2, 1, "10.1.0.5").public(2, 20000, 4000);
    let mut machine = site.machine(network.clone());
    let (player, one, two) = (site.udp(), machine.udp(1), machine.udp(2));
    assert_plays(&site, &player, &one, 20000);
    assert_nothing_received(&two);
    let mut gone = network;
    gone.interfaces.remove(&eni(1));
    machine.apply(gone);
    assert_plays(&site, &player, &two, 20000);
}

#[test]
fn nobody_outside_passes_for_an_address_of_the_vpc_or_of_a_peered_one() {
    for way in WAYS {
        let site = Site::new(way);
        let machine = site.machine(game().vpc(2, "10.2.0.0/16").peered(1, 1, 2));
        let game = machine.udp(1);
        for source in ["10.1.0.9", "10.2.0.4"] {
            site.among_players(|| ip(&format!("address add {source}/32 dev lo")));
            let liar = site.among_players(|| UdpSocket::bind((source, 0)).unwrap());
            machine.assert_counts_drop(DropReason::SpoofedAddress, || {
                liar.send_to(b"no", (site.address, 20000)).unwrap();
            });
        }
        assert_nothing_received(&game);
    }
}

#[test]
fn a_flood_at_one_game_takes_only_that_games_share_of_the_flow_table() {
    let site = Site::new(Way::Taken);
    let mut machine = site.machine_with(|config| config.flow_table.share = 3);
    machine.apply(game().interface(2, 1, "10.1.0.5").public(2, 20001, 4000));
    let (one, two) = (machine.udp(1), machine.udp(2));
    let players = [(); 4].map(|()| site.udp());
    for player in &players[..3] {
        let real = player.local_addr().unwrap();
        assert_arrives(player, (site.address, 20000), &one, real);
    }
    machine.assert_counts_drop(DropReason::FlowTableFull, || {
        players[3].send_to(b"no", (site.address, 20000)).unwrap();
    });
    assert_plays(&site, &players[3], &two, 20001);
    assert_plays(&site, &players[0], &one, 20000);
}

#[test]
fn datagrams_larger_than_the_way_go_in_fragments_both_ways() {
    for way in WAYS {
        let site = Site::new(way);
        let machine = site.machine(game());
        let (player, game) = (site.udp(), machine.udp(1));
        let large: Vec<u8> = (0..4000_u32).map(|at| (at % 251) as u8).collect();
        let mut buffer = vec![0; 8192];
        player.send_to(&large, (site.address, 20000)).unwrap();
        let (length, source) = game.recv_from(&mut buffer).unwrap();
        assert!(buffer[..length] == large);
        assert_eq!(source, player.local_addr().unwrap());
        // The first is too big, which the sender is told; then it cuts them up.
        let real = player.local_addr().unwrap();
        machine.assert_counts_drop(DropReason::TooBig, || {
            game.send_to(&large, real).unwrap();
        });
        wait_for("the game's stack to know the MTU", || {
            machine.workload(1, || {
                ip(&format!("route get {PLAYERS}")).contains("mtu 1500")
            })
        });
        game.send_to(&large, real).unwrap();
        let (length, source) = player.recv_from(&mut buffer).unwrap();
        assert!(buffer[..length] == large);
        assert_eq!(source, (site.address, 20000).into());
    }
}

#[test]
fn a_player_is_told_that_nobody_listens() {
    for way in WAYS {
        let site = Site::new(way);
        let _machine = site.machine(game());
        let player = site.udp();
        player.connect((site.address, 20000)).unwrap();
        player.send(b"anyone?").unwrap();
        let told = player.recv(&mut [0; 8]).map_err(|error| error.kind());
        assert_eq!(told, Err(ErrorKind::ConnectionRefused));
    }
}

#[test]
fn flow_records_show_the_players_own_address() {
    let site = Site::new(Way::Taken);
    let machine = site.machine(game());
    let mut flows = machine.engine().flows();
    let (player, game) = (site.udp(), machine.udp(1));
    assert_plays(&site, &player, &game, 20000);
    let record = machine.next_record(&mut flows);
    assert_eq!(record.interface, eni(1));
    assert_eq!(record.direction, FlowDirection::Ingress);
    assert_eq!((record.source, record.destination_port), (PLAYERS, 4000));
    assert_eq!(record.destination, machine.network.address(1));
}
