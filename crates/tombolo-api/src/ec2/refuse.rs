//! Refusals that the operations share. What EC2 has and Tombolo does not is refused rather than
//! ignored, so that nobody believes to have what was never made.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ec2::error::{Ec2Error, Error, Result};
use crate::model::Document;
use crate::operation::text::shorten;

/// The members of an input that its handler does not name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Others(Map<String, Value>);

impl Others {
    /// How many there are, whatever they ask for.
    pub(super) fn count(&self) -> usize {
        let asked = self.0.iter();
        asked
            .filter(|(name, value)| *name != "DryRun" && !value.is_null())
            .count()
    }

    /// Refuses any that asks for something.
    pub(super) fn refuse(&self) -> Result<()> {
        // DryRun is every operation's, and looked at when the handler has run.
        let asked = self
            .0
            .iter()
            .find(|(name, value)| *name != "DryRun" && !asks_for_nothing(value));
        match asked {
            None => Ok(()),
            Some((name, _)) => Err(unsupported(format!(
                "Tombolo does not have the parameter {name}; leave it out."
            ))),
        }
    }
}

/// Refuses to carry out what would succeed, if the request asks only whether it would.
pub(super) fn dry_run(input: &Document) -> Result<()> {
    match input.get("DryRun").and_then(Document::as_bool) {
        Some(true) => Err(Error::dry_run()),
        Some(false) | None => Ok(()),
    }
}

/// Whether EC2 would do the same without the value.
fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.values().all(asks_for_nothing),
        Value::Bool(true) | Value::String(_) => false,
    }
}

/// [`Ec2Error::UnsupportedOperation`].
pub(super) fn unsupported(message: impl Into<String>) -> Error {
    Error::new(Ec2Error::UnsupportedOperation, message)
}

/// [`Ec2Error::InvalidParameterValue`].
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Ec2Error::InvalidParameterValue, message)
}

/// [`invalid`] in EC2's words. `parameter` is spelled as EC2's messages have it: `cidrBlock`.
pub(super) fn invalid_value(parameter: &str, value: &str, why: &str) -> Error {
    invalid(format!(
        "Value ({}) for parameter {parameter} is invalid. {why}",
        shorten(value)
    ))
}
