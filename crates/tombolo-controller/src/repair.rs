//! What nodes found changed behind their backs and put right, written down for the operator. The
//! newest are kept, as of every kind that is a ring.

use tombolo_domain::id::{EventId, HostId};
use tombolo_domain::repair::RepairRecord;
use tombolo_store::StoreError;
use tombolo_store::typed::transact;

use crate::{Context, Repaired};

/// Writes and counts the repairs of one round of a host's.
pub(crate) async fn record(
    context: &Context,
    host: &HostId,
    repairs: Vec<Repaired>,
) -> Result<(), StoreError> {
    let at = context.clock.now();
    let new: Vec<RepairRecord> = repairs
        .iter()
        .map(|repaired| RepairRecord {
            id: EventId::generate(&*context.ids),
            host: Some(host.clone()),
            at,
            kind: repaired.kind.to_owned(),
            found: repaired.found.clone(),
        })
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    transact(&context.store, async |tx| {
        new.iter().try_for_each(|record| tx.put(record))
    })
    .await?;
    for Repaired { kind, count, .. } in repairs {
        metrics::counter!("tombolo_network_repairs_total", "kind" => kind).increment(count);
    }
    Ok(())
}
