//! One optimistic transaction over typed records.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::keys::{self, Cursor, Entity, Key, KeyParts, Prefix, VpcResource};
use crate::{Compare, Entry, KeyRange, Revision, Store, StoreError, Txn, TxnOutcome};

/// How many entries one read of a range asks for at a time.
const PAGE: usize = 1024;

/// Reads now, writes at [`commit`](Transaction::commit), which succeeds only if nothing that was
/// read has changed meanwhile. After a [`Committed::Conflict`] the caller starts over with a new
/// one.
///
/// What was put or deleted is seen by later reads of the same transaction.
pub struct Transaction {
    pub(super) store: Arc<dyn Store>,
    reads: BTreeMap<Bytes, Revision>,
    ranges: Vec<(KeyRange, Revision)>,
    listed: BTreeMap<Bytes, Revision>,
    pub(super) writes: BTreeMap<Bytes, Option<Bytes>>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// It is durable.
    Yes,
    /// Something that it read has changed; nothing was written.
    Conflict,
}

/// Records of a range, and whether there are more.
pub struct Found<K: KeyParts> {
    /// Each record, with its key.
    pub records: Vec<(Key<K>, K::Value)>,
    /// Whether the range holds more behind the last one.
    pub more: bool,
}

/// What one read of a range came to.
struct Read<K: KeyParts> {
    found: Found<K>,
    /// Each key that the store had, and when it was last changed.
    stored: Vec<(Bytes, Revision)>,
    /// The store's revision at the first page.
    revision: Revision,
}

impl Transaction {
    /// Begins.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Transaction {
            store,
            reads: BTreeMap::new(),
            ranges: Vec::new(),
            listed: BTreeMap::new(),
            writes: BTreeMap::new(),
        }
    }

    /// One record, or `None`. The commit depends on it.
    pub async fn get<K: KeyParts>(&mut self, key: &Key<K>) -> Result<Option<K::Value>, StoreError> {
        if let Some(written) = self.writes.get(&key.bytes) {
            let value = written.as_ref();
            return value.map(|value| K::decode(&key.bytes, value)).transpose();
        }
        let entry = self.store.get(&key.bytes).await?;
        let modified = entry.as_ref().map_or(Revision(0), |entry| entry.modified);
        // Of two reads of a key, the first counts: had it changed in between, the commit must see.
        self.reads.entry(key.bytes.clone()).or_insert(modified);
        entry
            .map(|entry| K::decode(&key.bytes, &entry.value))
            .transpose()
    }

    /// All records under a prefix, in key order. The commit depends on no other being added, none
    /// being changed, and on those that are put again being there still.
    pub async fn list<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<K::Value>, StoreError> {
        let records = self.list_entries(prefix).await?.into_iter();
        Ok(records.map(|(_, record)| record).collect())
    }

    /// As [`list`](Transaction::list), each record with the parts of its key.
    pub async fn list_keyed<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<(K, K::Value)>, StoreError> {
        with_parts(self.list_entries(prefix).await?)
    }

    async fn list_entries<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<(Key<K>, K::Value)>, StoreError> {
        let read = self.read(prefix.range(), usize::MAX).await?;
        self.ranges.push((prefix.range(), read.revision));
        self.listed.extend(read.stored);
        Ok(read.found.records)
    }

    /// All records under a prefix, without making the commit depend on them: for what is only
    /// shown, or looked at again later.
    pub async fn peek<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<K::Value>, StoreError> {
        let records = self.page(prefix, None, usize::MAX).await?.records;
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    /// As [`peek`](Transaction::peek), each record with the parts of its key.
    pub async fn peek_keyed<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<(K, K::Value)>, StoreError> {
        with_parts(self.page(prefix, None, usize::MAX).await?.records)
    }

    /// The first `limit` records under a prefix, of those behind `after`, without making the commit
    /// depend on them.
    pub async fn page<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
        after: Option<&Cursor<K>>,
        limit: usize,
    ) -> Result<Found<K>, StoreError> {
        let range = after.map_or_else(|| prefix.range(), |after| prefix.range_from(after));
        Ok(self.read(range, limit).await?.found)
    }

    async fn read<K: KeyParts>(
        &self,
        range: KeyRange,
        limit: usize,
    ) -> Result<Read<K>, StoreError> {
        let own = self.writes.range(range.start.clone()..range.end.clone());
        let mut range = range;
        let mut values: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        let mut stored = Vec::new();
        let mut first_revision = None;
        // One more than asked for tells whether there is more; each own deletion may hide one.
        let enough = limit.saturating_add(1).saturating_add(self.writes.len());
        loop {
            let page = self.store.range(&range, PAGE.min(enough)).await?;
            first_revision.get_or_insert(page.revision);
            let last = page.entries.last().map(|entry| entry.key.clone());
            for Entry {
                key,
                value,
                modified,
            } in page.entries
            {
                stored.push((key.clone(), modified));
                values.insert(key, value);
            }
            match last {
                Some(last) if page.more && values.len() < enough => {
                    range.start = [&last[..], b"\0"].concat().into();
                }
                _ => break,
            }
        }
        for (key, written) in own {
            match written {
                Some(value) => values.insert(key.clone(), value.clone()),
                None => values.remove(key),
            };
        }
        let more = values.len() > limit;
        let records = values
            .into_iter()
            .take(limit)
            .map(|(key, value)| {
                let record = K::decode(&key, &value)?;
                Ok((Key::stored(key), record))
            })
            .collect::<Result<_, StoreError>>()?;
        let revision = first_revision.unwrap_or_default();
        Ok(Read {
            found: Found { records, more },
            stored,
            revision,
        })
    }

    /// Writes a record under its own key and, if it is kept under a VPC, the entry that finds it
    /// by its id.
    pub fn put<T: Entity>(&mut self, record: &T) -> Result<(), StoreError> {
        if let Some(VpcResource { scope, vpc, id }) = record.vpc_resource() {
            self.put_at(&keys::located(scope, id), vpc)?;
        }
        self.put_at(&record.key(), record)
    }

    /// Writes a value under `key`.
    pub fn put_at<K: KeyParts>(
        &mut self,
        key: &Key<K>,
        value: &K::Value,
    ) -> Result<(), StoreError> {
        // That a listed record was deleted meanwhile, its range does not tell; putting it again
        // would bring it back.
        if let Some(modified) = self.listed.get(&key.bytes) {
            self.reads.entry(key.bytes.clone()).or_insert(*modified);
        }
        self.writes
            .insert(key.bytes.clone(), Some(K::encode(value)?));
        Ok(())
    }

    /// Deletes a key, and nothing that belongs to it; no error if it does not exist.
    pub fn delete<K>(&mut self, key: &Key<K>) {
        self.writes.insert(key.bytes.clone(), None);
    }

    /// Makes the writes durable, all or none. Without writes there is nothing to depend on, and
    /// it succeeds at once. Of kinds of which the newest are kept, the oldest go.
    pub async fn commit(mut self) -> Result<Committed, StoreError> {
        if self.writes.is_empty() {
            return Ok(Committed::Yes);
        }
        self.trim_rings().await?;
        let writes = std::mem::take(&mut self.writes);
        let mut txn = self.only_reads();
        for (key, value) in writes {
            match value {
                Some(value) => txn.puts.push((key, value)),
                None => txn.deletes.push(key),
            }
        }
        self.run(txn).await
    }

    /// Whether a commit would succeed now; nothing is written. [`Committed::Conflict`] tells that
    /// the reads may show what never was together.
    pub async fn check(self) -> Result<Committed, StoreError> {
        let txn = self.only_reads();
        self.run(txn).await
    }

    /// What the commit depends on.
    fn only_reads(&self) -> Txn {
        let keys = self.reads.iter().map(|(key, modified)| Compare::Unchanged {
            key: key.clone(),
            modified: *modified,
        });
        let ranges = self.ranges.iter();
        let ranges = ranges.map(|(range, revision)| Compare::NothingNewer {
            range: range.clone(),
            revision: *revision,
        });
        Txn {
            compares: keys.chain(ranges).collect(),
            ..Txn::default()
        }
    }

    async fn run(&self, txn: Txn) -> Result<Committed, StoreError> {
        Ok(match self.store.txn(txn).await? {
            TxnOutcome::Committed(_) => Committed::Yes,
            TxnOutcome::Conflict => Committed::Conflict,
        })
    }
}

fn with_parts<K: KeyParts>(
    records: Vec<(Key<K>, K::Value)>,
) -> Result<Vec<(K, K::Value)>, StoreError> {
    let records = records.into_iter();
    records
        .map(|(key, record)| Ok((key.parts()?, record)))
        .collect()
}
