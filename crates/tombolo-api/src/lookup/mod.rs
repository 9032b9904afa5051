//! What a handler may read: what its principal owns, and by name what reaches further.
//!
//! A handler holds a [`ScopedTransaction`] and no other way to the store. Each look-up states the
//! record's owner and the action, so that every operation answers for another account's resource as
//! if it did not exist, without any code in its handler; and one place, [`Lookup::to`], decides what a
//! principal may do. The model is omicron's `LookupPath`.
//!
//! # Writing a handler
//!
//! 1. **What the request names** is looked up by that text, and for the operation's action:
//!    `let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?`. Parsing is the look-up's, and
//!    so is refusing what is malformed or unknown, in the words of the handler's service. The commit
//!    depends on what was found. [`Lookup::find`] is for handlers that refuse with another error.
//! 2. **What is kept under a record** is read by the record in hand, whose look-up was authorized:
//!    `tx.subnets_of(&vpc).list().await?`. A record of a VPC's stands for its VPC ([`InVpc`]).
//! 3. **All of a kind** is a listing, which is for an action too:
//!    `tx.fleets().to(call.action())?.peek().await?`. What is in VPCs is listed within those that EC2
//!    shows: `let vpcs = tx.vpcs().to(call.action()).await?`, then `tx.subnets_in(&vpcs).await?`.
//!    What is looked for by something else than how its key starts has a `Term` in the store's read
//!    model: a look-up never goes through all records of a kind for one of them.
//! 4. **Does the commit depend on it?** A look-up, `list` and reads by a key bind the commit to what
//!    was read; `peek` and `page` do not. Records that a check covers are listed, records that are
//!    only shown are peeked at; say which, and why, in a comment.
//! 5. **What another account owns, or a fleet hides**, is read by a function of [`across`] and in no
//!    other way. If there is none, `docs/decisions.md` has no decision that allows it: begin there.
//!
//! A handler cannot read what it has no look-up for:
//!
//! ```compile_fail
//! # use tombolo_api::lookup::ScopedTransaction;
//! # use tombolo_store::keys;
//! async fn handler(tx: &mut ScopedTransaction<'_>) {
//!     let everyones = tx.peek(&keys::all_vpcs()).await;
//! }
//! ```
//!
//! nor take the transaction out, which could:
//!
//! ```compile_fail
//! # use tombolo_api::lookup::ScopedTransaction;
//! # use tombolo_store::keys;
//! async fn handler(tx: &mut ScopedTransaction<'_>) {
//!     let everyones = tx.unscoped().peek(&keys::all_vpcs()).await;
//! }
//! ```
//!
//! nor read a listing without an action:
//!
//! ```compile_fail
//! # use tombolo_api::lookup::ScopedTransaction;
//! async fn handler(tx: &mut ScopedTransaction<'_>) {
//!     let buckets = tx.buckets().peek().await;
//! }
//! ```
//!
//! where the same with an action does compile, and so does the same key in the hands of whoever has
//! the store itself:
//!
//! ```
//! # use std::sync::Arc;
//! # use tombolo_api::lookup::ScopedTransaction;
//! # use tombolo_domain::principal::Action;
//! # use tombolo_store::{Store, keys};
//! # use tombolo_store::typed::Transaction;
//! async fn handler(tx: &mut ScopedTransaction<'_>, action: Action) {
//!     let buckets = tx.buckets().to(action).unwrap().peek().await;
//! }
//! async fn server(store: Arc<dyn Store>) {
//!     let everyones = Transaction::new(store).peek(&keys::all_vpcs()).await;
//! }
//! ```
//!
//! These are compiled outside this crate. That its own handlers cannot either is held by the
//! visibility of the raw reads in `scoped.rs`, and that by `tests/operations/lookups.rs`.

pub mod across;
mod gamelift;
mod object;
mod peering;
mod scoped;
mod share;
mod tag;
mod vpc;
mod write;

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::str::FromStr;

use tombolo_domain::Scope;
use tombolo_domain::arn::Resource;
use tombolo_domain::id::MalformedId;
use tombolo_domain::principal::Action;
use tombolo_store::StoreError;

pub use object::{BucketOfBuilds, InBucket};
pub use scoped::{Scan, ScopedTransaction};
pub(crate) use tag::{AllTags, empty_tags};
pub use vpc::{CustomerVpcs, InVpc};

use crate::error::{ApiError, CommonError};

/// An id by which a request names something of its principal's.
pub trait LookupKey: Sized + FromStr<Err = MalformedId> {
    /// What is found by it.
    type Record;

    /// Parses what a request wrote. `_owner` is who the resource has to belong to, which matters
    /// where an ARN may stand for an id.
    fn parse(_owner: &Scope, text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The resource that is authorized before anything is read; `None` if that is another resource,
    /// which [`read`](LookupKey::read) finds and authorizes itself.
    fn resource<'a>(&'a self, owner: &'a Scope) -> Option<Resource<'a>>;

    /// The record, if the principal has it. The commit depends on it.
    fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        action: Action,
    ) -> impl Future<Output = Result<Option<Self::Record>, Failed>> + Send;
}

/// The look-up of what a request names, before its action is given.
#[must_use = "nothing is read until an action is given"]
pub struct Lookup<'t, 'p, I> {
    tx: &'t mut ScopedTransaction<'p>,
    name: &'t str,
    id: PhantomData<fn() -> I>,
}

impl<'t, 'p, I> Lookup<'t, 'p, I> {
    fn new(tx: &'t mut ScopedTransaction<'p>, name: &'t str) -> Self {
        Lookup {
            tx,
            name,
            id: PhantomData,
        }
    }
}

impl<I: LookupKey> Lookup<'_, '_, I> {
    /// The principal's record, to do `action` on it. The commit depends on it.
    ///
    /// # Errors
    /// [`LookupError::NotFound`], the same whether or not another account has such a resource, and if
    /// a fleet hides it.
    pub async fn to(self, action: Action) -> Result<I::Record, LookupError<I>> {
        let (name, owner) = (self.name, self.tx.principal().scope());
        match self.find(action).await {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(LookupError::NotFound(NotFound {
                name: name.to_owned(),
                owner: owner.clone(),
                id: PhantomData,
            })),
            Err(error) => Err(LookupError::Failed(error)),
        }
    }

    /// As [`to`](Lookup::to), with `None` for what the principal does not have.
    pub async fn find(self, action: Action) -> Result<Option<I::Record>, Failed> {
        let owner = self.tx.principal().scope();
        let Some(id) = I::parse(owner, self.name) else {
            return Ok(None);
        };
        if let Some(resource) = id.resource(owner) {
            self.tx.authorize(action, &resource)?;
        }
        id.read(self.tx, action).await
    }
}

/// All of one kind that the principal has, before its action is given.
#[must_use = "nothing is read until an action is given"]
pub struct Listing<'t, 'p, K> {
    tx: &'t mut ScopedTransaction<'p>,
    scan: fn(&'t mut ScopedTransaction<'p>) -> Scan<'t, K>,
}

impl<'t, 'p, K> Listing<'t, 'p, K> {
    fn new(
        tx: &'t mut ScopedTransaction<'p>,
        scan: fn(&'t mut ScopedTransaction<'p>) -> Scan<'t, K>,
    ) -> Self {
        Listing { tx, scan }
    }

    /// To do `action`, which is on no resource of its own.
    pub fn to(self, action: Action) -> Result<Scan<'t, K>, Denied> {
        self.tx.authorize(action, &Resource::Any)?;
        Ok((self.scan)(self.tx))
    }
}

/// Why a look-up by an id of kind `I` gave no record.
#[derive(Debug)]
pub enum LookupError<I> {
    /// The principal has none.
    NotFound(NotFound<I>),
    /// The principal is not authorized, or the store failed.
    Failed(Failed),
}

/// A resource that does not exist, as far as a principal may know.
pub struct NotFound<I> {
    /// What the request wrote.
    pub name: String,
    /// Who has no such resource, and where.
    pub owner: Scope,
    id: PhantomData<fn() -> I>,
}

impl<I> Debug for NotFound<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotFound")
            .field("name", &self.name)
            .field("owner", &self.owner)
            .finish()
    }
}

/// Why a look-up failed, of whatever kind its resource is.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Failed {
    /// The principal is not authorized.
    Denied(#[from] Denied),
    /// The store failed.
    Store(#[from] StoreError),
}

/// An action that a principal is not authorized for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("User: {principal} is not authorized to perform: {action} on resource: {resource}")]
pub struct Denied {
    /// Its ARN.
    pub principal: String,
    /// What it asked to do.
    pub action: Action,
    /// The ARN of what it asked to do it on.
    pub resource: String,
}

impl<E: From<CommonError> + Copy> From<Denied> for ApiError<E> {
    fn from(denied: Denied) -> Self {
        ApiError::new(CommonError::AccessDenied.into(), denied.to_string())
    }
}

impl<E: From<CommonError> + Copy> From<Failed> for ApiError<E> {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Denied(denied) => denied.into(),
            Failed::Store(error) => error.into(),
        }
    }
}
