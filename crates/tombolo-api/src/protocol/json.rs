//! awsJson1_1: JSON whose members have the model's names.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::output_shape::{EncodeError, double, integer, members, mistyped};
use super::{MAX_DEPTH, time};
use crate::error::{ApiError, CommonError, excerpt};
use crate::model::{Kind, Service, ShapeId};

/// Reads a JSON object; nothing at all counts as an empty one.
pub(super) fn decode(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    if too_deep(body) {
        return Err(ApiError::new(
            CommonError::Serialization,
            format!("The body is nested more than {MAX_DEPTH} levels deep."),
        ));
    }
    match serde_json::from_slice(body) {
        Ok(Strict(value)) => Ok(value),
        Err(error) => Err(ApiError::new(
            CommonError::Serialization,
            format!("The body is not JSON that can be read: {error}"),
        )),
    }
}

/// Writes the members of `value` that the shape has.
pub(super) fn encode(
    service: &Service,
    id: ShapeId,
    value: &Value,
    body: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let shape = service.shape(id);
    match (&shape.kind, value) {
        (Kind::Structure(structure), Value::Object(object)) => {
            body.push(b'{');
            for (at, (member, value)) in members(shape, structure, object)?.into_iter().enumerate()
            {
                if at > 0 {
                    body.push(b',');
                }
                scalar(&member.name, body)?;
                body.push(b':');
                encode(service, member.shape, value, body)?;
            }
            body.push(b'}');
        }
        (Kind::List(list), Value::Array(values)) => {
            body.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    body.push(b',');
                }
                encode(service, list.member, value, body)?;
            }
            body.push(b']');
        }
        (Kind::Text { .. }, Value::String(text)) => scalar(text, body)?,
        (Kind::Integer(_), Value::Number(number)) => {
            scalar(&integer(shape, number)?, body)?;
        }
        (Kind::Double, Value::Number(number)) => scalar(&double(shape, number)?, body)?,
        (Kind::Boolean, Value::Bool(value)) => scalar(value, body)?,
        (Kind::Timestamp, Value::Number(number)) => scalar(&time::whole(number), body)?,
        _ => return Err(mistyped(shape, value)),
    }
    Ok(())
}

fn scalar(value: &impl serde::Serialize, body: &mut Vec<u8>) -> Result<(), EncodeError> {
    serde_json::to_writer(body, value).map_err(EncodeError::Json)
}

/// Whether brackets outside of strings are open more than [`MAX_DEPTH`] deep. Checked before
/// anything is built, so that a bomb costs one pass over its bytes.
fn too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// A JSON value in which no object has a member twice: which of the two counts is a guess that
/// the reader of an audit log might make differently.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(value)) = values.next_element()? {
            list.push(value);
        }
        Ok(Strict(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = entries.next_entry::<String, _>()? {
            if object.contains_key(&name) {
                let name = excerpt(&name);
                return Err(A::Error::custom(format_args!(
                    "member '{name}' is there twice"
                )));
            }
            object.insert(name, value);
        }
        Ok(Strict(object.into()))
    }
}
