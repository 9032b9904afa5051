//! An engine on a machine that players come to from outside.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use tombolo_network::ebpf::EbpfConfig;
use tombolo_network::{Network, OutsideConfig};
use tombolo_testkit::site::{self, ROUTED};

use super::Build;
use super::machine::{DEADLINE, Machine};

pub use tombolo_testkit::netns::ip;
pub use tombolo_testkit::site::{MACHINE, PLAYERS};

/// How packets from outside get to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The machine routes them.
    Routed,
    /// They are taken at `eth0`.
    Taken,
}

pub const WAYS: [Way; 2] = [Way::Routed, Way::Taken];

/// The machine and the players, and what the engine's public address is.
pub struct Site {
    ends: site::Site,
    /// The public address.
    pub address: Ipv4Addr,
    interface: Option<String>,
}

impl Site {
    pub fn new(way: Way) -> Self {
        let site = Site {
            ends: site::Site::new(),
            address: match way {
                Way::Routed => ROUTED,
                Way::Taken => MACHINE,
            },
            interface: (way == Way::Taken).then(|| "eth0".to_owned()),
        };
        site.on_machine(|| ip(&format!("route add 198.51.100.0/24 via {PLAYERS}")));
        site.among_players(|| ip("address add 198.51.100.1/32 dev lo"));
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
        let [machine, _] = self.ends.namespaces();
        Machine::at(Some(machine), |config| {
            config.outside = Some(OutsideConfig {
                address: self.address,
                interface: self.interface.clone(),
                ports: "20000-39999".parse().unwrap(),
                internet_ports: "40000-59999".parse().unwrap(),
            });
            change(config);
        })
    }

    /// Keeps the machine from giving `ports` to its own connections.
    pub fn reserve_ports(&self, ports: &str) {
        self.ends.reserve_ports(ports);
    }

    pub fn on_machine<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.ends.on_machine(work)
    }

    pub fn among_players<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.ends.among_players(work)
    }

    /// A UDP socket of the player's.
    pub fn udp(&self) -> UdpSocket {
        let socket = self.among_players(|| UdpSocket::bind((PLAYERS, 0)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }
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
