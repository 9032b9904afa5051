//! The states of a fleet.
//!
//! ```text
//! NEW ─> DOWNLOADING ─> VALIDATING ─> BUILDING ─> ACTIVATING ─> ACTIVE ─> DELETING ─> TERMINATED
//!   └─────────┴─────────────┴────────────┴────────────┴─> ERROR ────────────┘
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fleet::EventCode;

/// How many terminated fleets of an account in a Region are remembered, with their events and logs, the
/// latest, within the time that they are shown.
pub const MAX_ENDED_FLEETS: usize = 100;

/// The status of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FleetStatus {
    /// Asked for.
    New,
    /// The build is being fetched to the instance.
    Downloading,
    /// The runtime configuration is being validated against the build's files.
    Validating,
    /// The instance is being made.
    Building,
    /// The server processes are being started, and the peering asked for with the fleet is made.
    Activating,
    /// The server processes run.
    Active,
    /// It could not be made; the events say why.
    Error,
    /// DeleteFleet was accepted; everything is being taken away.
    Deleting,
    /// Nothing is left of it.
    Terminated,
}

/// A step that a fleet's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fleet that is {from} cannot become {to}")]
pub struct InvalidFleetStep {
    /// Where it stands.
    pub from: FleetStatus,
    /// Where it cannot go.
    pub to: FleetStatus,
}

impl FleetStatus {
    /// Every status that there is.
    pub const ALL: [FleetStatus; 9] = [
        FleetStatus::New,
        FleetStatus::Downloading,
        FleetStatus::Validating,
        FleetStatus::Building,
        FleetStatus::Activating,
        FleetStatus::Active,
        FleetStatus::Error,
        FleetStatus::Deleting,
        FleetStatus::Terminated,
    ];

    /// The status after this one on the way to `ACTIVE`.
    pub fn next_towards_active(self) -> Option<FleetStatus> {
        Some(match self {
            FleetStatus::New => FleetStatus::Downloading,
            FleetStatus::Downloading => FleetStatus::Validating,
            FleetStatus::Validating => FleetStatus::Building,
            FleetStatus::Building => FleetStatus::Activating,
            FleetStatus::Activating => FleetStatus::Active,
            _ => return None,
        })
    }

    /// Whether the fleet is on its way to `ACTIVE`.
    pub fn is_starting(self) -> bool {
        self.next_towards_active().is_some()
    }

    /// Whether its server processes should be running (or be about to).
    pub fn has_instances(self) -> bool {
        matches!(
            self,
            FleetStatus::Building | FleetStatus::Activating | FleetStatus::Active
        )
    }

    /// Whether DeleteFleet is accepted: GameLift deletes a fleet that is ACTIVE or ERROR. One on
    /// its way can be deleted here too, so that a fleet that never becomes ACTIVE can be removed.
    pub fn can_delete(self) -> bool {
        !self.has_ended()
    }

    /// Whether DeleteFleet was accepted: nothing of it can be changed any more.
    pub fn has_ended(self) -> bool {
        matches!(self, FleetStatus::Deleting | FleetStatus::Terminated)
    }

    /// Whether it has instances, or will have: the number of them, and who reaches them, can be
    /// changed. GameLift has it so of an ACTIVE fleet only.
    pub fn can_scale(self) -> bool {
        self.is_starting() || self == FleetStatus::Active
    }

    /// Whether a peering connection can be made to it.
    pub fn can_peer(self) -> bool {
        self.is_starting() || self == FleetStatus::Active
    }

    /// Whether a connection that was asked for together with the fleet is made now: as AWS has it,
    /// not before the fleet is otherwise ready to become active.
    pub fn is_ready_for_peering(self) -> bool {
        matches!(self, FleetStatus::Activating | FleetStatus::Active)
    }

    /// `Ok(to)` if a fleet may go from here to there.
    pub fn to(self, to: FleetStatus) -> Result<FleetStatus, InvalidFleetStep> {
        let allowed = match to {
            FleetStatus::Error => self.is_starting(),
            FleetStatus::Deleting => self.can_delete(),
            FleetStatus::Terminated => self == FleetStatus::Deleting,
            to => self.next_towards_active() == Some(to),
        };
        if allowed {
            Ok(to)
        } else {
            Err(InvalidFleetStep { from: self, to })
        }
    }

    /// The event that says that a fleet reached this status.
    pub fn event(self) -> EventCode {
        match self {
            FleetStatus::New => EventCode::FleetCreated,
            FleetStatus::Downloading => EventCode::FleetStateDownloading,
            FleetStatus::Validating => EventCode::FleetStateValidating,
            FleetStatus::Building => EventCode::FleetStateBuilding,
            FleetStatus::Activating => EventCode::FleetStateActivating,
            FleetStatus::Active => EventCode::FleetStateActive,
            FleetStatus::Error => EventCode::FleetStateError,
            FleetStatus::Deleting => EventCode::GenericEvent,
            FleetStatus::Terminated => EventCode::FleetDeleted,
        }
    }

    /// As GameLift's API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            FleetStatus::New => "NEW",
            FleetStatus::Downloading => "DOWNLOADING",
            FleetStatus::Validating => "VALIDATING",
            FleetStatus::Building => "BUILDING",
            FleetStatus::Activating => "ACTIVATING",
            FleetStatus::Active => "ACTIVE",
            FleetStatus::Error => "ERROR",
            FleetStatus::Deleting => "DELETING",
            FleetStatus::Terminated => "TERMINATED",
        }
    }
}

impl fmt::Display for FleetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
