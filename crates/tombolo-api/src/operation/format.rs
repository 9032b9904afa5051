//! How values look: texts of requests in messages, and timestamps in documents.

use serde::Serializer;
use tombolo_domain::Timestamp;

/// A text, cut so that a message stays readable.
pub(crate) fn shorten(text: &str) -> String {
    const MAX_CHARS: usize = 128;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Milliseconds as decimals, as AWS's samples have them; whole seconds without.
pub(crate) fn seconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let milliseconds = at.as_millisecond();
    if milliseconds % 1000 == 0 {
        serializer.serialize_i64(milliseconds / 1000)
    } else {
        serializer.serialize_f64(milliseconds as f64 / 1000.0)
    }
}

/// [`seconds`], or nothing.
pub(crate) fn maybe_seconds<S: Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => seconds(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// The time of a number of seconds, to the millisecond; `None` if no calendar reaches it.
pub(crate) fn from_seconds(seconds: f64) -> Option<Timestamp> {
    // Out of range, the conversion saturates and the timestamp is refused.
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}
