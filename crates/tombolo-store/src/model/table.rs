//! The records of one kind, decoded, in the order of their keys.

use std::cell::Cell;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use immutable_chunkmap::map::Map;
use immutable_chunkmap::set::Set;

use super::index::{Index, Indexed};
use crate::keys::{Key, KeyParts};
use crate::{KeyRange, Revision, StoreError};

/// How many entries are copied with the one that changes: as many as are next to each other in memory.
pub(super) const CHUNK: usize = 64;

thread_local! {
    static READS: Cell<u64> = const { Cell::new(0) };
}

/// How many records were read from read models on this thread: what an operation costs that need not
/// decode them.
pub fn reads() -> u64 {
    READS.get()
}

fn count_read() {
    READS.set(READS.get() + 1);
}

/// A record as it was put by one transaction.
pub(crate) struct Record<K: KeyParts> {
    /// The revision of that transaction.
    pub(crate) modified: Revision,
    value: Decoded<K>,
}

/// A value, or the bytes of one that cannot be read. Such a one must not be mistaken for none.
type Decoded<K> = Result<Arc<<K as KeyParts>::Value>, Arc<Bytes>>;

impl<K: KeyParts> Clone for Record<K> {
    fn clone(&self) -> Self {
        Record {
            modified: self.modified,
            value: self.value.clone(),
        }
    }
}

impl<K: KeyParts> Record<K> {
    fn new(key: &Bytes, value: &Bytes, modified: Revision) -> Self {
        let value = K::decode(key, value)
            .map(Arc::new)
            .map_err(|_| Arc::new(value.clone()));
        Record { modified, value }
    }

    /// The value, if it can be read.
    pub(crate) fn readable(&self) -> Option<Arc<K::Value>> {
        count_read();
        self.value.as_ref().ok().cloned()
    }

    /// The value.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn value(&self, key: &[u8]) -> Result<Arc<K::Value>, StoreError> {
        count_read();
        match &self.value {
            Ok(value) => Ok(value.clone()),
            Err(bytes) => K::decode(key, bytes).map(Arc::new),
        }
    }
}

/// The records of a kind. A copy costs nothing, and shares all that a change leaves as it is.
pub(crate) struct Table<K: KeyParts> {
    records: Map<Bytes, Record<K>, CHUNK>,
    /// The keys of those that cannot be read: none, but after damage.
    unreadable: Set<Bytes, CHUNK>,
}

impl<K: KeyParts> Clone for Table<K> {
    fn clone(&self) -> Self {
        Table {
            records: self.records.clone(),
            unreadable: self.unreadable.clone(),
        }
    }
}

impl<K: KeyParts> Default for Table<K> {
    fn default() -> Self {
        Table {
            records: Map::new(),
            unreadable: Set::new(),
        }
    }
}

impl<K: Indexed> Table<K> {
    /// A table of these entries, all at once.
    pub(super) fn load(
        entries: impl Iterator<Item = (Bytes, Bytes, Revision)>,
        index: &mut Vec<(u64, Bytes)>,
        of: &Index,
    ) -> Self {
        let records: Vec<_> = entries
            .map(|(key, value, modified)| {
                let record = Record::<K>::new(&key, &value, modified);
                if let Ok(value) = &record.value {
                    of.hashes_of::<K>(value, |hash| index.push((hash, key.clone())));
                }
                (key, record)
            })
            .collect();
        let unreadable = records.iter().filter(|(_, one)| one.value.is_err());
        let unreadable = unreadable.map(|(key, _)| key.clone());
        Table {
            unreadable: Set::new().insert_many(unreadable),
            records: Map::new().insert_many(records),
        }
    }

    /// Takes over a change.
    pub(super) fn apply(
        &mut self,
        key: Bytes,
        value: Option<&Bytes>,
        revision: Revision,
        index: &mut Index,
    ) {
        let new = value.map(|value| Record::<K>::new(&key, value, revision));
        if let Some(Ok(value)) = new.as_ref().map(|new| &new.value) {
            index.add::<K>(value, &key);
        }
        let new_value = new
            .as_ref()
            .and_then(|new| new.value.as_ref().ok().cloned());
        if new.as_ref().is_some_and(|new| new.value.is_err()) {
            self.unreadable.insert_cow(key.clone());
        } else {
            self.unreadable.remove_cow(&key);
        }
        let old = match new {
            Some(new) => self.records.insert_cow(key.clone(), new),
            None => self.records.remove_cow(&key),
        };
        if let Some(Ok(old)) = old.map(|old| old.value) {
            index.remove::<K>(&old, new_value.as_deref(), &key);
        }
    }
}

impl<K: KeyParts> Table<K> {
    /// Whether all of its records in a range can be read.
    pub(crate) fn is_readable(&self, range: &KeyRange) -> bool {
        self.unreadable(range).next().is_none()
    }

    /// The keys of the records in a range that cannot be read.
    pub(crate) fn unreadable(&self, range: &KeyRange) -> impl Iterator<Item = Key<K>> {
        let keys = self.unreadable.range::<Bytes, _>(bounds(range));
        keys.map(|key| Key::stored(key.clone()))
    }

    /// The keys of its records.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key<K>> {
        let records = self.records.into_iter();
        records.map(|(key, _)| Key::stored(key.clone()))
    }

    /// The record of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Record<K>> {
        self.records.get(key)
    }

    /// The records of a range, in key order.
    pub(crate) fn range(&self, range: KeyRange) -> impl Iterator<Item = (Key<K>, &Record<K>)> {
        let entries = self.records.range::<Bytes, _>(bounds(&range));
        entries.map(|(key, record)| (Key::stored(key.clone()), record))
    }
}

fn bounds(range: &KeyRange) -> (Bound<Bytes>, Bound<Bytes>) {
    let (start, end) = (range.start.clone(), range.end.clone());
    (Bound::Included(start), Bound::Excluded(end))
}
