//! What the network does: the way of a packet, traffic, flows and repairs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{
    AccountId, NetworkInterfaceId, Region, SubnetId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::trace::{Packet, Trace};
use tombolo_network::{Counters, EngineKind, FlowRecord};

/// Can this interface reach that address?
#[derive(Debug, Serialize, Deserialize)]
pub struct TracePath {
    /// Who sends.
    pub from: Sender,
    /// The VPC of the sender, where its address alone does not tell.
    pub vpc: Option<VpcId>,
    /// To which address.
    pub to: Ipv4Addr,
    /// What.
    pub packet: Packet,
}

/// How a sender is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// By its interface.
    Interface(NetworkInterfaceId),
    /// By its address.
    Address(Ipv4Addr),
}

/// What should become of a packet, and what the data path says.
#[derive(Debug, Serialize, Deserialize)]
pub struct TracedPath {
    /// Whether packets flow at all.
    pub network: EngineKind,
    /// Who sends.
    pub source: InterfaceDescription,
    /// The path, by what is stored.
    pub trace: Trace,
    /// Where the data path says otherwise, as a sentence without its full stop. `None`: it agrees.
    pub difference: Option<String>,
    /// The network namespace of the sender's workload, if packets flow.
    pub namespace: Option<PathBuf>,
}

/// A network interface, with who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceDescription {
    /// The id.
    pub id: NetworkInterfaceId,
    /// The owner.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The VPC.
    pub vpc: VpcId,
    /// The subnet.
    pub subnet: SubnetId,
    /// The address.
    pub address: Ipv4Addr,
}

/// Reads what the data path has counted.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadTraffic {}

/// What the data path has counted, and what it is about.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrafficReading {
    /// Whether packets flow at all.
    pub network: EngineKind,
    /// The counts.
    pub counters: Counters,
    /// The interfaces that are attached.
    pub interfaces: BTreeMap<NetworkInterfaceId, InterfaceDescription>,
    /// The peerings that let packets through.
    pub peerings: BTreeMap<VpcPeeringConnectionId, PeeringDescription>,
}

/// Between which VPCs a peering is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringDescription {
    /// The VPC that asked.
    pub requester: VpcId,
    /// The VPC whose owner consented.
    pub accepter: VpcId,
}

/// Lists the repairs, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListRepairs {}

/// Follows flows from now on.
#[derive(Debug, Serialize, Deserialize)]
pub struct FollowFlows {
    /// Only this interface's.
    pub interface: Option<NetworkInterfaceId>,
    /// Only this account's, by name or id.
    pub account: Option<String>,
    /// Only those that were let through, or only the others.
    pub outcome: Option<Outcome>,
}

/// Which flows to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Those that were let through.
    Accepted,
    /// Those that were dropped.
    Rejected,
}

/// One item of the stream of flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowLine {
    /// A record.
    Record {
        /// The interface's owner, if the interface is still there.
        account: Option<AccountId>,
        /// The record.
        #[serde(flatten)]
        record: FlowRecord,
    },
    /// So many records were lost, because the client read too slowly.
    Lost(u64),
}
