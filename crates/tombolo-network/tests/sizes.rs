//! Large packets: jumbo frames, fragments, and what a sender is told. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use common::machine::{Machine, assert_nothing_received, wait_for};
use common::{Build, eni, two_vpcs};
use nix::errno::Errno;
use tombolo_network::{DropReason, Network};
use tombolo_testkit::frame::Datagram;
use tombolo_testkit::packet_socket::PacketSocket;

/// Two peered interfaces with these MTUs.
fn with_mtus(mtus: [u16; 2]) -> Network {
    let mut network = two_vpcs().peered(1, 1, 2);
    for (number, mtu) in (1..).zip(mtus) {
        network.interfaces.get_mut(&eni(number)).unwrap().mtu = mtu;
    }
    network
}

/// Sets an option of a socket, of the level `IPPROTO_IP`.
fn set_option(socket: &UdpSocket, option: libc::c_int, value: libc::c_int) {
    // SAFETY: the pointer and the size are those of `value`, which outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_jumbo_frame_arrives_whole() {
    let machine = Machine::running(with_mtus([9001, 9001]));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    set_option(&one, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO);
    // 9001 bytes with the headers of IPv4 and UDP.
    let text = vec![0x5a; 9001 - 28];
    one.send_to(&text, two.local_addr().unwrap()).unwrap();
    let mut received = vec![0; 10_000];
    let (length, _) = two.recv_from(&mut received).unwrap();
    assert_eq!(received[..length], text);
    assert_eq!(machine.counters().forwarded_peering.packets, 1);
}

#[test]
fn a_sender_learns_the_destinations_mtu() {
    let machine = Machine::running(with_mtus([9001, 1500]));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    set_option(&one, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO);
    one.connect(two.local_addr().unwrap()).unwrap();
    let text = vec![0x5a; 1501 - 28];
    machine.assert_counts_drop(DropReason::TooBig, || {
        one.send(&text).unwrap();
    });
    wait_for("the router's answer", || {
        let refused = one.send(&text).map_err(|error| error.raw_os_error());
        refused == Err(Some(Errno::EMSGSIZE as i32))
    });
    let fits = &text[1..];
    // Answers to what was sent before may still be the result of this.
    wait_for("what fits to be sent", || one.send(fits).is_ok());
    let mut received = vec![0; 2000];
    assert_eq!(two.recv(&mut received).unwrap(), fits.len());
}

/// A sender that leaves fragmenting to others is told too, and then fragments itself.
#[test]
fn a_sender_that_lets_fragment_fragments_once_it_is_told() {
    let machine = Machine::running(with_mtus([9001, 1500]));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    two.set_nonblocking(true).unwrap();
    let to = two.local_addr().unwrap();
    let text = vec![0x5a; 4000];
    let mut received = vec![0; 5000];
    wait_for("the datagram to arrive", || {
        one.send_to(&text, to).unwrap();
        matches!(two.recv(&mut received), Ok(4000))
    });
    assert_eq!(received[..4000], text);
}

/// The connection agreed on segments that are too big now, which the kernel sends many at a time.
#[test]
fn a_live_connection_adapts_to_a_smaller_mtu() {
    let mut machine = Machine::running(with_mtus([9001, 9001]));
    let (mut client, mut server) = machine.tcp(1, 2);
    let block = vec![0x5a; 1 << 18];
    let mut received = vec![0; block.len()];
    for mtu in [9001, 1500] {
        machine.apply(with_mtus([9001, mtu]));
        std::thread::scope(|scope| {
            scope.spawn(|| client.write_all(&block).unwrap());
            server.read_exact(&mut received).unwrap();
        });
        assert_eq!(received, block);
    }
    let dropped = machine.counters().dropped;
    assert_ne!(dropped[&DropReason::TooBig].packets, 0);
}

#[test]
fn fragments_pass_with_their_first() {
    let machine = Machine::running(with_mtus([1500, 1500]));
    let [one, two] = [1, 2].map(|interface| machine.udp(interface));
    let text = vec![0x5a; 4000];
    one.send_to(&text, two.local_addr().unwrap()).unwrap();
    let mut received = vec![0; 5000];
    assert_eq!(two.recv(&mut received).unwrap(), text.len());
    assert_eq!(received[..text.len()], text);
    assert_eq!(machine.counters().forwarded_peering.packets, 3);
    assert_eq!(machine.counters().dropped_total().packets, 0);
}

#[test]
fn a_fragment_without_its_first_is_dropped() {
    let machine = Machine::running(with_mtus([1500, 1500]));
    let two = machine.udp(2);
    let mac = machine.network.interfaces[&eni(1)].mac.0;
    let later = Datagram {
        fragment_offset: 8,
        ..Datagram::new(mac, machine.network.address(1), machine.network.address(2))
    };
    machine.assert_counts_drop(DropReason::Fragment, || {
        machine.workload(1, || PacketSocket::open().send(&later.frame()));
    });
    assert_nothing_received(&two);
}
