//! How many instances a fleet has, and who decides it.

use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::FleetId;

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
