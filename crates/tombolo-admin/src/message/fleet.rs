//! What a fleet does at the moment.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::fleet::{
    Capacity, EventCode, FleetStatus, InstanceStatus, MappedPort, ScalingPolicy,
};
use tombolo_domain::id::{
    AccountId, BuildId, FleetId, InstanceId, NetworkInterfaceId, VpcId, VpcPeeringConnectionId,
};
use tombolo_network::{EngineKind, InterfaceTraffic, Traffic};

/// Reads what a fleet does.
#[derive(Debug, Serialize, Deserialize)]
pub struct DescribeFleet {
    /// The fleet.
    pub fleet: FleetId,
    /// Only if it is this account's, by name or id.
    pub account: Option<String>,
}

/// What a fleet does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetDescription {
    /// The fleet.
    pub id: FleetId,
    /// The owner.
    pub scope: Scope,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub status: FleetStatus,
    /// What its instances are; `None` if Tombolo runs none.
    pub managed: Option<ManagedFleetDescription>,
    /// Its instances.
    pub instances: Vec<InstanceDescription>,
    /// Its peering connections that are not over, and those that failed.
    pub peerings: Vec<FleetPeeringDescription>,
    /// What happened to it last, the newest first.
    pub events: Vec<FleetEventDescription>,
    /// Whether packets flow at all.
    pub network: EngineKind,
    /// The address at which players reach the instances' ports, if they can.
    pub public_address: Option<Ipv4Addr>,
    /// The machine's time.
    pub now: Timestamp,
}

/// What a fleet's instances are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManagedFleetDescription {
    /// The build.
    pub build: BuildId,
    /// The fleet's VPC.
    pub vpc: VpcId,
    /// How many instances there are to be.
    pub capacity: Capacity,
    /// Its scaling policies.
    pub scaling: Vec<ScalingPolicy>,
    /// Whether they were told to change nothing.
    pub scaling_is_stopped: bool,
}

/// One instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceDescription {
    /// The id.
    pub id: InstanceId,
    /// Where it stands.
    pub status: InstanceStatus,
    /// When it was made.
    pub created: Timestamp,
    /// Its interface.
    pub interface: NetworkInterfaceId,
    /// The interface's address, once it is there.
    pub address: Option<Ipv4Addr>,
    /// How players reach it.
    pub ports: Vec<MappedPort>,
    /// The interface's counters.
    pub traffic: InterfaceTraffic,
    /// What its supervisor tells.
    pub inside: Option<tombolo_fleet::InstanceStatus>,
    /// Why the supervisor tells nothing.
    pub silent: Option<String>,
}

/// One peering connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetPeeringDescription {
    /// The id.
    pub id: VpcPeeringConnectionId,
    /// The VPC that the fleet is joined to.
    pub peer_vpc: VpcId,
    /// Its owner.
    pub peer_account: AccountId,
    /// Its state, in EC2's words.
    pub state: String,
    /// What it carried, both ways together.
    pub traffic: Traffic,
}

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetEventDescription {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub code: EventCode,
    /// What happened.
    pub message: String,
}
