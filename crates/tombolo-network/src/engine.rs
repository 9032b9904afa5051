//! What every engine can do.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tombolo_domain::id::NetworkInterfaceId;

use crate::{Counters, FlowRecords, Network, Packet, Repairs, Verdict};

/// Makes one machine's networks what they should be.
#[async_trait]
pub trait NetworkEngine: Send + Sync {
    /// Which engine this is.
    fn kind(&self) -> EngineKind;

    /// Makes the machine's state equal to `wanted` and repairs what drifted. What fails for one
    /// interface is told in [`Applied::failed`] and does not stop the rest; an error means that
    /// the engine itself could not work. When it returns, what it did is in force for the next
    /// packet: a peering that `wanted` lacks carries none any more.
    ///
    /// It is idempotent, and callers serialize it: the last call wins. Given the same value as
    /// the last time, it looks at all that is there, as it does the first time, and tells in
    /// [`Applied::repairs`] what somebody else had changed.
    ///
    /// [`EngineError::Full`] comes before any change.
    async fn apply(&self, wanted: &Network) -> Result<Applied, EngineError>;

    /// The network namespace of an interface's workload, once `apply` made it, or before the first
    /// `apply` if an earlier engine did: a path for `setns(2)` such as `/run/netns/NAME`. `None` in
    /// an engine whose packets do not flow.
    fn namespace(&self, interface: &NetworkInterfaceId) -> Option<PathBuf>;

    /// What the data path counted since it was made.
    async fn counters(&self) -> Result<Counters, EngineError>;

    /// Follows the records of flows from now on; there are none in an engine whose packets do not
    /// flow.
    fn flows(&self) -> FlowRecords;

    /// What would become of `packet` if `from`'s workload sent it now and it belonged to no flow,
    /// by what the data path really looks packets up in: not by what it was given. Nothing is
    /// sent, changed or counted.
    async fn decide(
        &self,
        from: &NetworkInterfaceId,
        packet: &Packet,
    ) -> Result<Verdict, EngineError>;

    /// Takes everything of this engine off the machine: namespaces, interfaces, programs, maps.
    /// It goes on after a failure and returns the first one.
    async fn teardown(&self) -> Result<(), EngineError>;
}

/// The engines there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// veth pairs and a tc-bpf program: packets flow.
    Ebpf,
    /// In memory: no packet flows.
    Simulated,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineKind::Ebpf => "ebpf",
            EngineKind::Simulated => "simulated",
        })
    }
}

/// What an [`NetworkEngine::apply`] came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many things (interfaces, map entries, attachments) had to be made, changed or removed;
    /// 0 says that everything was as wanted.
    pub changes: usize,
    /// Interfaces that could not be made, and why.
    pub failed: BTreeMap<NetworkInterfaceId, String>,
    /// What was found otherwise than an earlier `apply` had left it, and put right.
    pub repairs: Repairs,
    /// Why there is no way outside, where there should be one.
    pub outside: Option<String>,
}

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

/// An engine that cannot work, or a step that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// This machine lacks what the engine needs.
    #[error("the {engine} network engine cannot run here: {reason}")]
    Unsupported {
        /// The engine.
        engine: EngineKind,
        /// What is missing, and the command that mends it where there is one.
        reason: String,
    },
    /// A system call, a netlink request or a BPF operation failed.
    #[error("{doing}")]
    Kernel {
        /// What was being done, with the names involved: `creating veth tmb3f… in namespace …`.
        doing: String,
        /// What the kernel said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is wanted does not fit a table of the data path; nothing was changed.
    #[error(
        "the table {table} of the data path has room for {capacity} entries, and {needed} are needed"
    )]
    Full {
        /// The table.
        table: String,
        /// How many entries what is wanted takes.
        needed: u64,
        /// How many it can hold.
        capacity: u64,
    },
    /// The engine's thread is gone.
    #[error("the network engine has stopped")]
    Stopped,
}
