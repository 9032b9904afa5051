//! A machine of the test's own, and players beside it: network namespaces, so that a server that
//! lets players in touches nothing of the real machine. They go with the test.
//!
//! The test itself moves in: servers that it starts are on that machine, and so are its clients.

use std::fs::{self, File};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

use crate::tools;

/// The machine's own address, at `eth0`.
pub const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The players', at the other end of the cable.
pub const PLAYERS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// An address that is routed to the machine, and not its own: for `tombolo dev --players`.
pub const ROUTED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// The ports of a public address that are the server's unless it is configured otherwise.
const PUBLIC_PORTS: &str = "20000-59999";

/// How long a player waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The machine, which the thread that made it is on, and where the players are.
#[derive(Debug)]
pub struct Site {
    machine: File,
    players: File,
}

impl Site {
    /// Moves the calling thread, and the threads and processes that it starts from now on, to a
    /// machine of its own. Needs root.
    ///
    /// # Panics
    /// The kernel gives no namespaces.
    pub fn enter() -> Self {
        let players = thread::spawn(own_network)
            .join()
            .expect("making the players' namespace");
        let machine = own_network();
        let site = Site { machine, players };
        // Paths that are good for `ip`, a child of this process.
        let path = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            site.players.as_raw_fd()
        );
        ip(&format!(
            "link add eth0 type veth peer name eth0 netns {path}"
        ));
        ip(&format!("address add {MACHINE}/24 dev eth0"));
        ip("link set eth0 up");
        // This namespace's own settings.
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("forwarding");
        let reserved = "/proc/sys/net/ipv4/ip_local_reserved_ports";
        fs::write(reserved, PUBLIC_PORTS).expect("reserving ports");
        site.among_players(|| {
            ip(&format!("address add {PLAYERS}/24 dev eth0"));
            ip("link set eth0 up");
            ip(&format!("route add {ROUTED} via {MACHINE}"));
        });
        site
    }

    /// Runs `work` where the players are.
    pub fn among_players<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.players, CloneFlags::CLONE_NEWNET).expect("entering a namespace");
                work()
            });
            thread.join().expect("the thread of the players panicked")
        })
    }

    /// A UDP socket of a player's, connected to a port of an address; answers are waited for, but
    /// not for ever.
    pub fn player(&self, address: Ipv4Addr, port: u16) -> UdpSocket {
        self.among_players(|| {
            let socket = UdpSocket::bind((PLAYERS, 0)).expect("a socket");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            socket.connect((address, port)).expect("a route");
            socket
        })
    }

    /// The namespaces of the machine and of the players, as paths for `setns(2)` that are good in
    /// this process.
    pub fn namespaces(&self) -> [String; 2] {
        [&self.machine, &self.players].map(|file| format!("/proc/self/fd/{}", file.as_raw_fd()))
    }
}

/// Gives the calling thread a network namespace of its own.
fn own_network() -> File {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace takes root");
    ip("link set lo up");
    File::open("/proc/thread-self/ns/net").expect("opening the namespace")
}

fn ip(arguments: &str) {
    tools::succeeds(Command::new("ip").args(arguments.split(' ')));
}
