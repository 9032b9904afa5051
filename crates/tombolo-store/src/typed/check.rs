//! Whether a store is one that this version of Tombolo can go on with.

use bytes::Bytes;

use crate::keys::AnyKey;
use crate::{KeyRange, Store, StoreError};

/// How many entries are looked at in one go.
const PAGE: usize = 1024;

/// Looks through all keys, and the versions of their records, before anything is done with a store.
/// The records themselves are read when they are needed.
///
/// # Errors
/// [`StoreError::Key`] for a key of an unknown kind and for one that does not parse,
/// [`StoreError::NewerRecord`] for a record that a newer version wrote, [`StoreError::Corrupt`] for one
/// without a version: the first of them.
pub async fn check(store: &dyn Store) -> Result<(), StoreError> {
    let mut range = KeyRange {
        start: Bytes::new(),
        end: Bytes::from_static(b"\xff"),
    };
    loop {
        let page = store.range(&range, PAGE).await?;
        for entry in &page.entries {
            let kind = AnyKey::parse(&entry.key)?.kind();
            kind.check_version(&entry.key, &entry.value)?;
        }
        match page.entries.last() {
            Some(last) if page.more => range.start = [&last.key[..], b"\0"].concat().into(),
            _ => return Ok(()),
        }
    }
}
