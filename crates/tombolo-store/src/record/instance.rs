//! Instances of fleets, and the ports that lead to them.

pub(crate) mod v1 {
    use tombolo_domain::id::{FleetId, InstanceId, NetworkInterfaceId};
    use tombolo_domain::{Timestamp, fleet};

    use crate::keys;
    use crate::record::fleet::v1::TransportProtocol;
    use crate::record::scope::v1::Scope;

    record! {
        struct Instance of fleet::Instance {
            scope: Scope,
            fleet: FleetId,
            id: InstanceId,
            #[serde(default)]
            number: u32,
            interface: NetworkInterfaceId,
            #[serde(default)]
            ports: Vec<MappedPort>,
            supervisor: Option<String>,
            seen: u64,
            running: bool,
            #[serde(default)]
            active_processes: u32,
            #[serde(default)]
            ending: bool,
            created: Timestamp,
        }

        struct MappedPort of fleet::MappedPort {
            protocol: TransportProtocol,
            port: u16,
            public_port: u16,
        }

        struct InstanceRef of keys::InstanceRef {
            scope: Scope,
            fleet: FleetId,
            instance: InstanceId,
        }
    }
}
