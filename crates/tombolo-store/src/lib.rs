//! Where everything that Tombolo was told is kept.
//!
//! A [`Store`] is shaped like etcd, so that etcd can serve it natively one day: ordered byte keys,
//! each with the revision that last changed it, transactions that compare revisions first, and
//! watches from a revision on.

#![forbid(unsafe_code)]

mod batch;
mod history;
pub mod keys;
mod memory;
pub mod model;
mod record;
mod reference;
mod shared;
mod sqlite;
mod state;
mod store;
pub mod typed;
mod wake;

pub use memory::MemoryStore;
pub use model::{ModelledStore, ReadModel};
pub use sqlite::{OpenError, SqliteStore};
pub use store::{
    Compare, Entry, Event, KeyRange, Overtaken, Page, Revision, Store, StoreError, Txn, TxnOutcome,
    Watch, WatchError,
};
pub use wake::{Wake, Wakes};
