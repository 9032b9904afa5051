//! Fleets, what they run, and what happened to them.

mod attributes;
mod build;
mod event;
mod runtime;
mod status;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{BuildId, FleetId, InstanceId, NetworkInterfaceId, VpcId, VpcPeeringConnectionId};

pub use attributes::{
    InboundPermission, ResourceCreationLimit, ShownAttributes, TransportProtocol,
};
pub use build::{Build, BuildStatus, OperatingSystem};
pub use event::{EventCode, FleetEvent, MAX_MESSAGE};
pub use runtime::{GAME_ROOT, MAX_PROCESSES, RuntimeConfiguration, RuntimeError, ServerProcess};
pub use status::{FleetStatus, InvalidFleetStep};

/// A fleet: instances in a hidden VPC of its own that run one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// The owner.
    pub scope: Scope,
    /// The id.
    pub id: FleetId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// On what its processes run.
    pub compute: Compute,
    /// Where it stands.
    pub status: FleetStatus,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it reached `TERMINATED`.
    pub terminated: Option<Timestamp>,
    /// What was asked for and is only shown again.
    pub shown: ShownAttributes,
}

/// On what a fleet's server processes run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compute {
    /// Instances that Tombolo runs, in a VPC of the fleet's own: ComputeType EC2.
    Managed {
        /// The build that they run.
        build: BuildId,
        /// The server processes of each instance.
        runtime: RuntimeConfiguration,
        /// The fleet's VPC.
        vpc: VpcId,
        /// The instance type, which is shown and has no meaning here.
        instance_type: String,
        /// The peering that CreateFleet asked for together with the fleet: both succeed, or both
        /// fail.
        peering: Option<VpcPeeringConnectionId>,
    },
    /// Machines that the account registers itself: ComputeType ANYWHERE. Such a fleet has no VPC
    /// and cannot be peered.
    Anywhere,
}

/// One instance of a fleet: namespaces on this machine, with a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// The id.
    pub id: InstanceId,
    /// Its interface in the fleet's VPC.
    pub interface: NetworkInterfaceId,
    /// Which run of its supervisor the number in `seen` counts in; none before the first.
    pub supervisor: Option<String>,
    /// The last event of that run that has become a fleet event: the next to ask for is the one
    /// after.
    pub seen: u64,
    /// Whether all its server processes have been seen to run.
    pub running: bool,
    /// When it was made.
    pub created: Timestamp,
}

impl Fleet {
    /// The fleet's VPC, if it is of a kind that has one.
    pub fn vpc(&self) -> Option<&VpcId> {
        match &self.compute {
            Compute::Managed { vpc, .. } => Some(vpc),
            Compute::Anywhere => None,
        }
    }
}
