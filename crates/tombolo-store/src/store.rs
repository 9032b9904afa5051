//! The trait that every engine implements.

use async_trait::async_trait;
use bytes::Bytes;

use crate::keys::KeyError;
use crate::model::ReadModel;

/// A number that grows by one with each committed transaction that changes something. 0 is before
/// the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A key, its value, and the revision that last changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The revision of the transaction that put this value.
    pub modified: Revision,
}

/// Keys from `start` up to, not including, `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Bytes,
    /// The first key after the range.
    pub end: Bytes,
}

/// A page of a range, in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether the range holds more after these: ask again from behind the last key.
    pub more: bool,
    /// The store's revision that the page shows.
    pub revision: Revision,
}

/// A condition of a [`Txn`]. Each is one comparison in etcd's own transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// `key` was last changed by `modified`; revision 0: it does not exist.
    Unchanged {
        /// The key.
        key: Bytes,
        /// The revision that it was read with.
        modified: Revision,
    },
    /// No key of `range` was put after `revision`. A deletion is not seen: what a range is
    /// compared for, a limit or an overlap, a deletion can only relax. Who puts a key of the range
    /// again compares that key as well.
    NothingNewer {
        /// The keys.
        range: KeyRange,
        /// The revision that the range was read at.
        revision: Revision,
    },
}

/// Compares first; if all hold, puts and deletes, all or nothing. A key stands in `puts` and
/// `deletes` together at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold.
    pub compares: Vec<Compare>,
    /// Keys and their new values.
    pub puts: Vec<(Bytes, Bytes)>,
    /// Keys to delete; deleting a key that does not exist is no error.
    pub deletes: Vec<Bytes>,
}

/// What became of a [`Txn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxnOutcome {
    /// It is durable, as this revision (the store's present one if it changed nothing).
    Committed(Revision),
    /// A comparison failed; nothing was written.
    Conflict,
}

/// A change, as a watch tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub key: Bytes,
    /// The new value, or `None` for a deletion.
    pub value: Option<Bytes>,
    /// The revision of the change.
    pub revision: Revision,
}

/// The changes under a prefix, in order, none left out.
///
/// An error ends it: whoever wants more begins another watch, after a pause if it was
/// [`Lost`](WatchError::Lost), and `next` only gives the error again.
#[async_trait]
pub trait Watch: Send {
    /// Waits for the next changes: at least one, all of whole transactions. It may be dropped half-way,
    /// and be polled by one thread after another: the next one goes on where this was.
    async fn next(&mut self) -> Result<Vec<Event>, WatchError>;
}

/// Why a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The changes asked for are no longer kept: read the range again and watch from there.
    #[error("the changes after revision {} are no longer kept", .0.0)]
    Compacted(Revision),
    /// The connection to the store was lost: watch again from the last revision that came whole.
    #[error("the connection to the store was lost")]
    Lost,
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}

/// A store's failure. A transaction that failed was not acknowledged: it may stand or not after a
/// restart, but never half of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database refused.
    #[error("the store failed while {doing}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store was closed, or its writer ended after an error that it logged.
    #[error("the store is closed")]
    Closed,
    /// A value that no version of Tombolo wrote so.
    #[error(
        "the value of key {key} is not readable: {reason}; restore the data directory from a backup"
    )]
    Corrupt {
        /// The key, escaped.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that a newer version of Tombolo wrote.
    #[error(
        "the record of key {key} has version {version}, and this version of Tombolo reads up to \
         {known}; run the version that wrote it, or restore the data directory from a backup"
    )]
    NewerRecord {
        /// The key, escaped.
        key: String,
        /// The record's version.
        version: u8,
        /// The newest that this version of Tombolo knows.
        known: u8,
    },
    /// A key that this version cannot read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The read model does not show yet what the store had acknowledged when it was asked.
    #[error(
        "the read model is at revision {}, and the store {}", .reached.0, told(*.acknowledged)
    )]
    Behind {
        /// The revision that the model has come to.
        reached: Revision,
        /// The revision that the store had when it was asked; `None` if it did not say.
        acknowledged: Option<Revision>,
    },
    /// A task's transaction that others overtook each time.
    #[error("a transaction was given up, and the next round of the task tries again")]
    Overtaken(#[from] Overtaken),
}

fn told(acknowledged: Option<Revision>) -> String {
    match acknowledged {
        Some(Revision(revision)) => format!("is at {revision}"),
        None => "has not said at which it is".to_owned(),
    }
}

/// A transaction of which nothing was written, since others overtook it each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("others changed the same records {attempts} times meanwhile, and nothing was written")]
pub struct Overtaken {
    /// How often it was attempted.
    pub attempts: usize,
}

/// An ordered, transactional, durable map with revisions.
#[async_trait]
pub trait Store: Send + Sync {
    /// One key, or `None`. Reads what the last acknowledged transaction left.
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// The first `limit` entries of a range (at least 1), in key order. Pages that are read one after
    /// the other show different revisions.
    async fn range(&self, range: &KeyRange, limit: usize) -> Result<Page, StoreError>;

    /// How many entries a range holds, counted up to `most`. An engine that can counts without
    /// reading any value.
    async fn count(&self, range: &KeyRange, most: usize) -> Result<usize, StoreError> {
        const PAGE: usize = 1024;
        let (mut range, mut count) = (range.clone(), 0);
        while count < most {
            let page = self.range(&range, PAGE.min(most - count)).await?;
            count += page.entries.len();
            match page.entries.last() {
                Some(last) if page.more => range.start = [&last.key[..], b"\0"].concat().into(),
                _ => break,
            }
        }
        Ok(count)
    }

    /// All entries of a range in key order, as they are at one revision.
    async fn list(&self, range: &KeyRange) -> Result<Page, StoreError>;

    /// Commits, or not, as [`Txn`] says. When it returns [`TxnOutcome::Committed`] the change
    /// survives `kill -9` and, in a durable engine, power loss.
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError>;

    /// The changes of the keys that start with `prefix`, made after revision `after`.
    ///
    /// # Errors
    /// The store cannot be reached, or is closed. That `after` is too long ago the watch says.
    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<Box<dyn Watch>, StoreError>;

    /// The revision of the last acknowledged transaction, or of a later one. Whoever reads at that
    /// revision or a later one sees every write that was acknowledged before this was called.
    ///
    /// # Errors
    /// The store cannot be reached, or is closed.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// The read model that follows this store, if one does: typed transactions read lists from it.
    fn read_model(&self) -> Option<&ReadModel> {
        None
    }
}
