//! What the engine found changed behind its back and put right, as it is reported.

use tombolo_controller::Repaired;
use tombolo_network::{RepairKind, Repairs};

/// What those are called of which an engine tells only how many there were.
const UNLISTED: &str = "unlisted";

/// The repairs of one round.
pub(super) fn reported(repairs: &Repairs) -> Vec<Repaired> {
    let listed = repairs.listed.iter().map(|repair| Repaired {
        kind: kind(&repair.what),
        found: repair.found.clone(),
        count: 1,
    });
    let mut reported: Vec<_> = listed.collect();
    if repairs.unlisted > 0 {
        reported.push(Repaired {
            kind: UNLISTED,
            found: format!("{} more things in the same moment", repairs.unlisted),
            count: repairs.unlisted as u64,
        });
    }
    reported
}

/// The word for a kind, as it is in JSON. Which table an entry was of, the sentence says.
fn kind(kind: &RepairKind) -> &'static str {
    match kind {
        RepairKind::Everything => "everything",
        RepairKind::CoreNamespace => "core-namespace",
        RepairKind::FileSystem => "file-system",
        RepairKind::Namespace => "namespace",
        RepairKind::Interface => "interface",
        RepairKind::Attachment => "attachment",
        RepairKind::Uplink => "uplink",
        RepairKind::MapEntry(_) => "map-entry",
    }
}
