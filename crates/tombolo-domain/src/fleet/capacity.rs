//! How many instances a fleet has, and who decides it.

use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{FleetId, InstanceId};

/// The most instances of a fleet: the quota that a new AWS account has for most instance types is
/// lower, and no machine of ours runs more of them well.
pub const MAX_INSTANCES: u32 = 200;

/// How many instances a fleet is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// How many there are to be now.
    pub desired: u32,
    /// The fewest that a scaling policy may ask for.
    pub minimum: u32,
    /// The most that anybody may ask for, at most [`MAX_INSTANCES`].
    pub maximum: u32,
}

impl Default for Capacity {
    /// As GameLift makes a fleet: with one instance.
    fn default() -> Self {
        Capacity {
            desired: 1,
            minimum: 0,
            maximum: 1,
        }
    }
}

/// A target-tracking policy: how large a share of a fleet's server processes is to be available.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScalingPolicy {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// Its name, unique in the fleet.
    pub name: String,
    /// TargetValue: the percentage of server processes that are to be available, above 0 and below
    /// 100.
    pub target: f64,
}

/// The load of an instance, by which scale-in chooses the instances to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'i> {
    /// The instance.
    pub instance: &'i InstanceId,
    /// How many of its server processes have players.
    pub busy: u32,
    /// Its number: later instances have larger ones.
    pub number: u32,
}

/// The instances that go, so that `wanted` are left: those with the fewest busy server processes
/// first, and of these the newest first.
pub fn surplus(mut instances: Vec<Standing<'_>>, wanted: usize) -> Vec<Standing<'_>> {
    let too_many = instances.len().saturating_sub(wanted);
    instances.sort_by(|one, other| {
        let busy = one.busy.cmp(&other.busy);
        busy.then(other.number.cmp(&one.number))
            .then(one.instance.cmp(other.instance))
    });
    instances.truncate(too_many);
    instances
}
