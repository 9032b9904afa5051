//! Players come in, and instances go out, over real packets. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use common::machine::DEADLINE;
use common::outside::{Site, WAYS};
use common::{Build, eni};
use tombolo_network::Network;

/// A game at port 4000 of interface 1, which the public port 20000 leads to.
fn game() -> Network {
    Network::default()
        .vpc(1, "10.1.0.0/16")
        .interface(1, 1, "10.1.0.4")
        .public(1, 20000, 4000)
}

/// Sends a datagram, and asserts who got it from whom.
fn assert_arrives(from: &UdpSocket, to: impl Into<SocketAddr>, at: &UdpSocket, source: SocketAddr) {
    let text = b"to the island";
    from.send_to(text, to.into()).unwrap();
    let mut buffer = [0; 64];
    let (length, sender) = at.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], text);
    assert_eq!(sender, source);
}

/// A player and a game talk, each seeing of the other what it must.
fn assert_plays(site: &Site, player: &UdpSocket, game: &UdpSocket, public_port: u16) {
    let (public, real) = ((site.address, public_port), player.local_addr().unwrap());
    assert_arrives(player, public, game, real);
    assert_arrives(game, real, player, public.into());
    assert_arrives(player, public, game, real);
}

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
        let client = site.as_player(|| TcpStream::connect_timeout(&to, DEADLINE).unwrap());
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
