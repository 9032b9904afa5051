//! The keys and values of the BPF maps, laid out as the structs of `bpf/tombolo.c`.

use std::net::Ipv4Addr;

use aya::Pod;
use ipnet::Ipv4Net;

use crate::tables::{Admission, NextHop};
use crate::{Interface, MacAddress, RouteTableNumber, VpcNumber};

/// A key of a longest-prefix-match trie: the bits, and how many of them count.
pub(super) type PrefixKey<const BYTES: usize> = ([u8; BYTES], u32);

/// The key of `routes`: the whole number of the table, then the destination's prefix.
pub(super) fn route_key(table: RouteTableNumber, destination: Ipv4Net) -> PrefixKey<8> {
    let mut bits = [0; 8];
    bits[..4].copy_from_slice(&table.0.to_be_bytes());
    bits[4..].copy_from_slice(&destination.network().octets());
    (bits, 32 + u32::from(destination.prefix_len()))
}

/// The key of `admissions`: both VPC numbers, then the sources' prefix.
pub(super) fn admission_key(admission: &Admission) -> PrefixKey<12> {
    let mut bits = [0; 12];
    bits[..4].copy_from_slice(&admission.to.0.to_be_bytes());
    bits[4..8].copy_from_slice(&admission.from.0.to_be_bytes());
    bits[8..].copy_from_slice(&admission.sources.network().octets());
    (bits, 64 + u32::from(admission.sources.prefix_len()))
}

/// `struct interface`, by the index of the veth's end in the core namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct InterfaceEntry {
    pub(super) vpc: u32,
    pub(super) route_table: u32,
    pub(super) address: [u8; 4],
    subnet: [u8; 4],
    netmask: [u8; 4],
    mac: [u8; 6],
    padding: [u8; 2],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for InterfaceEntry {}

impl InterfaceEntry {
    pub(super) fn new(interface: &Interface) -> Self {
        InterfaceEntry {
            vpc: interface.vpc.0,
            route_table: interface.route_table.0,
            address: interface.address.octets(),
            subnet: interface.subnet.0.network().octets(),
            netmask: interface.subnet.0.netmask().octets(),
            mac: interface.mac.0,
            padding: [0; 2],
        }
    }
}

/// `struct endpoint_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(super) struct EndpointKey {
    vpc: u32,
    address: [u8; 4],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for EndpointKey {}

impl EndpointKey {
    pub(super) fn new(vpc: VpcNumber, address: Ipv4Addr) -> Self {
        EndpointKey {
            vpc: vpc.0,
            address: address.octets(),
        }
    }
}

/// `struct endpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct EndpointEntry {
    pub(super) link: u32,
    mac: [u8; 6],
    padding: [u8; 2],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for EndpointEntry {}

impl EndpointEntry {
    /// An address behind the link with index `link` in the core namespace.
    pub(super) fn new(link: u32, mac: MacAddress) -> Self {
        EndpointEntry {
            link,
            mac: mac.0,
            padding: [0; 2],
        }
    }
}

/// `struct route`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct RouteEntry {
    pub(super) kind: u32,
    pub(super) vpc: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for RouteEntry {}

impl RouteEntry {
    /// The `kind` of a route within the VPC.
    pub(super) const LOCAL: u32 = 0;

    /// The numbers are those of `enum route_kind`.
    pub(super) fn new(next_hop: NextHop) -> Self {
        match next_hop {
            NextHop::Local(vpc) => RouteEntry {
                kind: Self::LOCAL,
                vpc: vpc.0,
            },
            NextHop::Peering(peer) => RouteEntry {
                kind: 1,
                vpc: peer.0,
            },
        }
    }
}
