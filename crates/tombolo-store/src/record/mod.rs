//! What is kept under a key: one byte, the version of the encoding, and then the record; version 1 is
//! JSON.

use bytes::Bytes;

use crate::StoreError;
use crate::keys::KeyParts;

/// The version byte of a value whose rest is JSON.
const JSON: u8 = 1;

/// What is written for a value that is kept under keys of `K`'s kind.
pub(crate) fn encode<K: KeyParts>(value: &K::Value) -> Result<Bytes, StoreError> {
    let mut bytes = vec![JSON];
    serde_json::to_writer(&mut bytes, value).map_err(|source| StoreError::Failed {
        doing: "encoding a value",
        source: source.into(),
    })?;
    Ok(bytes.into())
}

/// Reads what is written under `key`.
pub(crate) fn decode<K: KeyParts>(key: &[u8], bytes: &[u8]) -> Result<K::Value, StoreError> {
    let corrupt = |reason| StoreError::Corrupt {
        key: key.escape_ascii().to_string(),
        reason,
    };
    match bytes.split_first() {
        Some((&JSON, json)) => {
            serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))
        }
        Some((version, _)) => Err(corrupt(format!(
            "its encoding is version {version}, and this Tombolo knows up to {JSON}; \
             use the version that wrote it"
        ))),
        None => Err(corrupt("it is empty".to_owned())),
    }
}
