//! Taking the documents apart that operations take and give.

use serde_json::Value;

/// `input` with `member` set, or left out if null.
pub(crate) fn with(mut input: Value, member: &str, value: impl Into<Value>) -> Value {
    input[member] = value.into();
    input
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}
