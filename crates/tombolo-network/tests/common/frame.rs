//! Frames that no honest network stack would send.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::net::if_::if_nametoindex;

/// An Ethernet frame with an IPv4 UDP packet in it.
#[derive(Clone)]
pub struct Frame {
    pub source_mac: [u8; 6],
    pub ether_type: u16,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    /// The IPv4 header's total length; 28 is the truth.
    pub total_length: u16,
    /// In units of 8 bytes.
    pub fragment_offset: u16,
}

impl Frame {
    pub fn new(source_mac: [u8; 6], source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Frame {
            source_mac,
            ether_type: 0x0800,
            source,
            destination,
            total_length: 28,
            fragment_offset: 0,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x02, 0x54, 0x4d, 0x42, 0x00, 0x01];
        bytes.extend(self.source_mac);
        bytes.extend(self.ether_type.to_be_bytes());
        let mut ip = vec![0x45, 0];
        ip.extend(self.total_length.to_be_bytes());
        ip.extend([0, 0]);
        // "Don't fragment" is said of whole packets only.
        let fragment = match self.fragment_offset {
            0 => 0x4000,
            offset => offset,
        };
        ip.extend(fragment.to_be_bytes());
        ip.extend([64, 17, 0, 0]);
        ip.extend(self.source.octets());
        ip.extend(self.destination.octets());
        let checksum = checksum(&ip);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        bytes.extend(ip);
        // UDP from and to port 4000, without a checksum.
        bytes.extend([0x0f, 0xa0, 0x0f, 0xa0, 0, 8, 0, 0]);
        bytes
    }

    /// Sends the frame from `eth0` of the calling thread's namespace.
    pub fn send(&self) -> io::Result<()> {
        send_from_eth0(&self.bytes())
    }

    /// Sends the frame with an IEEE 802.1Q tag.
    pub fn send_tagged(&self) -> io::Result<()> {
        let mut bytes = self.bytes();
        bytes.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
        send_from_eth0(&bytes)
    }
}

/// An ARP request (RFC 826).
pub fn arp_request(mac: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0xff; 6];
    bytes.extend(mac);
    bytes.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    bytes.extend(mac);
    bytes.extend(sender.octets());
    bytes.extend([0; 6]);
    bytes.extend(target.octets());
    bytes
}

/// A packet socket on `eth0` of the calling thread's namespace, which gets every frame there.
pub fn packet_socket() -> io::Result<OwnedFd> {
    let all = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: socket(2) takes no pointers.
    let socket = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::c_int::from(all),
        )
    };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened just above and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let timeout = libc::timeval {
        tv_sec: 5,
        tv_usec: 0,
    };
    // SAFETY: the pointer and the size are those of `timeout`, which outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const timeout).cast(),
            size_of::<libc::timeval>() as libc::socklen_t,
        )
    };
    if set < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(socket)
    }
}

/// Who says to have which address in the next ARP reply that the socket gets.
pub fn next_arp_reply(socket: &OwnedFd) -> ([u8; 6], Ipv4Addr) {
    loop {
        let mut frame = [0; 64];
        let length = nix::sys::socket::recv(
            socket.as_raw_fd(),
            &mut frame,
            nix::sys::socket::MsgFlags::empty(),
        )
        .unwrap();
        let is_reply = length >= 42 && frame[12..14] == [0x08, 0x06] && frame[20..22] == [0, 2];
        if is_reply {
            let mac = frame[22..28].try_into().unwrap();
            let address: [u8; 4] = frame[28..32].try_into().unwrap();
            return (mac, address.into());
        }
    }
}

/// Sends a whole Ethernet frame from `eth0` of the calling thread's namespace.
pub fn send_from_eth0(frame: &[u8]) -> io::Result<()> {
    let socket = packet_socket()?;
    // SAFETY: all zeros is a value of this plain C struct.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_ifindex = if_nametoindex("eth0")? as i32;
    to.sll_halen = 6;
    to.sll_addr[..6].copy_from_slice(&frame[..6]);
    // SAFETY: both pointers and sizes are those of values that outlive the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const to).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
