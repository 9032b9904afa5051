//! Where everything that Tombolo was told is kept.
//!
//! A [`Store`] is shaped like etcd, so that etcd can serve it natively one day: ordered byte keys,
//! each with the revision that last changed it, transactions that compare revisions first, and
//! watches from a revision on.

mod store;

pub use store::{
    Compare, Entry, Event, KeyRange, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch,
    WatchError,
};
