//! The link of one workload, frame by frame, from inside its network namespace.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
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
}

impl Wire {
    /// Opens the link of the workload that process `pid` is in.
    ///
    /// # Panics
    /// The process is gone, or this is not root.
    pub fn open(pid: u32) -> Self {
        let namespace = File::open(namespace(pid)).expect("the process is there");
        // A thread of its own enters the namespace; the socket stays in it.
        let opened = thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace takes root");
            open_here()
        });
        let (socket, mac) = opened.join().expect("it has not panicked");
        Wire { socket, mac }
    }

    /// The interface's Ethernet address.
    pub fn mac(&self) -> Mac {
        self.mac
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
    let mut ip = inside(pid, "ip");
    tools::succeeds(ip.args(["route", "flush", "table", "main"]));
}

/// A program inside the network namespace of a process.
pub fn inside(pid: u32, program: &str) -> std::process::Command {
    let mut command = std::process::Command::new("nsenter");
    command
        .arg(format!("--net={}", namespace(pid)))
        .arg(program);
    command
}

fn namespace(pid: u32) -> String {
    format!("/proc/{pid}/ns/net")
}

fn open_here() -> (OwnedFd, Mac) {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        flags,
        SockProtocol::EthAll,
    )
    .expect("packet sockets take root");
    let link = link().expect("the workload has its interface");
    bind(socket.as_raw_fd(), &link).expect("binding a packet socket");
    let mac = link.addr().expect("an Ethernet interface has an address");
    (socket, mac)
}

/// The link-layer address of the interface, with its index.
fn link() -> io::Result<LinkAddr> {
    let mut addresses = getifaddrs()?.filter(|found| found.interface_name == INTERFACE);
    let link = addresses.find_map(|found| found.address?.as_link_addr().copied());
    link.ok_or_else(|| {
        let there = fs::read_to_string("/proc/net/dev").unwrap_or_default();
        io::Error::other(format!("no {INTERFACE} among {there}"))
    })
}
