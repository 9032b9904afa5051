//! The machine's clock, which is the only one that a supervisor has: it lives on while the server,
//! whose clock everything else goes by, is away.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since the Unix epoch.
#[allow(
    clippy::disallowed_methods,
    reason = "the supervisor outlives the server and its Clock"
)]
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Now, as RFC 3339 has it, in UTC.
pub(super) fn timestamp() -> String {
    let milliseconds = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(milliseconds)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}
