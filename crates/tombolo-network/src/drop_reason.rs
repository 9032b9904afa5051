//! Why the data path drops a packet.
//!
//! A reason is one slot of the BPF program's counters and one label of the metrics. A new one goes to
//! the end of [`DropReason`] and of `enum counter` in `bpf/maps.h`, and to both places that decide:
//! the program and [`crate::verdict`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why the data path dropped a packet. The order and the numbers are those of the BPF program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum DropReason {
    /// The interface that the packet came from is not (or no longer) configured.
    UnknownInterface = 0,
    /// A frame too short for its headers, or with impossible lengths.
    Malformed = 1,
    /// Neither ARP nor IPv4.
    EtherType = 2,
    /// The frame's source is not the interface's Ethernet address.
    SpoofedMac = 3,
    /// The packet's (or the ARP request's) source is not the interface's IPv4 address; or it came
    /// from outside, with a source that cannot be there or that the receiver's routes take.
    SpoofedAddress = 4,
    /// No local address, and no route takes the destination.
    NoRoute = 5,
    /// A route took the packet to a VPC that does not let this source in.
    NotAdmitted = 6,
    /// Nobody has the destination address.
    NoSuchDestination = 7,
    /// The kernel refused the redirect. (One to an interface that went away in the meantime it
    /// accepts, and drops later without a word; such a packet counts as forwarded.)
    Redirect = 8,
    /// No rule of the sender's security groups lets the flow begin.
    SecurityGroupEgress = 9,
    /// No rule of the receiver's security groups lets the flow begin.
    SecurityGroupIngress = 10,
    /// The flow table, or the sender's share of it, has no room for one more flow.
    FlowTableFull = 11,
    /// Larger than the destination's MTU; the sender is told.
    TooBig = 12,
    /// A later fragment of a packet whose first fragment did not pass.
    Fragment = 13,
    /// From outside, to a port of the public address that leads nowhere.
    NotAPublicPort = 14,
    /// Between an instance and the outside, of no flow, and nothing that can begin one: an answer,
    /// an ICMP error, a protocol without ports.
    NoFlow = 15,
    /// An instance that may not begin flows to the outside sent one there.
    NoInternet = 16,
    /// An instance sent to an address that the internet has not, or to the public address itself.
    NotOutside = 17,
    /// Each port that was tried for another flow to that remote end was in use.
    InternetPortsFull = 18,
}

impl DropReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [DropReason; 19] = [
        DropReason::UnknownInterface,
        DropReason::Malformed,
        DropReason::EtherType,
        DropReason::SpoofedMac,
        DropReason::SpoofedAddress,
        DropReason::NoRoute,
        DropReason::NotAdmitted,
        DropReason::NoSuchDestination,
        DropReason::Redirect,
        DropReason::SecurityGroupEgress,
        DropReason::SecurityGroupIngress,
        DropReason::FlowTableFull,
        DropReason::TooBig,
        DropReason::Fragment,
        DropReason::NotAPublicPort,
        DropReason::NoFlow,
        DropReason::NoInternet,
        DropReason::NotOutside,
        DropReason::InternetPortsFull,
    ];
}

/// As metrics name it, and JSON.
impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::UnknownInterface => "unknown_interface",
            DropReason::Malformed => "malformed",
            DropReason::EtherType => "ether_type",
            DropReason::SpoofedMac => "spoofed_mac",
            DropReason::SpoofedAddress => "spoofed_address",
            DropReason::NoRoute => "no_route",
            DropReason::NotAdmitted => "not_admitted",
            DropReason::NoSuchDestination => "no_such_destination",
            DropReason::Redirect => "redirect",
            DropReason::SecurityGroupEgress => "security_group_egress",
            DropReason::SecurityGroupIngress => "security_group_ingress",
            DropReason::FlowTableFull => "flow_table_full",
            DropReason::TooBig => "too_big",
            DropReason::Fragment => "fragment",
            DropReason::NotAPublicPort => "not_a_public_port",
            DropReason::NoFlow => "no_flow",
            DropReason::NoInternet => "no_internet",
            DropReason::NotOutside => "not_outside",
            DropReason::InternetPortsFull => "internet_ports_full",
        })
    }
}
