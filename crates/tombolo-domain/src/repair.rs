//! Repairs: changes to the machine's network that the server did not make, and has undone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, HostId};

/// How many records of repairs are kept, the newest: enough to see what happened overnight, and
/// bounded whatever keeps changing the machine.
pub const MAX_REPAIRS: usize = 1_000;

/// A repair of the machine's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRecord {
    /// The id.
    pub id: EventId,
    /// The host whose network it was; `None`, from before hosts had ids: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// When the change was found and undone.
    pub at: Timestamp,
    /// What kind of thing it was, in the engine's word: `interface`, `map-entry`.
    pub kind: String,
    /// What was found, as a sentence that names it.
    pub found: String,
}
