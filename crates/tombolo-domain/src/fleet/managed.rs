//! Fleets whose instances Tombolo runs.

use serde::{Deserialize, Serialize};

use super::{Capacity, InboundPermission, RuntimeConfiguration};
use crate::id::{BuildId, VpcId, VpcPeeringConnectionId};

/// What the instances of a fleet are, and how many there may be: ComputeType EC2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedCompute {
    /// The build that they run.
    pub build: BuildId,
    /// The server processes of each instance.
    pub runtime: RuntimeConfiguration,
    /// The fleet's VPC.
    pub vpc: VpcId,
    /// The instance type, which is shown and has no meaning here.
    pub instance_type: String,
    /// The peering that CreateFleet asked for together with the fleet: both succeed, or both
    /// fail.
    pub peering: Option<VpcPeeringConnectionId>,
    /// How many instances there are to be.
    #[serde(default)]
    pub capacity: Capacity,
    /// EC2InboundPermissions: which players reach which ports of the instances.
    #[serde(default)]
    pub inbound_permissions: Vec<InboundPermission>,
    /// Whether instances may open connections to addresses outside of every VPC.
    #[serde(default)]
    pub internet: bool,
    /// Whether StopFleetActions has stopped AUTO_SCALING: scaling policies change nothing.
    #[serde(default)]
    pub scaling_is_stopped: bool,
}
