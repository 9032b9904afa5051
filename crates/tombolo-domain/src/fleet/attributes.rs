//! What CreateFleet took and only gives back.

use super::OperatingSystem;

/// Attributes that DescribeFleetAttributes and its kin give back as CreateFleet took them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownAttributes {
    /// ON_DEMAND or SPOT.
    pub fleet_type: Option<String>,
    /// Groups of metrics; `default` if none were named.
    pub metric_groups: Vec<String>,
    /// NoProtection or FullProtection.
    pub new_game_session_protection_policy: Option<String>,
    /// How many game sessions one player may create in a time.
    pub resource_creation_limit: Option<ResourceCreationLimit>,
    /// LogPaths.
    pub log_paths: Vec<String>,
    /// The older form of RuntimeConfiguration's only launch path.
    pub server_launch_path: Option<String>,
    /// Its parameters.
    pub server_launch_parameters: Option<String>,
    /// CertificateType of CertificateConfiguration.
    pub certificate_type: Option<String>,
    /// The build's, so that it outlives the build.
    pub operating_system: Option<OperatingSystem>,
    /// The custom locations of an ANYWHERE fleet.
    pub locations: Vec<String>,
    /// Cost of AnywhereConfiguration, in US dollars an hour, as it was written.
    pub anywhere_cost: Option<String>,
    /// MaxConcurrentGameSessionActivations of RuntimeConfiguration.
    pub concurrent_activations: Option<u64>,
    /// Its GameSessionActivationTimeoutSeconds.
    pub activation_timeout_seconds: Option<u64>,
}

/// ResourceCreationLimitPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceCreationLimit {
    /// The most game sessions of one player within the period.
    pub new_game_sessions_per_creator: Option<u64>,
    /// The period, in minutes.
    pub policy_period_in_minutes: Option<u64>,
}
