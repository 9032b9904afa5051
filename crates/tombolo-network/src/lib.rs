//! The network that fleets and VPCs live in: one trait, several engines.
//!
//! An engine is given everything that should exist, as one [`Network`] value, and makes it so:
//! [`NetworkEngine::apply`] is level-triggered and can be called again with the same value at any
//! time, which is also how drift is repaired. [`NetworkEngine::change`] comes to the same as an
//! `apply` of the network as it is after the change, and takes time in proportion to the change.
//!
//! **Architecture invariant:** an engine knows VPCs by their number, interfaces, peerings and
//! routes, and nothing of accounts, authorizations or fleets.

mod counters;
mod difference;
mod drop_reason;
pub mod ebpf;
mod engine;
mod flow;
mod indexed_network;
mod live;
mod network;
mod network_change;
mod outside;
mod repair;
mod rules;
mod simulated;
mod tables;
mod verdict;

pub use counters::{Counters, InterfaceTraffic, TableUsage, Traffic, TrafficCounters};
pub use drop_reason::DropReason;
pub use engine::{Applied, EngineError, EngineKind, NetworkEngine};
pub use flow::{FlowDirection, FlowEvent, FlowOutcome, FlowRecord, FlowRecords};
pub use network::{
    IcmpMessages, Interface, MAX_GROUPS, MAX_MTU, MIN_MTU, MacAddress, MappedPort, Network,
    Outside, Peering, PeeringEnd, PortRange, Protocol, Route, RouteTable, RouteTableNumber, Rule,
    RuleDirection, RulePeer, SecurityGroup, SecurityGroupNumber, ShareGroup, Subnet,
    TransportProtocol, Vpc, VpcNumber,
};
pub use network_change::NetworkChange;
pub use outside::OutsideConfig;
pub use repair::{Repair, RepairKind, Repairs};
pub use simulated::SimulatedEngine;
pub use verdict::{Packet, Transport, Verdict};
