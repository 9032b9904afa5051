//! A packet, as far as the data path decides by it.

use std::net::Ipv4Addr;

/// An IPv4 packet that begins a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Where it says it comes from.
    pub source: Ipv4Addr,
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// What is in it.
    pub transport: Transport,
}

/// What an IPv4 packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, protocol 6.
    Tcp {
        /// The sender's port.
        source_port: u16,
        /// The receiver's port.
        destination_port: u16,
    },
    /// UDP, protocol 17.
    Udp {
        /// The sender's port.
        source_port: u16,
        /// The receiver's port.
        destination_port: u16,
    },
    /// ICMP, protocol 1.
    Icmp {
        /// The message's type, such as 8 for an echo request.
        kind: u8,
        /// The message's code.
        code: u8,
    },
    /// Another protocol, by IANA's number.
    Other(u8),
}
