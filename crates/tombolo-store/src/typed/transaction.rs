//! One optimistic transaction over typed records.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::keys::{self, Cursor, Entity, Key, KeyParts, Kind, Prefix, VpcResource};
use crate::model::{Indexed, Record, Snapshot, Table, Term, has_table};
use crate::{Compare, Entry, KeyRange, Revision, Store, StoreError, Txn, TxnOutcome};

/// How many entries one read of a range asks for at a time.
const PAGE: usize = 1024;

/// Reads now, writes at [`commit`](Transaction::commit), which succeeds only if nothing that was
/// read has changed meanwhile. After a [`Committed::Conflict`] the caller starts over with a new
/// one.
///
/// What was put or deleted is seen by later reads of the same transaction.
///
/// What the commit depends on by its key ([`get`](Transaction::get)) is read from the store. What is
/// listed, found or only peeked at is read from the store's [read model](crate::model), if it has one: all
/// of one transaction from one snapshot, taken at the first of them.
pub struct Transaction {
    pub(super) store: Arc<dyn Store>,
    snapshot: Option<Arc<Snapshot>>,
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

/// Records of a kind, found by their keys.
pub struct Records<K: KeyParts>(Source<K>);

enum Source<K: KeyParts> {
    Model(Arc<Snapshot>),
    Store(BTreeMap<Bytes, Arc<K::Value>>),
}

impl<K: KeyParts> Records<K> {
    /// The record of a key.
    pub fn get(&self, key: &Key<K>) -> Option<Arc<K::Value>> {
        match &self.0 {
            Source::Model(snapshot) => snapshot.table::<K>()?.get(&key.bytes)?.readable(),
            Source::Store(read) => read.get(&key.bytes).cloned(),
        }
    }
}

/// A record by who put it.
enum Written<'t, K: KeyParts> {
    /// This transaction.
    Here(&'t Bytes),
    /// One before it.
    Before(&'t Record<K>),
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
            snapshot: None,
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
        let Some(entry) = entry else {
            return Ok(None);
        };
        match self.decoded(key, modified)? {
            Some(value) => Ok(Some(K::Value::clone(&value))),
            None => K::decode(&key.bytes, &entry.value).map(Some),
        }
    }

    /// The value that was put under a key at revision `modified`, if the read model has just that one.
    fn decoded<K: KeyParts>(
        &self,
        key: &Key<K>,
        modified: Revision,
    ) -> Result<Option<Arc<K::Value>>, StoreError> {
        let snapshot = match (&self.snapshot, self.store.read_model()) {
            (Some(snapshot), _) => snapshot.clone(),
            (None, Some(model)) => model.newest(),
            (None, None) => return Ok(None),
        };
        let record = snapshot
            .table::<K>()
            .and_then(|table| table.get(&key.bytes));
        let record = record.filter(|record| record.modified == modified);
        record.map(|record| record.value(&key.bytes)).transpose()
    }

    /// The snapshot that this transaction's lists are read from; `None` if the store has no read model,
    /// or that has no records of this kind: whoever reads other kinds only waits for no model.
    async fn snapshot<K: KeyParts>(&mut self) -> Result<Option<Arc<Snapshot>>, StoreError> {
        if !has_table(K::KIND) {
            return Ok(None);
        }
        if self.snapshot.is_none()
            && let Some(model) = self.store.read_model()
        {
            self.snapshot = Some(model.current().await?);
        }
        Ok(self.snapshot.clone())
    }

    /// The snapshot, if it has what a read of `range` gives: the kind is one of the model's, and
    /// this transaction has written nothing there.
    async fn snapshot_of<K: KeyParts>(
        &mut self,
        range: &KeyRange,
    ) -> Result<Option<Arc<Snapshot>>, StoreError> {
        if self.has_written(range) {
            return Ok(None);
        }
        let snapshot = self.snapshot::<K>().await?;
        // What the model could not read, the store's own read gives the reason for.
        let is_readable = |table: &Table<K>| table.is_readable(range);
        Ok(snapshot.filter(|snapshot| snapshot.table::<K>().is_some_and(is_readable)))
    }

    fn has_written(&self, range: &KeyRange) -> bool {
        let (start, end) = (&range.start, range.end.as_ref().max(&range.start));
        let own = (Bound::Included(&start[..]), Bound::Excluded(end));
        self.writes.range::<[u8], _>(own).next().is_some()
    }

    /// One record as the read model has it, or `None`, without making the commit depend on it.
    pub async fn peek_one<K: KeyParts>(
        &mut self,
        key: &Key<K>,
    ) -> Result<Option<Arc<K::Value>>, StoreError> {
        if let Some(written) = self.writes.get(&key.bytes) {
            let written = written.as_ref().map(|value| K::decode(&key.bytes, value));
            return Ok(written.transpose()?.map(Arc::new));
        }
        let snapshot = self.snapshot::<K>().await?;
        if let Some(table) = snapshot.as_ref().and_then(|snapshot| snapshot.table::<K>()) {
            let record = table.get(&key.bytes);
            return record.map(|record| record.value(&key.bytes)).transpose();
        }
        let entry = self.store.get(&key.bytes).await?;
        let value = entry.map(|entry| K::decode(&key.bytes, &entry.value));
        Ok(value.transpose()?.map(Arc::new))
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
        let range = prefix.range();
        if is_consent(K::KIND) {
            return self.list_stored(range).await;
        }
        let Some(snapshot) = self.snapshot_of::<K>(&range).await? else {
            return self.list_stored(range).await;
        };
        let mut found = Vec::new();
        for (key, record) in snapshot
            .table::<K>()
            .into_iter()
            .flat_map(|table| table.range(range.clone()))
        {
            let value = record.value(&key.bytes)?;
            self.listed.insert(key.bytes.clone(), record.modified);
            found.push((key, K::Value::clone(&value)));
        }
        self.ranges.push((range, snapshot.revision()));
        Ok(found)
    }

    /// As [`list`](Transaction::list), of the store itself.
    async fn list_stored<K: KeyParts>(
        &mut self,
        range: KeyRange,
    ) -> Result<Vec<(Key<K>, K::Value)>, StoreError> {
        let read = self.read(range.clone(), usize::MAX).await?;
        self.ranges.push((range, read.revision));
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

    /// As [`peek`](Transaction::peek), without a copy of each record where the read model has it.
    pub async fn peek_shared<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<Arc<K::Value>>, StoreError> {
        let range = prefix.range();
        let Some(snapshot) = self.snapshot_of::<K>(&range).await? else {
            let records = self.read::<K>(range, usize::MAX).await?.found.records;
            return Ok(records.into_iter().map(|(_, one)| Arc::new(one)).collect());
        };
        let records = snapshot.table::<K>().into_iter();
        let records = records.flat_map(|table| table.range(range.clone()));
        records
            .map(|(key, record)| record.value(&key.bytes))
            .collect()
    }

    /// All records under a prefix, to look some of them up; the commit does not depend on them.
    pub async fn records<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Records<K>, StoreError> {
        let range = prefix.range();
        if let Some(snapshot) = self.snapshot_of::<K>(&range).await? {
            return Ok(Records(Source::Model(snapshot)));
        }
        let read = self.read::<K>(range, usize::MAX).await?.found.records;
        let read = read
            .into_iter()
            .map(|(key, one)| (key.bytes, Arc::new(one)));
        Ok(Records(Source::Store(read.collect())))
    }

    /// The records under a prefix that have a term, without making the commit depend on them.
    ///
    /// # Errors
    /// The store failed, or one of those that may have the term cannot be read.
    pub async fn find<K: Indexed>(
        &mut self,
        term: Term<'_>,
        within: &Prefix<K>,
    ) -> Result<Vec<Arc<K::Value>>, StoreError> {
        let range = within.range();
        let Some(snapshot) = self.snapshot::<K>().await? else {
            // A store without a model: by a look at all.
            let all = self.read::<K>(range, usize::MAX).await?.found.records;
            let found = all.into_iter().filter(|(_, one)| K::has_term(one, &term));
            return Ok(found.map(|(_, one)| Arc::new(one)).collect());
        };
        let found = snapshot.find::<K>(&term, within)?;
        if !self.has_written(&range) {
            return Ok(found.into_iter().map(|(_, one)| one).collect());
        }
        let found = found.into_iter().map(|(key, one)| (key.bytes, one));
        let mut found: BTreeMap<_, _> = found.collect();
        for (key, written) in self.writes.range(range.start..range.end) {
            found.remove(key);
            if let Some(value) = written {
                let value = K::decode(key, value)?;
                if K::has_term(&value, &term) {
                    found.insert(key.clone(), Arc::new(value));
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// Makes the commit depend on nothing being put under a prefix: where it shows that another record
    /// gets the term by which this transaction [finds](Transaction::find) some, which it does after
    /// this. On those that are found the commit depends only if they are read again.
    pub async fn bind<K: KeyParts>(&mut self, prefix: &Prefix<K>) -> Result<(), StoreError> {
        let revision = match (self.snapshot::<K>().await?, &self.snapshot) {
            (Some(snapshot), _) => snapshot.revision(),
            (None, Some(snapshot)) => snapshot.revision(),
            (None, None) => self.store.revision().await?,
        };
        self.ranges.push((prefix.range(), revision));
        Ok(())
    }

    /// As [`peek`](Transaction::peek), each record with the parts of its key.
    pub async fn peek_keyed<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<(K, K::Value)>, StoreError> {
        with_parts(self.page(prefix, None, usize::MAX).await?.records)
    }

    /// As [`peek`](Transaction::peek), each record with the revision that last changed it; without what
    /// this transaction has written itself, which has none yet.
    pub async fn peek_modified<K: KeyParts>(
        &mut self,
        prefix: &Prefix<K>,
    ) -> Result<Vec<(Revision, Arc<K::Value>)>, StoreError> {
        let range = prefix.range();
        let snapshot = self.snapshot::<K>().await?;
        let table = snapshot.as_ref().and_then(|snapshot| snapshot.table::<K>());
        if let Some(table) = table.filter(|table| table.is_readable(&range)) {
            let records = table.range(range);
            return records
                .map(|(key, record)| Ok((record.modified, record.value(&key.bytes)?)))
                .collect();
        }
        let without_own = Transaction::new(self.store.clone());
        let read = without_own.read::<K>(range, usize::MAX).await?;
        // Without writes of its own, the keys that are found are those that are stored.
        let revisions = read.stored.into_iter().map(|(_, modified)| modified);
        let records = read.found.records.into_iter().map(|(_, one)| Arc::new(one));
        Ok(revisions.zip(records).collect())
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
        let Some(snapshot) = self.snapshot_of::<K>(&range).await? else {
            return self.page_with_own(range, limit).await;
        };
        let mut all = snapshot
            .table::<K>()
            .into_iter()
            .flat_map(|table| table.range(range.clone()));
        let records = all.by_ref().take(limit).map(|(key, record)| {
            let value = record.value(&key.bytes)?;
            Ok((key, K::Value::clone(&value)))
        });
        let records = records.collect::<Result<_, StoreError>>()?;
        let more = all.next().is_some();
        Ok(Found { records, more })
    }

    /// Records of a range in which this transaction has written, or of which there is no model. Only
    /// what it wrote itself is decoded, if there is a model.
    async fn page_with_own<K: KeyParts>(
        &mut self,
        range: KeyRange,
        limit: usize,
    ) -> Result<Found<K>, StoreError> {
        let snapshot = self.snapshot::<K>().await?;
        let table = snapshot.as_ref().and_then(|snapshot| snapshot.table::<K>());
        let Some(table) = table.filter(|table| table.is_readable(&range)) else {
            return Ok(self.read(range, limit).await?.found);
        };
        let own = self.writes.range(range.start.clone()..range.end.clone());
        let own: BTreeMap<_, _> = own.collect();
        let stored = table.range(range).map(|(key, record)| (key.bytes, record));
        let stored = stored.filter(|(key, _)| !own.contains_key(key));
        // One more than asked for tells whether there is more.
        let stored = stored.take(limit.saturating_add(1));
        let mut all: BTreeMap<_, _> = stored
            .map(|(key, record)| (key, Written::Before(record)))
            .collect();
        for (key, value) in &own {
            if let Some(value) = value {
                all.insert(Bytes::clone(key), Written::Here(value));
            }
        }
        let more = all.len() > limit;
        let records = all.into_iter().take(limit).map(|(key, written)| {
            let value = match written {
                Written::Here(value) => K::decode(&key, value)?,
                Written::Before(record) => K::Value::clone(&*record.value(&key)?),
            };
            Ok((Key::stored(key), value))
        });
        let records = records.collect::<Result<_, StoreError>>()?;
        Ok(Found { records, more })
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

/// Whether a list of this kind decides about consent, which is read from the store only.
fn is_consent(kind: Kind) -> bool {
    matches!(kind, Kind::Authorization | Kind::Authorized)
}

fn with_parts<K: KeyParts>(
    records: Vec<(Key<K>, K::Value)>,
) -> Result<Vec<(K, K::Value)>, StoreError> {
    let records = records.into_iter();
    records
        .map(|(key, record)| Ok((key.parts()?, record)))
        .collect()
}
