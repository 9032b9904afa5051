//! What instances begin to the outside, over real packets. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use aya::maps::{HashMap, Map, MapData};
use common::machine::{DEADLINE, Machine, assert_nothing_received};
use common::outside::{MACHINE, PLAYERS, Site, WAYS, Way, assert_arrives, game, ip};
use common::{Build, eni};
use tombolo_network::{DropReason, Network, NetworkEngine, Packet, Transport, Verdict};

/// The port that nothing leads to.
const OTHER: u16 = 4001;

fn allowed() -> Network {
    game().internet(1)
}

/// Sends from a workload to somebody outside; returns who that was for the receiver.
fn seen_as(from: &UdpSocket, at: &UdpSocket) -> SocketAddr {
    from.send_to(b"hello", at.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 8];
    let (length, source) = at.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"hello");
    source
}

fn is_of_the_pool(site: &Site, source: SocketAddr) -> bool {
    source.ip() == IpAddr::V4(site.address) && (40_000..60_000).contains(&source.port())
}

#[test]
fn an_instance_begins_flows_outside_only_if_it_may() {
    for way in WAYS {
        let site = Site::new(way);
        let mut machine = site.machine(game());
        let (server, inside) = (site.udp(), machine.udp_at(1, OTHER));
        let to = server.local_addr().unwrap();
        machine.assert_counts_drop(DropReason::NoInternet, || {
            inside.send_to(b"no", to).unwrap();
        });

        machine.apply(allowed());
        let source = seen_as(&inside, &server);
        assert!(is_of_the_pool(&site, source), "{source}");
        assert_arrives(&server, source, &inside, to);
        // It stays the same for as long as the flow does.
        assert_eq!(seen_as(&inside, &server), source);

        // Withdrawn, the next packet stops, either way.
        machine.apply(game());
        machine.assert_counts_drop(DropReason::NoInternet, || {
            inside.send_to(b"no", to).unwrap();
        });
        machine.assert_counts_drop(DropReason::NoInternet, || {
            server.send_to(b"no", source).unwrap();
        });
        assert_nothing_received(&inside);
    }
}

#[test]
fn tcp_goes_out_and_comes_back() {
    for way in WAYS {
        let site = Site::new(way);
        let machine = site.machine(allowed());
        let listener = site.among_players(|| TcpListener::bind((PLAYERS, 443)).unwrap());
        let to = listener.local_addr().unwrap();
        let mut client = machine.workload(1, || TcpStream::connect_timeout(&to, DEADLINE).unwrap());
        let (mut server, source) = listener.accept().unwrap();
        assert!(is_of_the_pool(&site, source), "{source}");
        let block: Vec<u8> = (0..1_u32 << 20).map(|at| at as u8).collect();
        let sent = block.clone();
        let sender = std::thread::spawn(move || client.write_all(&sent).map(|()| client));
        let mut received = vec![0; block.len()];
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        server.read_exact(&mut received).unwrap();
        assert!(received == block);
        let mut client = sender.join().unwrap().unwrap();
        server.write_all(b"done").unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.read_exact(&mut received[..4]).unwrap();
        assert_eq!(&received[..4], b"done");
    }
}

/// So a game that announces itself to a list of servers is found there.
#[test]
fn what_is_sent_from_a_port_that_players_reach_leaves_by_it() {
    let site = Site::new(Way::Taken);
    let machine = site.machine(allowed());
    let (list, game) = (site.udp(), machine.udp(1));
    assert_eq!(seen_as(&game, &list), (site.address, 20000).into());
    let asked = list.local_addr().unwrap();
    assert_arrives(&list, (site.address, 20000), &game, asked);
}

#[test]
fn only_who_was_asked_can_answer() {
    let site = Site::new(Way::Routed);
    let machine = site.machine(allowed());
    let (server, inside) = (site.udp(), machine.udp_at(1, OTHER));
    let source = seen_as(&inside, &server);
    let same_host = site.udp();
    let other_host = site.among_players(|| {
        let port = server.local_addr().unwrap().port();
        UdpSocket::bind(("198.51.100.1", port)).unwrap()
    });
    for stranger in [same_host, other_host] {
        machine.assert_counts_drop(DropReason::NotAPublicPort, || {
            stranger.send_to(b"no", source).unwrap();
        });
    }
    assert_nothing_received(&inside);
}

#[test]
fn two_instances_with_the_same_address_and_port_are_told_apart() {
    for way in WAYS {
        let site = Site::new(way);
        let network = allowed()
            .vpc(2, "10.1.0.0/16")
            .interface(2, 2, "10.1.0.4")
            .internet(2);
        let machine = site.machine(network);
        let server = site.udp();
        let asked = server.local_addr().unwrap();
        let inside = [1, 2].map(|interface| machine.udp_at(interface, OTHER));
        let sources = [&inside[0], &inside[1]].map(|socket| seen_as(socket, &server));
        assert_ne!(sources[0], sources[1]);
        for (socket, source) in inside.iter().zip(sources) {
            assert_arrives(&server, source, socket, asked);
        }
    }
}

#[test]
fn what_the_internet_has_not_is_refused() {
    let site = Site::new(Way::Routed);
    let machine = site.machine(allowed());
    let inside = machine.udp_at(1, OTHER);
    inside.set_broadcast(true).unwrap();
    let mut nowhere: Vec<Ipv4Addr> = [
        "10.9.9.9",
        "172.31.0.1",
        "192.168.1.1",
        "100.127.0.1",
        "169.254.169.254",
        "240.0.0.1",
        "224.0.0.251",
    ]
    .map(|text| text.parse().unwrap())
    .into();
    nowhere.push(site.address);
    for to in nowhere {
        machine.assert_drops(&inside, to, DropReason::NotOutside);
    }
    // The machine's own public address is as any other host's.
    let own = site.on_machine(|| UdpSocket::bind((MACHINE, 7000)).unwrap());
    own.set_read_timeout(Some(DEADLINE)).unwrap();
    let source = seen_as(&inside, &own);
    assert!(is_of_the_pool(&site, source), "{source}");
}

#[test]
fn a_route_of_the_instances_comes_before_the_outside() {
    let site = Site::new(Way::Routed);
    let network = allowed().vpc(2, "10.2.0.0/16").peering(1, 1, 2);
    let machine = site.machine(network.route(1, "192.0.2.0/24", 1));
    let inside = machine.udp_at(1, OTHER);
    machine.assert_drops(&inside, PLAYERS, DropReason::NoSuchDestination);
}

#[test]
fn an_instance_is_told_that_nobody_listens() {
    for way in WAYS {
        let site = Site::new(way);
        let machine = site.machine(allowed());
        let inside = machine.udp_at(1, OTHER);
        inside.connect((PLAYERS, 9)).unwrap();
        inside.send(b"anyone?").unwrap();
        let told = inside.recv(&mut [0; 8]).map_err(|error| error.kind());
        assert_eq!(told, Err(ErrorKind::ConnectionRefused));
    }
}

/// A router beyond the machine that takes less says so, and the instance hears it.
#[test]
fn path_mtu_discovery_works_through_the_translation() {
    let site = Site::new(Way::Routed);
    site.on_machine(|| ip("route change 198.51.100.0/24 via 192.0.2.9 mtu lock 1000"));
    let machine = site.machine(allowed());
    let inside = machine.udp_at(1, OTHER);
    let server = site.among_players(|| UdpSocket::bind("198.51.100.1:7000").unwrap());
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let large = [7; 1200];
    inside
        .send_to(&large, server.local_addr().unwrap())
        .unwrap();
    common::machine::wait_for("the instance's stack to know the MTU", || {
        machine.workload(1, || ip("route get 198.51.100.1").contains("mtu 1000"))
    });
    inside
        .send_to(&large, server.local_addr().unwrap())
        .unwrap();
    let mut buffer = [0; 2048];
    let (length, source) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(buffer[..length], large);
    assert!(is_of_the_pool(&site, source), "{source}");
}

#[test]
fn the_engine_says_what_becomes_of_a_packet_to_the_outside() {
    let site = Site::new(Way::Routed);
    let mut machine = site.machine(game());
    let decide = |machine: &Machine, to: Ipv4Addr, transport| {
        let packet = Packet {
            source: machine.network.address(1),
            destination: to,
            transport,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime
            .block_on(machine.engine().decide(&eni(1), &packet))
            .unwrap()
    };
    let udp = Transport::Udp {
        source_port: 1,
        destination_port: 2,
    };
    let dropped = |reason| Verdict::Drop(reason);
    assert_eq!(
        decide(&machine, PLAYERS, udp),
        dropped(DropReason::NoInternet)
    );
    machine.apply(allowed());
    assert_eq!(decide(&machine, PLAYERS, udp), Verdict::Outside);
    let private = Ipv4Addr::new(192, 168, 0, 1);
    assert_eq!(
        decide(&machine, private, udp),
        dropped(DropReason::NotOutside)
    );
    assert_eq!(
        decide(&machine, PLAYERS, Transport::Other(47)),
        dropped(DropReason::NoFlow)
    );
    let mut closed = allowed();
    for group in closed.security_groups.values_mut() {
        group.rules.clear();
    }
    machine.apply(closed);
    assert_eq!(
        decide(&machine, PLAYERS, udp),
        dropped(DropReason::SecurityGroupEgress)
    );
}

/// Ports are free again when their flows are gone: those of an interface that went, at once.
#[test]
fn a_port_is_free_again_when_its_flow_is_gone() {
    let site = Site::new(Way::Routed);
    let network = allowed()
        .interface(2, 1, "10.1.0.5")
        .internet(2)
        .interface(3, 1, "10.1.0.6")
        .interface(4, 1, "10.1.0.7");
    let mut machine = site.machine(network.clone());
    let server = site.udp();
    let kept = machine.udp_at(1, OTHER);
    let source = seen_as(&kept, &server);
    seen_as(&machine.udp_at(2, OTHER), &server);
    let data = MapData::from_pin(machine.flows().join("translations")).unwrap();
    let map = Map::from_map_data(data).unwrap();
    let translations: HashMap<_, [u8; 12], [u8; 16]> = map.try_into().unwrap();
    assert_eq!(translations.keys().count(), 2);
    // Each interface that goes has the table swept.
    let mut left = network;
    for gone in 2..=4 {
        left.interfaces.remove(&eni(gone));
        machine.apply(left.clone());
    }
    common::machine::wait_for_long("the port to be free", || translations.keys().count() == 1);
    let asked = server.local_addr().unwrap();
    assert_arrives(&server, source, &kept, asked);
}
