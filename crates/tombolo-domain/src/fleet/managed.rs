//! Fleets whose instances Tombolo runs.

use super::{Capacity, InboundPermission, RuntimeConfiguration};
use crate::id::{BuildId, VpcId, VpcPeeringConnectionId};

/// What the instances of a fleet are, and how many there may be: ComputeType EC2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedCompute {
    /// The build that they run.
    pub build: BuildId,
    /// The server processes of each instance.
    pub runtime: RuntimeConfiguration,
    /// The fleet's VPC.
    pub vpc: VpcId,
    /// The instance type, which is returned by operations and has no effect.
    pub instance_type: String,
    /// The peering that CreateFleet asked for together with the fleet: both succeed, or both
    /// fail.
    pub peering: Option<VpcPeeringConnectionId>,
    /// How many instances there are to be.
    pub capacity: Capacity,
    /// EC2InboundPermissions: which players reach which ports of the instances.
    pub inbound_permissions: Vec<InboundPermission>,
    /// Whether instances may open connections to addresses outside of every VPC.
    pub internet: bool,
    /// Whether StopFleetActions has stopped AUTO_SCALING: scaling policies change nothing.
    pub scaling_is_stopped: bool,
}
