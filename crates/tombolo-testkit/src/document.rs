//! Taking the documents apart that operations take and give.

use serde_json::Value;

/// `input` with `member` set, or left out if null.
pub fn with(mut input: Value, member: &str, value: impl Into<Value>) -> Value {
    input[member] = value.into();
    input
}

/// A text.
///
/// # Panics
/// It is something else.
pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A list.
///
/// # Panics
/// It is something else.
pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}
