//! The keys and values of the BPF maps, laid out as the structs of `bpf/maps.h`.

use std::net::Ipv4Addr;

use aya::Pod;
use ipnet::Ipv4Net;

use crate::network::{
    Interface, MAX_GROUPS, RouteTableNumber, RuleDirection, RulePeer, SecurityGroupNumber,
    VpcNumber,
};
use crate::rules::{RuleBlock, RulePorts};
use crate::tables::{NextHop, PeeringAclEntry};

/// What an entry holds of which nothing counts but that it is there.
pub(in crate::ebpf) const ALLOW: u32 = 1;

/// A key of a longest-prefix-match trie: the bits, and how many of them count.
pub(in crate::ebpf) type PrefixKey<const BYTES: usize> = ([u8; BYTES], u32);

/// The key of `routes`: the whole number of the table, then the destination's prefix.
pub(in crate::ebpf) fn route_key(table: RouteTableNumber, destination: Ipv4Net) -> PrefixKey<8> {
    let mut bits = [0; 8];
    bits[..4].copy_from_slice(&table.0.to_be_bytes());
    bits[4..].copy_from_slice(&destination.network().octets());
    (bits, 32 + u32::from(destination.prefix_len()))
}

/// The key of `admissions`, the peering ACL: both VPC numbers, then the sources' prefix.
pub(in crate::ebpf) fn peering_acl_key(entry: &PeeringAclEntry) -> PrefixKey<12> {
    let mut bits = [0; 12];
    bits[..4].copy_from_slice(&entry.to.0.to_be_bytes());
    bits[4..8].copy_from_slice(&entry.from.0.to_be_bytes());
    bits[8..].copy_from_slice(&entry.sources.network().octets());
    (bits, 64 + u32::from(entry.sources.prefix_len()))
}

/// The key of `rule_blocks`: the group, the direction, then the block's prefix.
pub(in crate::ebpf) fn rule_block_key(rule: &RuleBlock) -> PrefixKey<12> {
    let mut bits = [0; 12];
    bits[..4].copy_from_slice(&rule.group.0.to_be_bytes());
    bits[7] = direction_number(rule.direction);
    bits[8..].copy_from_slice(&rule.block.network().octets());
    (bits, 64 + u32::from(rule.block.prefix_len()))
}

/// `REMOTE_IS_GROUP`, where a block has the length of its prefix.
const REMOTE_IS_GROUP: u8 = 0xff;

/// The key of `rule_ports`, see `struct rule_port_key` for its order.
pub(in crate::ebpf) fn rule_port_key(rule: &RulePorts) -> PrefixKey<16> {
    let (remote, remote_length) = match rule.remote {
        RulePeer::Cidr(block) => (block.network().octets(), block.prefix_len()),
        RulePeer::Group(group) => (group.0.to_be_bytes(), REMOTE_IS_GROUP),
    };
    let mut bits = [0; 16];
    bits[..4].copy_from_slice(&rule.group.0.to_be_bytes());
    bits[4..8].copy_from_slice(&remote);
    bits[8] = direction_number(rule.direction);
    bits[9] = remote_length;
    let Some(protocol) = rule.ports.protocol else {
        return (bits, 80);
    };
    bits[11] = protocol;
    bits[12..14].copy_from_slice(&rule.ports.port.to_be_bytes());
    (bits, 96 + u32::from(rule.ports.length))
}

/// `enum rule_direction`.
fn direction_number(direction: RuleDirection) -> u8 {
    match direction {
        RuleDirection::Egress => 0,
        RuleDirection::Ingress => 1,
    }
}

/// The groups that an interface carries, 0 after the last. A number of 0 would end them early and
/// is never given; more than [`MAX_GROUPS`] the API refuses.
fn group_numbers(groups: &[SecurityGroupNumber]) -> [u32; MAX_GROUPS] {
    let mut numbers = [0; MAX_GROUPS];
    for (number, group) in numbers.iter_mut().zip(groups) {
        *number = group.0;
    }
    numbers
}

/// `struct interface`, by the index of the veth's end in the core namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct InterfaceEntry {
    pub(in crate::ebpf) vpc: u32,
    pub(in crate::ebpf) route_table: u32,
    pub(in crate::ebpf) address: [u8; 4],
    subnet: [u8; 4],
    netmask: [u8; 4],
    mac: [u8; 6],
    mtu: u16,
    pub(in crate::ebpf) groups: [u32; MAX_GROUPS],
    pub(in crate::ebpf) outside: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for InterfaceEntry {}

impl InterfaceEntry {
    /// `OUTSIDE_ANSWERS`: what no route takes goes outside.
    const OUTSIDE_ANSWERS: u32 = 1;
    /// `OUTSIDE_BEGINS`.
    pub(in crate::ebpf) const OUTSIDE_BEGINS: u32 = 2;

    pub(in crate::ebpf) fn new(interface: &Interface) -> Self {
        InterfaceEntry {
            vpc: interface.vpc.0,
            route_table: interface.route_table.0,
            address: interface.address.octets(),
            subnet: interface.subnet.0.network().octets(),
            netmask: interface.subnet.0.netmask().octets(),
            mac: interface.mac.0,
            mtu: interface.mtu,
            groups: group_numbers(&interface.security_groups),
            outside: match &interface.outside {
                None => 0,
                Some(outside) if outside.internet => Self::OUTSIDE_ANSWERS | Self::OUTSIDE_BEGINS,
                Some(_) => Self::OUTSIDE_ANSWERS,
            },
        }
    }
}

/// `struct endpoint_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(in crate::ebpf) struct EndpointKey {
    vpc: u32,
    address: [u8; 4],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for EndpointKey {}

impl EndpointKey {
    pub(in crate::ebpf) fn new(vpc: VpcNumber, address: Ipv4Addr) -> Self {
        EndpointKey {
            vpc: vpc.0,
            address: address.octets(),
        }
    }
}

/// `struct endpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct EndpointEntry {
    pub(in crate::ebpf) link: u32,
    mac: [u8; 6],
    pub(in crate::ebpf) mtu: u16,
    pub(in crate::ebpf) groups: [u32; MAX_GROUPS],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for EndpointEntry {}

impl EndpointEntry {
    /// The address of an interface behind the link with index `link` in the core namespace.
    pub(in crate::ebpf) fn new(link: u32, interface: &Interface) -> Self {
        EndpointEntry {
            link,
            mac: interface.mac.0,
            mtu: interface.mtu,
            groups: group_numbers(&interface.security_groups),
        }
    }
}

/// `struct route`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct RouteEntry {
    pub(in crate::ebpf) kind: u32,
    pub(in crate::ebpf) vpc: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for RouteEntry {}

impl RouteEntry {
    /// The `kind` of a route within the VPC.
    pub(in crate::ebpf) const LOCAL: u32 = 0;
    /// The `kind` of a route that leads nowhere.
    pub(in crate::ebpf) const BLACK_HOLE: u32 = 2;

    /// The numbers are those of `enum route_kind`.
    pub(in crate::ebpf) fn new(next_hop: NextHop) -> Self {
        match next_hop {
            NextHop::Local(vpc) => RouteEntry {
                kind: Self::LOCAL,
                vpc: vpc.0,
            },
            NextHop::Peering(peer) => RouteEntry {
                kind: 1,
                vpc: peer.0,
            },
            NextHop::BlackHole => RouteEntry {
                kind: Self::BLACK_HOLE,
                vpc: 0,
            },
        }
    }
}

/// `struct outside`. All zeros: there is no way outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct OutsideEntry {
    pub(in crate::ebpf) address: [u8; 4],
    pub(in crate::ebpf) uplink: u32,
    pub(in crate::ebpf) far_end: u32,
    pub(in crate::ebpf) interface: u32,
    pub(in crate::ebpf) ports: [u16; 2],
    pub(in crate::ebpf) mtu: u16,
    pub(in crate::ebpf) mac: [u8; 6],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for OutsideEntry {}

/// `struct public_port_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(in crate::ebpf) struct PublicPort {
    port: [u8; 2],
    protocol: u8,
    padding: u8,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for PublicPort {}

impl PublicPort {
    /// The port in the order of the network's bytes.
    pub(in crate::ebpf) fn new(protocol: u8, port: [u8; 2]) -> Self {
        PublicPort {
            port,
            protocol,
            padding: 0,
        }
    }
}

/// `struct inside_port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(in crate::ebpf) struct InsidePort {
    pub(in crate::ebpf) link: u32,
    pub(in crate::ebpf) port: [u8; 2],
    protocol: u8,
    padding: u8,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for InsidePort {}

impl InsidePort {
    /// The port in the order of the network's bytes.
    pub(in crate::ebpf) fn new(link: u32, protocol: u8, port: [u8; 2]) -> Self {
        InsidePort {
            link,
            port,
            protocol,
            padding: 0,
        }
    }
}

/// `struct settings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct SettingsEntry {
    pub(in crate::ebpf) generation: u32,
    pub(in crate::ebpf) flow_share: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for SettingsEntry {}

/// `struct traffic`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct TrafficEntry {
    pub(in crate::ebpf) packets: u64,
    pub(in crate::ebpf) bytes: u64,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for TrafficEntry {}

/// `struct interface_traffic`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct InterfaceTrafficEntry {
    pub(in crate::ebpf) sent: TrafficEntry,
    pub(in crate::ebpf) received: TrafficEntry,
    pub(in crate::ebpf) dropped: TrafficEntry,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for InterfaceTrafficEntry {}

/// `struct vpc_pair`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(in crate::ebpf) struct VpcPair {
    pub(in crate::ebpf) from: u32,
    pub(in crate::ebpf) to: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for VpcPair {}
