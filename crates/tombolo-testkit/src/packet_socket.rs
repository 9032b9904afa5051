//! A workload's link, frame by frame, past the kernel's own network stack.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recv, send,
    socket,
};

use crate::frame::Mac;
use crate::netns;

/// The name of the interface inside every workload.
const INTERFACE: &str = "eth0";

/// Larger than any frame here.
const FRAME: usize = 16 * 1024;

/// A packet socket on the interface of a workload.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    mac: Mac,
    address: Ipv4Addr,
}

impl PacketSocket {
    /// Opens the link of the workload in whose network namespace the calling thread is.
    ///
    /// # Panics
    /// There is no `eth0` with an address, or this is not root.
    pub fn open() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (family, all) = (AddressFamily::Packet, SockProtocol::EthAll);
        let socket = socket(family, SockType::Raw, flags, all);
        let socket = socket.expect("packet sockets take root");
        let addresses = getifaddrs().expect("listing addresses");
        let addresses: Vec<SockaddrStorage> = addresses
            .filter(|found| found.interface_name == INTERFACE)
            .filter_map(|found| found.address)
            .collect();
        let link = addresses.iter().find_map(SockaddrStorage::as_link_addr);
        let link = link.expect("the workload has its interface");
        bind(socket.as_raw_fd(), link).expect("binding a packet socket");
        let address = addresses.iter().find_map(SockaddrStorage::as_sockaddr_in);
        PacketSocket {
            socket,
            mac: link.addr().expect("an Ethernet interface has an address"),
            address: address.expect("the interface has an address").ip(),
        }
    }

    /// The same, in a network namespace.
    ///
    /// # Panics
    /// It is gone, there is no `eth0` with an address in it, or this is not root.
    pub fn open_within(namespace: &Path) -> Self {
        netns::within(namespace, PacketSocket::open)
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
