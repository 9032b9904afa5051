//! What happened to a fleet: DescribeFleetEvents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Scope;
use crate::id::{EventId, FleetId, IdSource};

/// How many events of a fleet are kept, the newest: a month of a fleet that runs well, and bounded
/// whatever crashes.
pub const MAX_FLEET_EVENTS: usize = 1_000;

/// The most characters of an event's message.
pub const MAX_MESSAGE: usize = 1024;

/// One event. Events are never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetEvent {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// The id.
    pub id: EventId,
    /// What kind of thing happened.
    pub code: EventCode,
    /// What happened, with the values, and what to do about it; at most [`MAX_MESSAGE`]
    /// characters.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

impl FleetEvent {
    /// A new event.
    pub fn new(
        scope: Scope,
        fleet: FleetId,
        code: EventCode,
        message: impl Into<String>,
        at: Timestamp,
        ids: &dyn IdSource,
    ) -> Self {
        let mut message: String = message.into();
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
        }
        FleetEvent {
            scope,
            fleet,
            id: EventId::generate(ids),
            code,
            message,
            at,
        }
    }
}

macro_rules! event_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The codes of GameLift's EventCode that Tombolo uses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl EventCode {
            /// As GameLift's API writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(EventCode::$name => $code,)*
                }
            }
        }
    };
}

event_codes! {
    /// Something that no other code stands for.
    GenericEvent = "GENERIC_EVENT",
    /// The fleet was asked for.
    FleetCreated = "FLEET_CREATED",
    /// The fleet is gone.
    FleetDeleted = "FLEET_DELETED",
    /// NEW to DOWNLOADING.
    FleetStateDownloading = "FLEET_STATE_DOWNLOADING",
    /// DOWNLOADING to VALIDATING.
    FleetStateValidating = "FLEET_STATE_VALIDATING",
    /// VALIDATING to BUILDING.
    FleetStateBuilding = "FLEET_STATE_BUILDING",
    /// BUILDING to ACTIVATING.
    FleetStateActivating = "FLEET_STATE_ACTIVATING",
    /// ACTIVATING to ACTIVE.
    FleetStateActive = "FLEET_STATE_ACTIVE",
    /// To ERROR.
    FleetStateError = "FLEET_STATE_ERROR",
    /// The number of instances that the fleet is to have changed.
    FleetScalingEvent = "FLEET_SCALING_EVENT",
    /// The build's files are being laid out for the fleet.
    FleetCreationExtractingBuild = "FLEET_CREATION_EXTRACTING_BUILD",
    /// The build's `install.sh` is being run.
    FleetCreationRunningInstaller = "FLEET_CREATION_RUNNING_INSTALLER",
    /// It ended well.
    FleetCreationCompletedInstaller = "FLEET_CREATION_COMPLETED_INSTALLER",
    /// It failed.
    FleetCreationFailedInstaller = "FLEET_CREATION_FAILED_INSTALLER",
    /// The runtime configuration is being validated against the build's files.
    FleetCreationValidatingRuntimeConfig = "FLEET_CREATION_VALIDATING_RUNTIME_CONFIG",
    /// The instance could not be made.
    FleetInitializationFailed = "FLEET_INITIALIZATION_FAILED",
    /// The build's files are not there.
    FleetBinaryDownloadFailed = "FLEET_BINARY_DOWNLOAD_FAILED",
    /// A launch path of the runtime configuration is not in the build.
    FleetValidationLaunchPathNotFound = "FLEET_VALIDATION_LAUNCH_PATH_NOT_FOUND",
    /// A launch path is there and cannot be run.
    FleetValidationExecutableRuntimeFailure = "FLEET_VALIDATION_EXECUTABLE_RUNTIME_FAILURE",
    /// The fleet failed to become active.
    FleetActivationFailed = "FLEET_ACTIVATION_FAILED",
    /// A launch path of a runtime configuration that was changed later is not in the build.
    ServerProcessInvalidPath = "SERVER_PROCESS_INVALID_PATH",
    /// A server process ended by itself.
    ServerProcessCrashed = "SERVER_PROCESS_CRASHED",
    /// A server process did not end when asked and was killed.
    ServerProcessForceTerminated = "SERVER_PROCESS_FORCE_TERMINATED",
    /// An instance had ended and was started again.
    InstanceRecycled = "INSTANCE_RECYCLED",
    /// An instance that did not come up was replaced by another.
    InstanceReplacedUnhealthy = "INSTANCE_REPLACED_UNHEALTHY",
    /// NewGameSessionProtectionPolicy was changed.
    FleetNewGameSessionProtectionPolicyUpdated = "FLEET_NEW_GAME_SESSION_PROTECTION_POLICY_UPDATED",
    /// A peering connection is active.
    FleetVpcPeeringSucceeded = "FLEET_VPC_PEERING_SUCCEEDED",
    /// A peering connection failed.
    FleetVpcPeeringFailed = "FLEET_VPC_PEERING_FAILED",
    /// A peering connection is gone.
    FleetVpcPeeringDeleted = "FLEET_VPC_PEERING_DELETED",
}
