//! What the engine found changed behind its back and put right, written down for the operator.

use tombolo_domain::id::EventId;
use tombolo_domain::repair::{KEPT, RepairRecord};
use tombolo_network::{RepairKind, Repairs};
use tombolo_store::keys::Stored;
use tombolo_store::{StoreError, keys};

use crate::Context;
use crate::transact::transact;

/// What those are called of which an engine tells only how many there were.
const UNLISTED: &str = "unlisted";

/// Writes and counts the repairs of one round, and forgets the oldest ones.
pub(super) async fn record(context: &Context, repairs: &Repairs) -> Result<(), StoreError> {
    if repairs.is_empty() {
        return Ok(());
    }
    let at = context.clock.now();
    let record = |kind: &str, found| RepairRecord {
        id: EventId::generate(&*context.ids),
        at,
        kind: kind.to_owned(),
        found,
    };
    let listed = repairs.listed.iter();
    let mut new: Vec<RepairRecord> = listed
        .map(|repair| record(kind(&repair.what), repair.found.clone()))
        .collect();
    if repairs.unlisted > 0 {
        let found = format!("{} more things in the same moment", repairs.unlisted);
        new.push(record(UNLISTED, found));
    }
    transact(&context.store, async |tx| {
        let before = tx.list(&keys::repairs()).await?;
        for surplus in before.iter().skip(KEPT.saturating_sub(new.len())) {
            tx.delete(&surplus.key());
        }
        new.iter().try_for_each(|record| tx.put(record))
    })
    .await?;

    for repair in &repairs.listed {
        count(kind(&repair.what), 1);
    }
    count(UNLISTED, repairs.unlisted as u64);
    Ok(())
}

fn count(kind: &'static str, repairs: u64) {
    metrics::counter!("tombolo_network_repairs_total", "kind" => kind).increment(repairs);
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
