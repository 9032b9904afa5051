//! The link of one workload, frame by frame, from inside its network namespace.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recv, send,
    socket,
};

use crate::frame::Mac;
use crate::tools;

/// The name of the interface inside every workload.
const INTERFACE: &str = "eth0";

/// Larger than any frame here.
const FRAME: usize = 16 * 1024;

/// A packet socket on a workload's interface, past the kernel's own network stack.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    mac: Mac,
    address: Ipv4Addr,
}

impl Wire {
    /// Opens the link of the workload that process `pid` is in.
    ///
    /// # Panics
    /// The process is gone, or this is not root.
    pub fn open(pid: u32) -> Self {
        within(pid, open_here)
    }

    /// The interface's Ethernet address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The interface's IPv4 address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Sends a frame as it is.
    ///
    /// # Panics
    /// The interface is gone.
    #[track_caller]
    pub fn send(&self, frame: &[u8]) {
        let sent = send(self.socket.as_raw_fd(), frame, MsgFlags::empty());
        assert_eq!(sent.expect("the interface is there"), frame.len());
    }

    /// The frames that went in or out since this was asked last.
    ///
    /// # Panics
    /// The interface is gone.
    #[track_caller]
    pub fn seen(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut frame = vec![0; FRAME];
        loop {
            match recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
                Ok(length) => frames.push(frame[..length].to_vec()),
                Err(Errno::EAGAIN) => return frames,
                Err(error) => panic!("receiving frames: {error}"),
            }
        }
    }
}

/// Keeps the kernel of a workload from answering: it knows no way back to anybody. What it gets
/// it still takes.
///
/// # Panics
/// The process is gone, or this is not root.
#[track_caller]
pub fn silence(pid: u32) {
    let mut enter = Command::new("nsenter");
    enter.arg(format!("--net={}", namespace(pid)));
    tools::succeeds(enter.args(["ip", "route", "flush", "table", "main"]));
}

/// Does something in the network namespace of a process.
///
/// # Panics
/// The process is gone, or this is not root.
pub fn within<T: Send + 'static>(pid: u32, act: impl FnOnce() -> T + Send + 'static) -> T {
    let namespace = File::open(namespace(pid)).expect("the process is there");
    // A thread of its own enters the namespace, and ends in it.
    let acted = thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace takes root");
        act()
    });
    acted.join().expect("it has not panicked")
}

fn namespace(pid: u32) -> String {
    format!("/proc/{pid}/ns/net")
}

fn open_here() -> Wire {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (family, all) = (AddressFamily::Packet, SockProtocol::EthAll);
    let socket = socket(family, SockType::Raw, flags, all).expect("packet sockets take root");
    let addresses = getifaddrs().expect("listing addresses");
    let addresses: Vec<SockaddrStorage> = addresses
        .filter(|found| found.interface_name == INTERFACE)
        .filter_map(|found| found.address)
        .collect();
    let link = addresses.iter().find_map(SockaddrStorage::as_link_addr);
    let link = link.expect("the workload has its interface");
    bind(socket.as_raw_fd(), link).expect("binding a packet socket");
    let address = addresses.iter().find_map(SockaddrStorage::as_sockaddr_in);
    Wire {
        socket,
        mac: link.addr().expect("an Ethernet interface has an address"),
        address: address.expect("the interface has an address").ip(),
    }
}
