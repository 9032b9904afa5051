//! rpc-v2-cbor: CBOR (RFC 8949) maps whose keys have the model's names, timestamps under tag 1.

use ciborium::Value as Cbor;
use serde_json::{Map, Value};

use super::output_shape::{EncodeError, double, integer, members, mistyped};
use super::{MAX_DEPTH, time};
use crate::error::{ApiError, CommonError, excerpt};
use crate::model::{Kind, Service, ShapeId};

/// The tag of a number of seconds since the epoch (RFC 8949, 3.4.2).
const EPOCH_SECONDS: u64 = 1;

/// Reads one CBOR map; nothing at all counts as an empty one.
pub(super) fn decode(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut rest = body;
    let item: Cbor = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|error| unreadable(reason(&error, body.len())))?;
    if !rest.is_empty() {
        return Err(unreadable(format!("{} bytes follow the map", rest.len())));
    }
    document(item)
}

fn document(item: Cbor) -> Result<Value, ApiError> {
    match item {
        Cbor::Null => Ok(Value::Null),
        Cbor::Bool(value) => Ok(value.into()),
        Cbor::Text(text) => Ok(text.into()),
        Cbor::Integer(number) => match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => Ok(number.into()),
            (_, Ok(number)) => Ok(number.into()),
            _ => Err(unreadable("an integer has more than 64 bits")),
        },
        Cbor::Float(number) => time::number(number)
            .map(Value::Number)
            .ok_or_else(|| unreadable(format!("{number} is not a number that JSON has"))),
        Cbor::Array(items) => items.into_iter().map(document).collect(),
        Cbor::Map(entries) => map(entries),
        Cbor::Tag(EPOCH_SECONDS, item) => match *item {
            Cbor::Integer(_) | Cbor::Float(_) => document(*item),
            _ => Err(unreadable("tag 1 holds something else than a number")),
        },
        Cbor::Tag(tag, _) => Err(unreadable(format!("tag {tag} is not known"))),
        Cbor::Bytes(_) => Err(unreadable("no operation takes a byte string")),
        _ => Err(unreadable("an item has a type that is not known")),
    }
}

fn map(entries: Vec<(Cbor, Cbor)>) -> Result<Value, ApiError> {
    let mut object = Map::new();
    for (key, item) in entries {
        let Cbor::Text(name) = key else {
            return Err(unreadable("a map has a key that is not text"));
        };
        if object.contains_key(&name) {
            let name = excerpt(&name);
            return Err(unreadable(format!("member '{name}' is there twice")));
        }
        object.insert(name, document(item)?);
    }
    Ok(Value::Object(object))
}

/// Writes the members of `value` that the shape has.
pub(super) fn encode(
    service: &Service,
    id: ShapeId,
    value: &Value,
) -> Result<Vec<u8>, EncodeError> {
    write(&item(service, id, value)?)
}

/// Writes a map without members.
pub(super) fn empty() -> Result<Vec<u8>, EncodeError> {
    write(&Cbor::Map(Vec::new()))
}

/// Writes an error.
pub(super) fn error(kind: &str, message: &str) -> Result<Vec<u8>, EncodeError> {
    write(&Cbor::Map(vec![
        ("__type".into(), kind.into()),
        ("Message".into(), message.into()),
    ]))
}

fn item(service: &Service, id: ShapeId, value: &Value) -> Result<Cbor, EncodeError> {
    let shape = service.shape(id);
    Ok(match (&shape.kind, value) {
        (Kind::Structure(structure), Value::Object(object)) => {
            let members = members(shape, structure, object)?.into_iter();
            let entries = members.map(|(member, value)| {
                Ok((member.name.into(), item(service, member.shape, value)?))
            });
            Cbor::Map(entries.collect::<Result<_, EncodeError>>()?)
        }
        (Kind::List(list), Value::Array(values)) => {
            let items = values.iter().map(|value| item(service, list.member, value));
            Cbor::Array(items.collect::<Result<_, _>>()?)
        }
        (Kind::Text { .. }, Value::String(text)) => text.as_str().into(),
        (Kind::Integer(_), Value::Number(number)) => integer(shape, number)?.into(),
        (Kind::Double, Value::Number(number)) => double(shape, number)?.into(),
        (Kind::Boolean, Value::Bool(value)) => (*value).into(),
        (Kind::Timestamp, Value::Number(number)) => {
            let number = time::whole(number);
            let seconds = match (number.as_i64(), number.as_f64()) {
                (Some(seconds), _) => seconds.into(),
                (None, Some(seconds)) => seconds.into(),
                (None, None) => return Err(mistyped(shape, value)),
            };
            Cbor::Tag(EPOCH_SECONDS, Box::new(seconds))
        }
        _ => return Err(mistyped(shape, value)),
    })
}

fn write(item: &Cbor) -> Result<Vec<u8>, EncodeError> {
    let mut body = Vec::new();
    ciborium::into_writer(item, &mut body).map_err(|error| EncodeError::Cbor(error.to_string()))?;
    Ok(body)
}

fn reason(error: &ciborium::de::Error<std::io::Error>, length: usize) -> String {
    use ciborium::de::Error;
    match error {
        Error::Io(_) => format!("it ends within an item, after {length} bytes"),
        Error::Syntax(at) => format!("byte {at} starts no item"),
        Error::Semantic(Some(at), reason) => format!("at byte {at}: {reason}"),
        Error::Semantic(None, reason) => reason.clone(),
        Error::RecursionLimitExceeded => format!("it is nested more than {MAX_DEPTH} levels deep"),
    }
}

fn unreadable(reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        CommonError::Serialization,
        format!("The body is not CBOR that can be read: {reason}."),
    )
}
