//! A machine with a player at the other end of its only cable: two network namespaces of the test's
//! own, so that nothing of the real machine is touched.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;

use tombolo_network::ebpf::{BaselinePair, EbpfConfig};
use tombolo_network::{Network, OutsideConfig};

use super::Build;
use super::machine::{DEADLINE, Machine, within};

/// The machine's own address, at `eth0`.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The player's, at the other end.
pub const PLAYER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// An address that is routed to the machine, and not its own.
const ROUTED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// How packets from outside get to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The machine routes them.
    Routed,
    /// They are taken at `eth0`.
    Taken,
}

pub const WAYS: [Way; 2] = [Way::Routed, Way::Taken];

/// The machine and the player.
pub struct Site {
    pair: BaselinePair,
    /// The public address.
    pub address: Ipv4Addr,
    interface: Option<String>,
}

impl Site {
    pub fn new(way: Way) -> Self {
        let net = |address: Ipv4Addr| format!("{address}/24").parse().unwrap();
        let pair = BaselinePair::new([net(HOST), net(PLAYER)]).unwrap();
        let site = Site {
            pair,
            address: match way {
                Way::Routed => ROUTED,
                Way::Taken => HOST,
            },
            interface: (way == Way::Taken).then(|| "eth0".to_owned()),
        };
        site.on_host(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        site.reserve_ports("20000-59999");
        for work in ["link set lo up", "link set eth0 mtu 1500"] {
            site.on_host(|| ip(work));
            site.as_player(|| ip(work));
        }
        site.as_player(|| ip(&format!("route add 203.0.113.0/24 via {HOST}")));
        site.on_host(|| ip("route add 198.51.100.0/24 via 192.0.2.9"));
        site.as_player(|| ip("address add 198.51.100.1/32 dev lo"));
        site
    }

    /// An engine on the machine.
    pub fn machine(&self, network: Network) -> Machine {
        let mut machine = self.machine_with(|_| {});
        machine.apply(network);
        machine
    }

    /// An engine on the machine, with nothing in it.
    pub fn machine_with(&self, change: impl FnOnce(&mut EbpfConfig)) -> Machine {
        Machine::at(Some(self.host()), |config| {
            config.outside = Some(OutsideConfig {
                address: self.address,
                interface: self.interface.clone(),
                ports: "20000-39999".parse().unwrap(),
                internet_ports: "40000-59999".parse().unwrap(),
            });
            change(config);
        })
    }

    /// Keeps the machine from giving `ports` to its own connections: it is the setting of its
    /// namespace alone.
    pub fn reserve_ports(&self, ports: &str) {
        let path = "/proc/sys/net/ipv4/ip_local_reserved_ports";
        self.on_host(|| std::fs::write(path, ports).unwrap());
    }

    /// The machine's namespace.
    pub fn host(&self) -> PathBuf {
        let [host, _] = self.pair.namespaces();
        host
    }

    pub fn on_host<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.host(), work)
    }

    pub fn as_player<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let [_, player] = self.pair.namespaces();
        within(&player, work)
    }

    /// A UDP socket of the player's.
    pub fn udp(&self) -> UdpSocket {
        let socket = self.as_player(|| UdpSocket::bind((PLAYER, 0)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }
}

/// Runs `ip` in the calling thread's namespace, and returns what it printed.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A game at port 4000 of interface 1, which the public port 20000 leads to.
pub fn game() -> Network {
    Network::default()
        .vpc(1, "10.1.0.0/16")
        .interface(1, 1, "10.1.0.4")
        .public(1, 20000, 4000)
}

/// Sends a datagram, and asserts who got it from whom.
pub fn assert_arrives(
    from: &UdpSocket,
    to: impl Into<SocketAddr>,
    at: &UdpSocket,
    source: SocketAddr,
) {
    let text = b"to the island";
    from.send_to(text, to.into()).unwrap();
    let mut buffer = [0; 64];
    let (length, sender) = at.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], text);
    assert_eq!(sender, source);
}

/// A player and a game talk, each seeing of the other what it must.
pub fn assert_plays(site: &Site, player: &UdpSocket, game: &UdpSocket, public_port: u16) {
    let (public, real) = ((site.address, public_port), player.local_addr().unwrap());
    assert_arrives(player, public, game, real);
    assert_arrives(game, real, player, public.into());
    assert_arrives(player, public, game, real);
}
