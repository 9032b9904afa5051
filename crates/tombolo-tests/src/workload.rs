//! A place inside a VPC: a network namespace with one interface, held by a process that does
//! nothing.

use std::net::Ipv4Addr;

use tombolo_testkit::netns::{self, ip};
use tombolo_testkit::packet_socket::PacketSocket;

use crate::program::Program;
use crate::server::Server;

/// A place in a VPC, there until this is dropped.
#[derive(Debug)]
pub struct Workload {
    /// Where it is.
    pub address: Ipv4Addr,
    /// Its link.
    pub wire: PacketSocket,
    pid: u32,
    /// Holds the interface, where the test has made it.
    _program: Option<Program>,
}

impl Workload {
    /// Makes one at `address` of an account's VPC, by `tombolo run`.
    #[track_caller]
    pub fn start(server: &impl Server, account: &str, vpc: &str, address: Ipv4Addr) -> Self {
        Workload::start_with(server, account, vpc, address, &[])
    }

    /// Makes one with more options of `tombolo run`.
    #[track_caller]
    pub fn start_with(
        server: &impl Server,
        account: &str,
        vpc: &str,
        address: Ipv4Addr,
        options: &[&str],
    ) -> Self {
        let mut run = server.command(&["run", "--account", account, "--vpc", vpc]);
        run.args(["--address", &address.to_string()]).args(options);
        run.args(["--", "sh", "-c", "echo process $$; exec sleep infinity"]);
        let program = Program::start(&mut run);
        let said = program.until_it_prints("process ");
        let pid = said.trim_start_matches("process ").parse();
        let pid = pid.expect("$$ is a process id");
        Workload {
            _program: Some(program),
            ..Workload::of(pid)
        }
    }

    /// The one that process `pid` is in, and that somebody else takes away.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let wire = PacketSocket::open_within(&netns::of_process(pid));
        Workload {
            address: wire.address(),
            wire,
            pid,
            _program: None,
        }
    }

    /// Keeps its kernel from answering whatever it is sent: it knows no way back to anybody. What it
    /// gets it still takes.
    #[track_caller]
    pub fn silence(&self) {
        self.within(|| ip("route flush table main"));
    }

    /// Does something in its network namespace, such as opening a socket, which stays in there.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        netns::within(&netns::of_process(self.pid), act)
    }
}
