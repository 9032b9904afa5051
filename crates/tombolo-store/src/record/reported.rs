//! What hosts have reported.

pub(crate) mod v1 {
    use tombolo_domain::id::{BootId, BuildId, FleetId, HostId, InstanceId};
    use tombolo_domain::reported;

    use crate::record::fleet::v1::{EventCode, FleetStatus};
    use crate::record::scope::v1::Scope;

    record! {
        struct ReportedHost of reported::ReportedHost {
            id: HostId,
            label: String,
            boot: BootId,
        }

        struct ReportedNetwork of reported::ReportedNetwork {
            host: HostId,
            revision: u64,
            refused: Option<TableFull>,
        }

        struct TableFull of reported::TableFull {
            table: String,
            capacity: u64,
        }

        struct ReportedFleet of reported::ReportedFleet {
            scope: Scope,
            fleet: FleetId,
            host: HostId,
            progress: FleetProgress,
        }

        #[serde(rename_all = "snake_case")]
        enum FleetProgress of reported::FleetProgress {
            Downloaded,
            Validated,
            Installing,
            Built { installed: bool },
            Connected,
            Failed { during: FleetStatus, code: EventCode, message: String },
        }

        struct ReportedInstance of reported::ReportedInstance {
            scope: Scope,
            fleet: FleetId,
            instance: InstanceId,
            host: HostId,
            last_event: EventPosition,
            running: bool,
            active_processes: u32,
        }

        struct EventPosition of reported::EventPosition {
            incarnation: String,
            number: u64,
        }

        struct ReportedBuild of reported::ReportedBuild {
            scope: Scope,
            build: BuildId,
            host: HostId,
            outcome: UnpackOutcome,
        }

        #[serde(rename_all = "snake_case")]
        enum UnpackOutcome of reported::UnpackOutcome {
            Unpacked { size_bytes: u64 },
            Failed { reason: String },
            Refused { reason: String },
        }
    }
}
