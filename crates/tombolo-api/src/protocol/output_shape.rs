//! A handler's output, checked against the model's output shape: what all codecs need to write it.

use serde_json::{Map, Number, Value};

use crate::model::{Member, Shape, Structure};

/// What a handler answered does not fit the operation's output shape: a bug of the server's.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The model has no such member.
    #[error("the output has member {member}, which {shape} does not have")]
    UnknownMember {
        /// The structure.
        shape: &'static str,
        /// The member.
        member: String,
    },
    /// The value has another type.
    #[error("the output has {value} where {shape} is expected")]
    Mistyped {
        /// The expected shape.
        shape: &'static str,
        /// The value, or only its type if it is a long one.
        value: String,
    },
    /// A value that JSON does not have.
    #[error("the output cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// A value that CBOR does not have.
    #[error("the output cannot be written as CBOR: {0}")]
    Cbor(String),
}

/// The members of `object` that are there, in the model's order.
pub(super) fn members<'a>(
    shape: &Shape,
    structure: &'a Structure,
    object: &'a Map<String, Value>,
) -> Result<Vec<(&'a Member, &'a Value)>, EncodeError> {
    let found: Vec<_> = structure
        .members
        .iter()
        .filter_map(|member| Some((member, object.get(member.name)?)))
        .collect();
    if found.len() < object.len() {
        let known = |name: &String| found.iter().any(|(member, _)| member.name == name);
        return Err(EncodeError::UnknownMember {
            shape: shape.name,
            member: object
                .keys()
                .find(|name| !known(name))
                .cloned()
                .unwrap_or_default(),
        });
    }
    let present = found.into_iter().filter(|(_, value)| !value.is_null());
    Ok(present.collect())
}

/// A whole number of 64 bits.
pub(super) fn integer(shape: &Shape, number: &Number) -> Result<i64, EncodeError> {
    let mistyped = || mistyped(shape, &Value::Number(number.clone()));
    number.as_i64().ok_or_else(mistyped)
}

/// A double.
pub(super) fn double(shape: &Shape, number: &Number) -> Result<f64, EncodeError> {
    let mistyped = || mistyped(shape, &Value::Number(number.clone()));
    number.as_f64().ok_or_else(mistyped)
}

pub(super) fn mistyped(shape: &Shape, value: &Value) -> EncodeError {
    let value = match value {
        Value::Object(_) => "a structure".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(_) => "a text".to_owned(),
        scalar => scalar.to_string(),
    };
    EncodeError::Mistyped {
        shape: shape.name,
        value,
    }
}
