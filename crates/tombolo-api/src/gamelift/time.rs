//! Timestamps as documents carry them: seconds since the epoch.

use serde::Serializer;
use tombolo_domain::Timestamp;

/// Milliseconds as decimals, as AWS's samples have them; whole seconds without.
pub(crate) fn seconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let milliseconds = at.as_millisecond();
    if milliseconds % 1000 == 0 {
        serializer.serialize_i64(milliseconds / 1000)
    } else {
        serializer.serialize_f64(milliseconds as f64 / 1000.0)
    }
}
