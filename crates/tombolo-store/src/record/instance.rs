//! Instances of fleets, and the ports that lead to them.

use tombolo_domain::id::{FleetId, HostId, InstanceId, NetworkInterfaceId};
use tombolo_domain::{Timestamp, fleet};

use super::Record;
use crate::record::fleet::v1::TransportProtocol;
use crate::record::reported::v1::EventPosition;
use crate::record::scope::v1::Scope;
use crate::reference;

/// Instances had no host, and what their supervisors had reported was theirs.
pub(crate) mod v1 {
    use super::*;

    #[derive(serde::Deserialize)]
    pub(crate) struct Instance {
        pub(crate) scope: Scope,
        pub(crate) fleet: FleetId,
        pub(crate) id: InstanceId,
        #[serde(default)]
        pub(crate) number: u32,
        pub(crate) interface: NetworkInterfaceId,
        #[serde(default)]
        pub(crate) ports: Vec<MappedPort>,
        pub(crate) supervisor: Option<String>,
        pub(crate) seen: u64,
        pub(crate) running: bool,
        #[serde(default)]
        pub(crate) active_processes: u32,
        #[serde(default)]
        pub(crate) ending: bool,
        pub(crate) created: Timestamp,
    }

    record! {
        struct MappedPort of fleet::MappedPort {
            protocol: TransportProtocol,
            port: u16,
            public_port: u16,
        }

        struct InstanceRef of reference::InstanceRef {
            scope: Scope,
            fleet: FleetId,
            instance: InstanceId,
        }
    }
}

pub(crate) mod v2 {
    use super::*;

    record! {
        struct Instance of fleet::Instance {
            scope: Scope,
            fleet: FleetId,
            id: InstanceId,
            host: Option<HostId>,
            number: u32,
            interface: NetworkInterfaceId,
            ports: Vec<v1::MappedPort>,
            running: bool,
            active_processes: u32,
            ending: bool,
            earlier_position: Option<EventPosition>,
            created: Timestamp,
        }
    }

    impl Record for Instance {
        type Previous = v1::Instance;

        fn migrate(previous: v1::Instance) -> Self {
            let position = |incarnation| EventPosition {
                incarnation,
                number: previous.seen,
            };
            Instance {
                scope: previous.scope,
                fleet: previous.fleet,
                id: previous.id,
                host: None,
                number: previous.number,
                interface: previous.interface,
                ports: previous.ports,
                running: previous.running,
                active_processes: previous.active_processes,
                ending: previous.ending,
                earlier_position: previous.supervisor.map(position),
                created: previous.created,
            }
        }
    }
}
