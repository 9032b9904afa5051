//! What to do when the wanted network does not fit the data path.
//!
//! An engine that is asked for too much changes nothing, so everything else would wait for the one
//! thing that does not fit. A connection that is being made gives way: it fails, and says why. What
//! is in force already stays.

use tombolo_domain::peering::{Connection, FailureReason};
use tombolo_network::EngineError;

/// The tables that a peering has entries in: failing one cannot make room in the others.
const OF_PEERINGS: [&str; 5] = [
    "routes",
    "admissions",
    "rule_blocks",
    "rule_ports",
    "peering_traffic",
];

/// The connection that gives way, with the reason; `None` where failing one would not help. It is
/// the one that was accepted last, so that those before it, which fitted, go on.
pub(super) fn gives_way<'c>(
    error: &EngineError,
    provisioning: &'c [Connection],
) -> Option<(&'c Connection, FailureReason)> {
    let EngineError::Full {
        table, capacity, ..
    } = error
    else {
        return None;
    };
    if !OF_PEERINGS.contains(&table.as_str()) {
        return None;
    }
    let last = provisioning.iter().max_by_key(|one| one.since())?;
    let reason = FailureReason::NoRoom {
        table: table.clone(),
        capacity: *capacity,
    };
    Some((last, reason))
}
