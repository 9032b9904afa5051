//! Fleets, what they run, and what happened to them.

mod attributes;
mod build;
mod capacity;
mod event;
pub mod inbound;
mod instance;
pub mod log_paths;
mod managed;
mod ports;
mod public;
mod runtime;
mod scaling;
mod status;

use jiff::Timestamp;

use crate::Scope;
use crate::id::{FleetId, VpcId};

pub use attributes::{ResourceCreationLimit, ShownAttributes};
pub use build::{Build, BuildLabel, BuildSource, BuildStatus, InvalidBuildLabel, OperatingSystem};
pub use capacity::{Capacity, MAX_INSTANCES, ScalingPolicy, Standing, surplus};
pub use event::{EventCode, FleetEvent, MAX_FLEET_EVENTS, MAX_MESSAGE};
pub use inbound::{InboundPermission, TransportProtocol};
pub use instance::{Instance, InstanceStatus, MappedPort};
pub use managed::ManagedCompute;
pub use ports::{NoFreePort, NoFreePortReason, PortPool, ReachedAt, are_mapped};
pub use public::{NoPorts, PublicAddress, PublicPorts};
pub use runtime::{GAME_ROOT, MAX_PROCESSES, RuntimeConfiguration, RuntimeError, ServerProcess};
pub use scaling::{Load, SCALE_IN_AFTER, Scaler, needed};
pub use status::{FleetStatus, InvalidFleetStep, MAX_ENDED_FLEETS};

/// A fleet: instances in a hidden VPC of its own that run one build.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compute {
    /// Instances that Tombolo runs, in a VPC of the fleet's own: ComputeType EC2.
    Managed(Box<ManagedCompute>),
    /// Machines that the account registers itself: ComputeType ANYWHERE. Such a fleet has no VPC
    /// and cannot be peered.
    Anywhere,
}

impl Fleet {
    /// The fleet's VPC, if it is of a kind that has one.
    pub fn vpc(&self) -> Option<&VpcId> {
        self.managed().map(|managed| &managed.vpc)
    }

    /// What its instances are, if Tombolo runs them.
    pub fn managed(&self) -> Option<&ManagedCompute> {
        match &self.compute {
            Compute::Managed(managed) => Some(managed),
            Compute::Anywhere => None,
        }
    }
    /// The same, to be changed.
    pub fn managed_mut(&mut self) -> Option<&mut ManagedCompute> {
        match &mut self.compute {
            Compute::Managed(managed) => Some(managed),
            Compute::Anywhere => None,
        }
    }
}
