//! A machine of the test's own, and players at the other end of its only cable: two network
//! namespaces, so that a server that lets players in touches nothing of the real machine. They go
//! with the test.

use std::fs::{self, File};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::netns::{self, ip, within};
use crate::wait;

/// The machine's own address, at `eth0`.
pub const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The players', at the other end of the cable.
pub const PLAYERS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// An address that is routed to the machine, and not its own.
pub const ROUTED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// The ports of a public address that are the server's unless it is configured otherwise.
const PUBLIC_PORTS: &str = "20000-59999";

/// How long a player waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The machine and the players.
#[derive(Debug)]
pub struct Site {
    machine: File,
    players: File,
}

impl Site {
    /// Lays the cable. Needs root.
    ///
    /// # Panics
    /// The kernel gives no namespaces.
    pub fn new() -> Self {
        let site = Site {
            machine: netns::create(),
            players: netns::create(),
        };
        // The file of this process, for `ip`, which is a child of it.
        let players = site.players.as_raw_fd();
        let players = format!("/proc/{}/fd/{players}", std::process::id());
        site.on_machine(|| {
            ip(&format!(
                "link add eth0 type veth peer name eth0 netns {players}"
            ));
            ip(&format!("address add {MACHINE}/24 dev eth0"));
            ip("link set eth0 up");
            // This namespace's own setting.
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("forwarding");
        });
        site.reserve_ports(PUBLIC_PORTS);
        site.among_players(|| {
            ip(&format!("address add {PLAYERS}/24 dev eth0"));
            ip("link set eth0 up");
            ip(&format!("route add 203.0.113.0/24 via {MACHINE}"));
        });
        // The kernel tells each end a moment later that the other one is up.
        for namespace in site.namespaces() {
            wait::until("the cable to be up", || {
                let shown = within(&namespace, || ip("-br link show dev eth0"));
                shown.contains(" UP ").then_some(())
            });
        }
        site
    }

    /// The same, and moves the calling thread to the machine, with the threads and processes that it
    /// starts from now on: servers, and clients of theirs.
    ///
    /// # Panics
    /// The kernel gives no namespaces.
    pub fn enter() -> Self {
        let site = Site::new();
        setns(&site.machine, CloneFlags::CLONE_NEWNET).expect("entering a namespace");
        site
    }

    /// Keeps the machine from giving `ports` to its own connections.
    pub fn reserve_ports(&self, ports: &str) {
        let path = "/proc/sys/net/ipv4/ip_local_reserved_ports";
        self.on_machine(|| fs::write(path, ports).expect("reserving ports"));
    }

    /// Runs `work` on the machine.
    pub fn on_machine<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&path(&self.machine), work)
    }

    /// Runs `work` where the players are.
    pub fn among_players<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&path(&self.players), work)
    }

    /// A UDP socket of a player's, connected to a port of an address; answers are waited for, but
    /// not for ever.
    pub fn player(&self, address: Ipv4Addr, port: u16) -> UdpSocket {
        let socket = self.among_players(|| {
            let socket = UdpSocket::bind((PLAYERS, 0)).expect("a socket");
            socket.connect((address, port)).expect("a route");
            socket
        });
        socket
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a timeout");
        socket
    }

    /// The namespaces of the machine and of the players, as paths for `setns(2)` that are good in
    /// this process.
    pub fn namespaces(&self) -> [PathBuf; 2] {
        [path(&self.machine), path(&self.players)]
    }
}

impl Default for Site {
    fn default() -> Self {
        Site::new()
    }
}

fn path(namespace: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", namespace.as_raw_fd()))
}
