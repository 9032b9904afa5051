//! The keys and values of the maps that the program itself writes, laid out as the structs of
//! `bpf/maps.h`.

use aya::Pod;

use crate::rules::{ICMP, TCP, UDP};

/// `struct flow_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(in crate::ebpf) struct FlowEnd {
    pub(in crate::ebpf) vpc: u32,
    pub(in crate::ebpf) address: [u8; 4],
    pub(in crate::ebpf) port: [u8; 2],
    pub(in crate::ebpf) padding: [u8; 2],
}

/// `struct flow_key`: what a flow is known by, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(in crate::ebpf) struct FlowKey {
    pub(in crate::ebpf) ends: [FlowEnd; 2],
    pub(in crate::ebpf) protocol: u8,
    pub(in crate::ebpf) padding: [u8; 3],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for FlowKey {}

/// `struct flow`. Of each pair the first is of the end that began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct FlowEntry {
    pub(in crate::ebpf) last: u64,
    pub(in crate::ebpf) reported: u64,
    pub(in crate::ebpf) packets: [u64; 2],
    pub(in crate::ebpf) bytes: [u64; 2],
    pub(in crate::ebpf) links: [u32; 2],
    pub(in crate::ebpf) generation: u32,
    pub(in crate::ebpf) state: u32,
    pub(in crate::ebpf) began: u32,
    /// Of a flow with the outside.
    pub(in crate::ebpf) public_port: [u8; 2],
    pub(in crate::ebpf) charged: u8,
    /// Whether it is counted for its VPC and share group.
    pub(in crate::ebpf) shared: u8,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for FlowEntry {}

/// `enum tcp_state`.
const TCP_ANSWERED: u32 = 1;
const TCP_FINS: u32 = 2 | 4;
const TCP_RST: u32 = 8;
/// `UDP_STREAM`.
const UDP_STREAM: u32 = 3;

impl FlowEntry {
    /// How long the flow may be idle, in seconds: `timeout_of` in `bpf/flows.h`.
    pub(in crate::ebpf) fn timeout(&self, protocol: u8) -> u64 {
        let closing = self.state & TCP_RST != 0 || self.state & TCP_FINS == TCP_FINS;
        match protocol {
            TCP if closing => 10,
            TCP if self.state & TCP_ANSWERED != 0 => 432_000,
            TCP => 60,
            UDP if self.state < UDP_STREAM => 30,
            UDP => 180,
            ICMP => 30,
            _ => 600,
        }
    }

    /// The link that has it in its share of the table.
    pub(in crate::ebpf) fn payer(&self) -> u32 {
        self.links[usize::from(self.charged & 1)]
    }

    /// Which of the key's ends has it in its share of the table.
    pub(in crate::ebpf) fn payers_end(&self) -> usize {
        usize::from((self.began ^ u32::from(self.charged)) & 1 == 1)
    }

    /// Whether the end that did not begin it ever answered.
    pub(in crate::ebpf) fn was_answered(&self, protocol: u8) -> bool {
        match protocol {
            TCP => self.state & TCP_ANSWERED != 0,
            UDP => self.state != 0,
            _ => self.packets[1] != 0,
        }
    }

    /// How long it has been idle at `now`, in nanoseconds of `CLOCK_MONOTONIC_COARSE`.
    pub(in crate::ebpf) fn idle(&self, now: u64) -> u64 {
        // The program may have seen a later time than `now`.
        u64::try_from(now.wrapping_sub(self.last) as i64).unwrap_or(0)
    }

    /// Whether the flow counts as absent at `now`, in nanoseconds of `CLOCK_MONOTONIC_COARSE`.
    pub(in crate::ebpf) fn is_over(&self, protocol: u8, now: u64) -> bool {
        self.idle(now) > self.timeout(protocol) * 1_000_000_000
    }
}

/// `struct vpc_flows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct VpcFlowsEntry {
    pub(in crate::ebpf) began: u64,
    pub(in crate::ebpf) share_group: u64,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for VpcFlowsEntry {}

/// `EVERY_GROUP`.
pub(in crate::ebpf) const EVERY_GROUP: u64 = u64::MAX;

/// `struct flow_shares`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct FlowSharesEntry {
    pub(in crate::ebpf) vpc: u32,
    pub(in crate::ebpf) group: u32,
    pub(in crate::ebpf) all: u32,
    pub(in crate::ebpf) reserved: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for FlowSharesEntry {}

/// `OUTSIDE_LINK`: in place of a link, the outside.
pub(in crate::ebpf) const OUTSIDE_LINK: u32 = u32::MAX;
/// `OUTSIDE_VPC`.
pub(in crate::ebpf) const OUTSIDE_VPC: u32 = 0;

/// `struct translation_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(in crate::ebpf) struct TranslationKey {
    pub(in crate::ebpf) remote: [u8; 4],
    pub(in crate::ebpf) remote_port: [u8; 2],
    pub(in crate::ebpf) port: [u8; 2],
    pub(in crate::ebpf) protocol: u8,
    padding: [u8; 3],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for TranslationKey {}

/// `struct translation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct Translation {
    pub(in crate::ebpf) inside: FlowEnd,
    pub(in crate::ebpf) link: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for Translation {}

impl TranslationKey {
    /// The key of the flow that `translation` is for. The end that is outside comes first, since
    /// its VPC's number is the smallest.
    pub(in crate::ebpf) fn flow(&self, translation: &Translation) -> FlowKey {
        let outside = FlowEnd {
            vpc: OUTSIDE_VPC,
            address: self.remote,
            port: self.remote_port,
            padding: [0; 2],
        };
        FlowKey {
            ends: [outside, translation.inside],
            protocol: self.protocol,
            padding: [0; 3],
        }
    }
}

/// `struct flow_event`. Of each pair the first is the source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(in crate::ebpf) struct FlowEventEntry {
    pub(in crate::ebpf) start: u64,
    pub(in crate::ebpf) end: u64,
    pub(in crate::ebpf) packets: [u64; 2],
    pub(in crate::ebpf) bytes: [u64; 2],
    pub(in crate::ebpf) links: [u32; 2],
    pub(in crate::ebpf) addresses: [[u8; 4]; 2],
    pub(in crate::ebpf) ports: [[u8; 2]; 2],
    pub(in crate::ebpf) protocol: u32,
    /// [`ACCEPTED`], or the number of a [`crate::DropReason`].
    pub(in crate::ebpf) outcome: u32,
    pub(in crate::ebpf) padding: u32,
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for FlowEventEntry {}

/// `ACCEPTED`.
pub(in crate::ebpf) const ACCEPTED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use aya::Pod;
    use serde_json::{Value, json};

    use super::*;

    /// An entry as it is in the kernel, from hexadecimal digits.
    fn entry<T: Pod>(digits: &Value) -> T {
        let digits = digits.as_str().unwrap();
        let bytes: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(bytes.len(), size_of::<T>());
        // SAFETY: there are as many bytes as `T` has, and of a `Pod` all bytes are a value.
        unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
    }

    /// A flow of a game that ff7b196's program put there, and what the kernel's own types say of
    /// it.
    #[test]
    fn a_flow_of_an_earlier_release_is_read_as_what_it_is() {
        let golden = include_str!("../../../tests/golden/flows-1.json");
        let golden: Value = serde_json::from_str(golden).unwrap();
        let flow = &golden["flow"];
        let key: FlowKey = entry(&flow["key"]);
        let value: FlowEntry = entry(&flow["value"]);
        let ends = key.ends.map(|end| {
            json!({
                "vpc": end.vpc,
                "address": Ipv4Addr::from(end.address),
                "port": u16::from_be_bytes(end.port),
            })
        });
        let read = json!({
            "protocol": key.protocol,
            "ends": ends,
            "last": value.last,
            "reported": value.reported,
            "packets": value.packets,
            "bytes": value.bytes,
            "ifindex": value.links,
            "generation": value.generation,
            "state": value.state,
            "began": value.began,
            "public_port": u16::from_be_bytes(value.public_port),
            "charged": value.charged,
        });
        assert_eq!(read, flow["says"]);
    }
}
