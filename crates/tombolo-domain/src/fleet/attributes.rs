//! What CreateFleet took and only gives back.

use std::fmt;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::OperatingSystem;

/// Attributes that DescribeFleetAttributes and its kin give back as CreateFleet took them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// ResourceCreationLimitPolicy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceCreationLimit {
    /// The most game sessions of one player within the period.
    pub new_game_sessions_per_creator: Option<u64>,
    /// The period, in minutes.
    pub policy_period_in_minutes: Option<u64>,
}

/// Which players reach which ports of a fleet's instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundPermission {
    /// The first port.
    pub from_port: u16,
    /// The last port, not below the first.
    pub to_port: u16,
    /// The players' addresses.
    pub range: Ipv4Net,
    /// TCP or UDP.
    pub protocol: TransportProtocol,
}

/// GameLift's IpProtocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names say it")]
pub enum TransportProtocol {
    Tcp,
    Udp,
}

impl fmt::Display for TransportProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransportProtocol::Tcp => "TCP",
            TransportProtocol::Udp => "UDP",
        })
    }
}
