//! The durable engine: the state in memory, every transaction in a SQLite file before it is told.

mod database;
mod group;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::history::Limits;
use crate::shared::{MemoryServed, SharedState};
use crate::store::{StoreError, Txn, TxnOutcome};
pub use database::OpenError;
use database::{Database, IfEmpty};
use group::{Request, Writer};

/// Transactions that may wait for the writer; further callers wait for a place.
const QUEUE: usize = 1_024;

/// A [`Store`](crate::Store) in one SQLite file (WAL, `synchronous=FULL`), read into memory when it is opened.
///
/// Reads are answered from memory. One thread writes: it takes all transactions that wait,
/// commits them as one SQLite transaction, and only then applies and answers them. Dropping the
/// store waits until everything accepted is durable.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<SharedState>,
    /// `None` only while it is dropped.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// The format of the file that this version writes. It goes up with a new kind of records and a new
    /// version of one.
    pub const FORMAT: u32 = database::FORMAT;

    /// Opens the file at `path`, or makes it, for the owner's eyes only (mode 0600). Blocks while
    /// it reads the whole of it.
    ///
    /// # Errors
    /// [`StoreError::Failed`] with an [`OpenError`] as its source: another process has the file
    /// open, a newer version of Tombolo wrote it, it is no store, or the disk or SQLite refused.
    /// [`StoreError::Corrupt`] if an entry contradicts the store's revision, or is no entry. A file
    /// that was refused, or to which nothing was written, is left as it is, with its log.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_or(path.as_ref(), IfEmpty::Create)
    }

    /// As [`open`](SqliteStore::open), of a file that must have a store in it already.
    ///
    /// # Errors
    /// Those of [`open`](SqliteStore::open), and [`OpenError::Empty`] as a source.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_or(path.as_ref(), IfEmpty::Refuse)
    }

    fn open_or(path: &Path, if_empty: IfEmpty) -> Result<Self, StoreError> {
        let database = Database::open(path, if_empty).map_err(|source| StoreError::Failed {
            doing: "opening the database",
            source: Box::new(source),
        })?;
        let shared = SharedState::new(database.load(Limits::DEFAULT)?);
        let (requests, accepted) = mpsc::channel(QUEUE);
        let writer = Writer::new(Arc::clone(&shared), database);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(accepted))
            .map_err(|source| StoreError::Failed {
                doing: "starting the writer thread",
                source: Box::new(source),
            })?;
        Ok(Self {
            shared,
            requests: Some(requests),
            writer: Some(writer),
        })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer ends when the last sender is gone and the queue is empty.
        drop(self.requests.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer thread panicked; what it acknowledged is durable");
        }
    }
}

#[async_trait]
impl MemoryServed for SqliteStore {
    fn shared(&self) -> &Arc<SharedState> {
        &self.shared
    }

    async fn commit(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        let (answer, outcome) = oneshot::channel();
        let request = Request { txn, answer };
        requests
            .send(request)
            .await
            .map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}
