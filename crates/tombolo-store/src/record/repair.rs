//! Repairs of the network.

use tombolo_domain::id::{EventId, HostId};
use tombolo_domain::{Timestamp, repair};

use super::Record;

/// Repairs had no host.
pub(crate) mod v1 {
    use super::*;

    #[derive(serde::Deserialize)]
    pub(crate) struct RepairRecord {
        pub(crate) id: EventId,
        pub(crate) at: Timestamp,
        pub(crate) kind: String,
        pub(crate) found: String,
    }
}

pub(crate) mod v2 {
    use super::*;

    record! {
        struct RepairRecord of repair::RepairRecord {
            id: EventId,
            host: Option<HostId>,
            at: Timestamp,
            kind: String,
            found: String,
        }
    }

    impl Record for RepairRecord {
        type Previous = v1::RepairRecord;

        fn migrate(previous: v1::RepairRecord) -> Self {
            RepairRecord {
                id: previous.id,
                host: None,
                at: previous.at,
                kind: previous.kind,
                found: previous.found,
            }
        }
    }
}
