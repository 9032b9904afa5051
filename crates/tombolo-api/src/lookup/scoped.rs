//! A transaction whose reads are those of one principal.

use std::sync::Arc;

use tombolo_domain::arn::Resource;
use tombolo_domain::id::AccountId;
use tombolo_domain::principal::{Action, Principal};
use tombolo_domain::quota::Quotas;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys::{Cursor, Entity, Key, KeyParts, Prefix};
use tombolo_store::model::{Indexed, Term};
use tombolo_store::typed::{Committed, Found, OverBound, Records, Transaction};
use tombolo_store::{Store, StoreError};

use super::{Denied, Lookup};

/// What a handler has of the store: look-ups for its principal, and writes of the records that it
/// got by them or made itself.
pub struct ScopedTransaction<'p> {
    /// Private to this file: everything else reads what is the principal's own, or goes by
    /// [`across`](super::across).
    tx: Transaction,
    principal: &'p Principal,
    now: Timestamp,
    quotas: Quotas,
}

impl<'p> ScopedTransaction<'p> {
    /// Begins for `principal`; `now` is the request's time, which says what is over.
    pub fn new(store: Arc<dyn Store>, principal: &'p Principal, now: Timestamp) -> Self {
        ScopedTransaction {
            tx: Transaction::new(store),
            principal,
            now,
            quotas: Quotas::default(),
        }
    }

    /// The same, where accounts may have `quotas` and not what AWS's accounts may.
    pub fn within(self, quotas: Quotas) -> Self {
        ScopedTransaction { quotas, ..self }
    }

    /// Whose reads these are.
    pub fn principal(&self) -> &'p Principal {
        self.principal
    }

    /// The request's time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the principal's account may have. The commit does not depend on it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn quotas(&self) -> Result<Quotas, StoreError> {
        let own = self.principal.account();
        self.tx.quotas_of(own, &self.quotas).await
    }

    /// The first quota that this transaction would pass. Whoever commits asks before, so that no
    /// handler has to.
    ///
    /// # Errors
    /// The store failed.
    pub async fn over_bound(&mut self) -> Result<Option<OverBound>, StoreError> {
        self.tx.over_bound(&self.quotas, self.now).await
    }

    /// As [`Transaction::commit`]. It takes the transaction by value, which no handler has.
    pub async fn commit(self) -> Result<Committed, StoreError> {
        self.tx.commit().await
    }

    /// As [`Transaction::check`].
    pub async fn check(self) -> Result<Committed, StoreError> {
        self.tx.check().await
    }

    /// Writes a record.
    pub fn put<T: Entity>(&mut self, record: &T) -> Result<(), StoreError> {
        self.tx.put(record)
    }

    /// Deletes a record, as [`Transaction::remove`] does.
    pub fn remove<T: Entity>(&mut self, record: &T) {
        self.tx.remove(record);
    }

    /// Refuses what the principal may not do.
    ///
    /// This is the one place that decides, for every look-up of every service: an evaluator of IAM
    /// policies is asked here. The resource is known by its ARN, and its tags are one read away, of
    /// the same transaction.
    pub(super) fn authorize(&self, action: Action, resource: &Resource<'_>) -> Result<(), Denied> {
        if self.principal.may(action, resource) {
            return Ok(());
        }
        Err(Denied {
            principal: self.principal.arn(),
            action,
            resource: resource.to_string(),
        })
    }

    /// A look-up of what a request calls `name`.
    pub(super) fn look_up<'t, I>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, I> {
        Lookup::new(self, name)
    }

    /// A record of the principal's own. The commit depends on it.
    pub(super) async fn get_own<K: KeyParts>(
        &mut self,
        key: impl FnOnce(&Scope) -> Key<K>,
    ) -> Result<Option<K::Value>, StoreError> {
        self.tx.get(&key(self.principal.scope())).await
    }

    /// A record of the principal's own, only to be shown: the commit does not depend on it.
    pub(super) async fn peek_own<K: KeyParts>(
        &mut self,
        key: impl FnOnce(&Scope) -> Key<K>,
    ) -> Result<Option<Arc<K::Value>>, StoreError> {
        self.tx.peek_one(&key(self.principal.scope())).await
    }

    /// Records of the principal's own by something that is in them. The commit does not depend on
    /// them.
    pub(super) async fn find_own<K: Indexed>(
        &mut self,
        prefix: impl FnOnce(&Scope) -> Prefix<K>,
        term: Term<'_>,
    ) -> Result<Vec<Arc<K::Value>>, StoreError> {
        let prefix = prefix(self.principal.scope());
        self.tx.find(term, &prefix).await
    }

    /// Records of the principal's own.
    pub(super) fn scan_own<K>(&mut self, prefix: impl FnOnce(&Scope) -> Prefix<K>) -> Scan<'_, K> {
        Scan {
            prefix: prefix(self.principal.scope()),
            tx: &mut self.tx,
        }
    }

    /// What an account may have, whose VPC is at an end of a connection of the principal's.
    pub(super) async fn quotas_of(&self, account: AccountId) -> Result<Quotas, StoreError> {
        self.tx.quotas_of(account, &self.quotas).await
    }

    /// The store's own transaction, which reads whatever is asked for: for the named reads of
    /// [`across`](super::across), and for the writes of [`write`](super::write).
    pub(super) fn unscoped(&mut self) -> &mut Transaction {
        &mut self.tx
    }
}

/// All records of a kind that have one owner, before the way to read them is chosen.
#[must_use = "nothing is read until a way to read is chosen"]
pub struct Scan<'t, K> {
    tx: &'t mut Transaction,
    prefix: Prefix<K>,
}

impl<K: KeyParts> Scan<'_, K> {
    /// All of them, as [`Transaction::list`]: the commit depends on there being no other.
    pub async fn list(self) -> Result<Vec<K::Value>, StoreError> {
        self.tx.list(&self.prefix).await
    }

    /// All of them, as [`Transaction::peek`]: the commit does not depend on them.
    pub async fn peek(self) -> Result<Vec<K::Value>, StoreError> {
        self.tx.peek(&self.prefix).await
    }

    /// All of them, to look up some of them, as [`Transaction::records`].
    pub(super) async fn records(self) -> Result<Records<K>, StoreError> {
        self.tx.records(&self.prefix).await
    }

    /// All of them with their keys, as [`Transaction::peek_keyed`].
    pub(super) async fn peek_keyed(self) -> Result<Vec<(K, K::Value)>, StoreError> {
        self.tx.peek_keyed(&self.prefix).await
    }

    /// Some of them, as [`Transaction::page`]: the commit does not depend on them.
    pub async fn page(
        &mut self,
        after: Option<&Cursor<K>>,
        limit: usize,
    ) -> Result<Found<K>, StoreError> {
        self.tx.page(&self.prefix, after, limit).await
    }

    /// What the keys of all of them start with, for the token of a page.
    pub fn prefix(&self) -> &Prefix<K> {
        &self.prefix
    }
}
