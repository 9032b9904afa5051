//! Times as signatures write them: `20261122T143000Z`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Reads a time in ISO 8601's basic format, UTC, whole seconds.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    // strptime takes shorter numbers too, and the date part is compared with the scope's as text.
    if text.len() != "20261122T143000Z".len() {
        return None;
    }
    let time = DateTime::strptime(FORMAT, text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The inverse of [`parse`].
pub(super) fn format(time: Timestamp) -> String {
    time.strftime(FORMAT).to_string()
}
