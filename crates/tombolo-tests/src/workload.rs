//! A place inside a VPC: a network namespace with one interface, held by a process that does
//! nothing.

use std::net::Ipv4Addr;

use crate::program::Program;
use crate::server::Server;
use crate::wire::{self, Wire};

/// A place in a VPC, there until this is dropped.
#[derive(Debug)]
pub struct Workload {
    /// Where it is.
    pub address: Ipv4Addr,
    /// Its link.
    pub wire: Wire,
    pid: u32,
    /// Holds the interface, where the test has made it.
    _program: Option<Program>,
}

impl Workload {
    /// Makes one at `address` of an account's VPC, by `tombolo run`.
    #[track_caller]
    pub fn start(server: &impl Server, account: &str, vpc: &str, address: Ipv4Addr) -> Self {
        let hold = ["sh", "-c", "echo process $$; exec sleep infinity"];
        let program = Program::run_as(server, account, vpc, &address.to_string(), &hold);
        let said = program.until_it_prints("process ");
        let pid = said.trim_start_matches("process ").parse();
        let pid = pid.expect("$$ is a process id");
        Workload {
            _program: Some(program),
            ..Workload::of(pid, address)
        }
    }

    /// The one that process `pid` is in, and that somebody else takes away.
    #[track_caller]
    pub fn of(pid: u32, address: Ipv4Addr) -> Self {
        Workload {
            address,
            wire: Wire::open(pid),
            pid,
            _program: None,
        }
    }

    /// Keeps its kernel from answering whatever it is sent.
    #[track_caller]
    pub fn silence(&self) {
        wire::silence(self.pid);
    }
}
