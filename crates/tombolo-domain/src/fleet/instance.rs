//! The instances of a fleet.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::TransportProtocol;
use crate::Scope;
use crate::id::{FleetId, HostId, InstanceId, NetworkInterfaceId};
use crate::reported::EventPosition;

/// One instance of a fleet: namespaces on its host, with a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// The id.
    pub id: InstanceId,
    /// The host that it is placed on, for life; none if it was made before hosts had ids, by the host
    /// whose data directory it is in.
    pub host: Option<HostId>,
    /// A number that no other instance of this server has: the users that its server processes run
    /// as are counted from it.
    pub number: u32,
    /// Its interface in the fleet's VPC.
    pub interface: NetworkInterfaceId,
    /// How players reach it.
    pub ports: Vec<MappedPort>,
    /// Whether all its server processes have been seen to run.
    pub running: bool,
    /// How many of its server processes run, as its supervisor last said.
    pub active_processes: u32,
    /// Whether it is being taken away.
    pub ending: bool,
    /// The last event of its supervisor, from when that was kept here: its host's
    /// [report](crate::reported::ReportedInstance) has it since, and this is then none.
    pub earlier_position: Option<EventPosition>,
    /// When it was made.
    pub created: Timestamp,
}

impl Instance {
    /// Whether it is placed on `host`, which is the one of this data directory.
    pub fn is_on(&self, host: &HostId) -> bool {
        self.host.as_ref().is_none_or(|own| own == host)
    }

    /// Where it stands.
    pub fn status(&self) -> InstanceStatus {
        match (self.ending, self.running) {
            (true, _) => InstanceStatus::Terminating,
            (false, true) => InstanceStatus::Active,
            (false, false) => InstanceStatus::Pending,
        }
    }
}

/// GameLift's InstanceStatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    /// It is being made, or its server processes have yet to run.
    Pending,
    /// All its server processes have run.
    Active,
    /// It is being taken away.
    Terminating,
}

impl InstanceStatus {
    /// Every status that there is.
    pub const ALL: [InstanceStatus; 3] = [
        InstanceStatus::Pending,
        InstanceStatus::Active,
        InstanceStatus::Terminating,
    ];

    /// As GameLift's API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            InstanceStatus::Pending => "PENDING",
            InstanceStatus::Active => "ACTIVE",
            InstanceStatus::Terminating => "TERMINATING",
        }
    }
}

impl fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A port of an instance that players reach at a port of the server's public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MappedPort {
    /// TCP or UDP.
    pub protocol: TransportProtocol,
    /// The instance's port, which server processes listen on.
    pub port: u16,
    /// The port of the public address.
    pub public_port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetStatus;

    /// A status that is added must be added to `ALL`, too: the matches say so.
    #[test]
    fn all_statuses_are_listed_once() {
        let numbers = InstanceStatus::ALL.map(|status| match status {
            InstanceStatus::Pending => 0,
            InstanceStatus::Active => 1,
            InstanceStatus::Terminating => 2,
        });
        assert_eq!(numbers, [0, 1, 2]);
        let numbers = FleetStatus::ALL.map(|status| match status {
            FleetStatus::New => 0,
            FleetStatus::Downloading => 1,
            FleetStatus::Validating => 2,
            FleetStatus::Building => 3,
            FleetStatus::Activating => 4,
            FleetStatus::Active => 5,
            FleetStatus::Error => 6,
            FleetStatus::Deleting => 7,
            FleetStatus::Terminated => 8,
        });
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
