//! Repairs of the network.

pub(crate) mod v1 {
    use tombolo_domain::id::EventId;
    use tombolo_domain::{Timestamp, repair};

    record! {
        struct RepairRecord of repair::RepairRecord {
            id: EventId,
            at: Timestamp,
            kind: String,
            found: String,
        }
    }
}
