//! Fleets, their scaling policies and what happened to them.

pub(crate) mod v1 {
    use ipnet::Ipv4Net;
    use tombolo_domain::id::{BuildId, EventId, FleetId, VpcId, VpcPeeringConnectionId};
    use tombolo_domain::{Timestamp, fleet};

    use crate::record::build::v1::OperatingSystem;
    use crate::record::scope::v1::Scope;

    record! {
        struct Fleet of fleet::Fleet {
            scope: Scope,
            id: FleetId,
            name: String,
            description: Option<String>,
            compute: Compute,
            status: FleetStatus,
            created: Timestamp,
            terminated: Option<Timestamp>,
            shown: ShownAttributes,
        }

        #[serde(rename_all = "snake_case")]
        enum Compute of fleet::Compute {
            Managed(compute: Box<ManagedCompute>),
            Anywhere,
        }

        struct ManagedCompute of fleet::ManagedCompute {
            build: BuildId,
            runtime: RuntimeConfiguration,
            vpc: VpcId,
            instance_type: String,
            peering: Option<VpcPeeringConnectionId>,
            #[serde(default)]
            capacity: Capacity,
            #[serde(default)]
            inbound_permissions: Vec<InboundPermission>,
            #[serde(default)]
            internet: bool,
            #[serde(default)]
            scaling_is_stopped: bool,
        }

        struct RuntimeConfiguration of fleet::RuntimeConfiguration {
            server_processes: Vec<ServerProcess>,
        }

        struct ServerProcess of fleet::ServerProcess {
            launch_path: String,
            parameters: Option<String>,
            concurrent_executions: u32,
        }

        struct Capacity of fleet::Capacity {
            desired: u32,
            minimum: u32,
            maximum: u32,
        }

        struct InboundPermission of fleet::InboundPermission {
            from_port: u16,
            to_port: u16,
            range: Ipv4Net,
            protocol: TransportProtocol,
        }

        #[serde(rename_all = "UPPERCASE")]
        enum TransportProtocol of fleet::TransportProtocol {
            Tcp,
            Udp,
        }

        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        enum FleetStatus of fleet::FleetStatus {
            New,
            Downloading,
            Validating,
            Building,
            Activating,
            Active,
            Error,
            Deleting,
            Terminated,
        }

        struct ShownAttributes of fleet::ShownAttributes {
            fleet_type: Option<String>,
            metric_groups: Vec<String>,
            new_game_session_protection_policy: Option<String>,
            resource_creation_limit: Option<ResourceCreationLimit>,
            log_paths: Vec<String>,
            server_launch_path: Option<String>,
            server_launch_parameters: Option<String>,
            certificate_type: Option<String>,
            operating_system: Option<OperatingSystem>,
            locations: Vec<String>,
            anywhere_cost: Option<String>,
            #[serde(default)]
            concurrent_activations: Option<u64>,
            #[serde(default)]
            activation_timeout_seconds: Option<u64>,
        }

        struct ResourceCreationLimit of fleet::ResourceCreationLimit {
            new_game_sessions_per_creator: Option<u64>,
            policy_period_in_minutes: Option<u64>,
        }

        struct ScalingPolicy of fleet::ScalingPolicy {
            scope: Scope,
            fleet: FleetId,
            name: String,
            target: f64,
        }

        struct FleetEvent of fleet::FleetEvent {
            scope: Scope,
            fleet: FleetId,
            id: EventId,
            code: EventCode,
            message: String,
            at: Timestamp,
        }

        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        enum EventCode of fleet::EventCode {
            GenericEvent,
            FleetCreated,
            FleetDeleted,
            FleetStateDownloading,
            FleetStateValidating,
            FleetStateBuilding,
            FleetStateActivating,
            FleetStateActive,
            FleetStateError,
            FleetScalingEvent,
            FleetCreationExtractingBuild,
            FleetCreationRunningInstaller,
            FleetCreationCompletedInstaller,
            FleetCreationFailedInstaller,
            FleetCreationValidatingRuntimeConfig,
            FleetInitializationFailed,
            FleetBinaryDownloadFailed,
            FleetValidationLaunchPathNotFound,
            FleetValidationExecutableRuntimeFailure,
            FleetActivationFailed,
            ServerProcessInvalidPath,
            ServerProcessCrashed,
            ServerProcessForceTerminated,
            InstanceRecycled,
            InstanceReplacedUnhealthy,
            FleetNewGameSessionProtectionPolicyUpdated,
            FleetVpcPeeringSucceeded,
            FleetVpcPeeringFailed,
            FleetVpcPeeringDeleted,
        }
    }

    impl Default for Capacity {
        /// That of fleets that were made when each had one instance.
        fn default() -> Self {
            Capacity {
                desired: 1,
                minimum: 0,
                maximum: 1,
            }
        }
    }
}
