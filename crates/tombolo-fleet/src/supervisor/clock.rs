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

/// Now, as RFC 3339 has it, in UTC, always with milliseconds: a later one sorts after an earlier.
pub(super) fn timestamp() -> String {
    rfc_3339(unix_ms())
}

fn rfc_3339(unix_ms: u64) -> String {
    let milliseconds = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
    // Without a precision, zeros at the end are left out, and 12.5Z sorts after 12.51Z.
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_timestamp_sorts_after_an_earlier_one() {
        let times = [0, 1, 490, 499, 500, 510, 990, 999, 1000, 1001, 60_000];
        let written = times.map(rfc_3339);
        assert!(written.is_sorted(), "{written:?}");
        assert_eq!(written[4], "1970-01-01T00:00:00.500Z");
    }
}
