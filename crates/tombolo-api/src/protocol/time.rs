//! Timestamps: numbers of seconds in documents, whatever the protocol writes.

use jiff::Timestamp;
use serde_json::{Number, Value};

/// A number of seconds as a document holds it: a whole one as an integer.
pub(super) fn number(seconds: f64) -> Option<Number> {
    // Every whole number below 2^53 is exact in a double.
    if seconds.fract() == 0.0 && seconds.abs() < 9_007_199_254_740_992.0 {
        return Some((seconds as i64).into());
    }
    Number::from_f64(seconds)
}

/// The same number, as an integer if it is a whole one.
pub(super) fn whole(number_of_seconds: &Number) -> Number {
    let seconds = number_of_seconds.as_f64().and_then(number);
    seconds.unwrap_or_else(|| number_of_seconds.clone())
}

/// The number of seconds that an ISO 8601 text stands for.
pub(super) fn from_iso(text: &str) -> Option<Value> {
    let time: Timestamp = text.parse().ok()?;
    number(time.as_millisecond() as f64 / 1000.0).map(Value::Number)
}

/// ISO 8601 with milliseconds, as EC2 writes it: `2026-11-22T14:00:00.000Z`.
pub(super) fn to_iso(seconds: f64) -> Option<String> {
    let time = Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}
