//! Packets of every size: jumbo frames from end to end, and what tells a sender of a smaller path.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use tombolo_tests::metrics::Packets;
use tombolo_tests::network::{self, End};
use tombolo_tests::serving::Serving;
use tombolo_tests::workload::Workload;
use tombolo_tests::{scenario, wait};

/// Headers of Ethernet, IPv4 and UDP.
const ETHERNET: usize = 14;
const HEADERS: usize = 20 + 8;

const PORT: u16 = 9000;

#[test]
fn a_packet_of_9001_bytes_passes_a_peering_in_one_piece() {
    let joined = Joined::new();
    let (one, other) = (joined.game(&[]), joined.data(&[]));
    let (sender, receiver) = (socket(&one, 0), socket(&other, PORT));
    other.wire.seen();
    let sent = vec![7; 9001 - HEADERS];
    sender.send_to(&sent, (other.address, PORT)).unwrap();
    assert_eq!(received(&receiver), sent);
    let largest = other.wire.seen().iter().map(Vec::len).max();
    assert_eq!(largest, Some(ETHERNET + 9001));
}

#[test]
fn a_sender_is_told_of_a_smaller_mtu_at_the_other_end_and_obeys_it() {
    let joined = Joined::new();
    let (one, other) = (joined.game(&[]), joined.data(&["--mtu", "1500"]));
    let (sender, receiver) = (socket(&one, 0), socket(&other, PORT));
    sender.connect((other.address, PORT)).unwrap();
    assert_eq!(getsockopt(&sender, sockopt::IpMtu).unwrap(), 9001);
    let before = Packets::read(joined.server.metrics());
    let sent = vec![7; 4000];
    sender.send(&sent).unwrap();
    wait::until("the path MTU to be found", || {
        (getsockopt(&sender, sockopt::IpMtu).unwrap() == 1500).then_some(())
    });
    let counted = Packets::read(joined.server.metrics()).since(&before);
    assert_eq!(counted, [("dropped too_big".to_owned(), 1)].into());

    // The kernel tells the program once; from then on it sends fragments that fit.
    let told = sender.send(&sent).unwrap_err();
    assert_eq!(told.raw_os_error(), Some(nix::libc::EMSGSIZE), "{told}");
    other.wire.seen();
    sender.send(&sent).unwrap();
    assert_eq!(received(&receiver), sent);
    let frames: Vec<usize> = other.wire.seen().iter().map(Vec::len).collect();
    assert_eq!(frames.len(), 3, "{frames:?}");
    assert!(
        frames.iter().all(|&length| length <= ETHERNET + 1500),
        "{frames:?}"
    );
}

/// The sender's security group has no rule for ICMP: the error belongs to its own flow.
#[test]
fn an_icmp_error_comes_back_through_a_peering() {
    let joined = Joined::new();
    let (one, other) = (joined.game(&[]), joined.data(&[]));
    let sender = socket(&one, 0);
    sender.connect((other.address, PORT)).unwrap();
    sender.send(b"nobody listens").unwrap();
    let told = sender.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::ConnectionRefused, "{told}");
}

/// Two peered VPCs of two accounts; the second lets everything in.
struct Joined {
    server: Serving,
    game: String,
    data: String,
}

impl Joined {
    fn new() -> Self {
        let server = Serving::start_plain();
        let (studio, backend) = (server.studio(), server.backend());
        let [near, far] = ["10.91.0.0/24", "10.90.0.0/24"];
        let game = scenario::vpc_with_subnet(studio, near);
        let data = scenario::vpc_with_subnet(backend, far);
        network::allow_all(backend, &data);
        let end = |owner, vpc, cidr| End { owner, vpc, cidr };
        network::peer(end(studio, &game, near), end(backend, &data, far));
        Joined { server, game, data }
    }

    fn game(&self, options: &[&str]) -> Workload {
        let address = Ipv4Addr::new(10, 91, 0, 10);
        Workload::start_with(&self.server, "studio", &self.game, address, options)
    }

    fn data(&self, options: &[&str]) -> Workload {
        let address = Ipv4Addr::new(10, 90, 0, 10);
        Workload::start_with(&self.server, "backend", &self.data, address, options)
    }
}

/// A socket in a workload, which waits for what it is to receive.
fn socket(workload: &Workload, port: u16) -> UdpSocket {
    let socket = workload.within(move || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)));
    let socket = socket.unwrap();
    let patience = Duration::from_secs(10);
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut datagram = vec![0; 10_000];
    let length = socket.recv(&mut datagram).unwrap();
    datagram.truncate(length);
    datagram
}
