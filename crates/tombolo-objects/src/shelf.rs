//! Where the operations work: the store's records, the blobs' files, the clock.

use std::sync::Arc;

use s3s::{S3Request, S3Result};
use tombolo_api::error::CommonError;
use tombolo_domain::fleet::BuildStatus;
use tombolo_domain::id::IdSource;
use tombolo_domain::object::{Bucket, BucketName};
use tombolo_domain::principal::Principal;
use tombolo_domain::time::Clock;
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{Store, keys};

use crate::blob::Blobs;
use crate::error::{Unverified, denied, internal, no_such_bucket, refuse};

/// How often a transaction is started over before the client is told to try again.
const ATTEMPTS: usize = 100;

/// What the operations share.
pub(crate) struct Shelf {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
}

impl Shelf {
    pub(crate) fn begin(&self) -> Transaction {
        Transaction::new(self.store.clone())
    }

    /// Commits what one attempt has done; `false` if what it read has changed meanwhile, so that it
    /// is to be done over again.
    pub(crate) async fn commit(&self, tx: Transaction, attempts: &mut usize) -> S3Result<bool> {
        *attempts += 1;
        match tx.commit().await.map_err(stored)? {
            Committed::Yes => Ok(true),
            Committed::Conflict if *attempts < ATTEMPTS => Ok(false),
            Committed::Conflict => Err(refuse(
                CommonError::Busy,
                format!(
                    "Others changed the same objects {ATTEMPTS} times meanwhile; try it again."
                ),
            )),
        }
    }
}

/// Runs a block in a transaction and commits it, over again for as long as what it read changes
/// meanwhile: `transact!(shelf, tx, { … })` is an `S3Result` of what the block ends with. (A macro,
/// since a future that borrows from an async closure is not known to be `Send`.)
macro_rules! transact {
    ($shelf:expr, $tx:ident, $work:block) => {{
        let mut attempts = 0;
        loop {
            let mut transaction = $shelf.begin();
            let $tx = &mut transaction;
            let outcome: s3s::S3Result<_> = async { $work }.await;
            match outcome {
                Err(error) => break Err(error),
                Ok(outcome) => match $shelf.commit(transaction, &mut attempts).await {
                    Err(error) => break Err(error),
                    Ok(true) => break Ok(outcome),
                    Ok(false) => {}
                },
            }
        }
    }};
}
pub(crate) use transact;

/// A failure of the store.
pub(crate) fn stored(error: tombolo_store::StoreError) -> s3s::S3Error {
    internal("using the store", error)
}

/// Who calls, which was verified before `s3s` saw the request.
pub(crate) fn principal<T>(request: &S3Request<T>) -> S3Result<Principal> {
    let principal = request.extensions.get::<Principal>().cloned();
    principal.ok_or_else(|| internal("finding the principal", Unverified))
}

/// A bucket of the caller's own. Another account's is none, whatever it is called.
pub(crate) async fn own_bucket(
    tx: &mut Transaction,
    principal: &Principal,
    name: &str,
) -> S3Result<Bucket> {
    let found = match name.parse::<BucketName>() {
        Ok(parsed) => tx.get(&keys::bucket(principal.scope(), &parsed)).await,
        Err(_) => Ok(None),
    };
    found.map_err(stored)?.ok_or_else(|| no_such_bucket(name))
}

/// The bucket that the caller may put objects into: its own, or with an upload credential the
/// server's. That the credential is for this very object was checked at the gate.
pub(crate) async fn writable_bucket(
    tx: &mut Transaction,
    principal: &Principal,
    name: &str,
) -> S3Result<BucketName> {
    if principal.upload().is_none() {
        return Ok(own_bucket(tx, principal, name).await?.name);
    }
    check_build_awaits(tx, principal).await?;
    Ok(BucketName::of_builds())
}

/// Refuses the upload of a build that has its files, or awaits none: they never change.
pub(crate) async fn check_build_awaits(
    tx: &mut Transaction,
    principal: &Principal,
) -> S3Result<()> {
    let Some(id) = principal.upload() else {
        return Ok(());
    };
    let build = tx.get(&keys::build(principal.scope(), id)).await;
    let Some(build) = build.map_err(stored)? else {
        return Err(denied(format!("Build {id} was deleted.")));
    };
    let at = build.object();
    let object = keys::object(principal.scope(), &at.bucket, &at.key);
    let is_here = tx.get(&object).await.map_err(stored)?.is_some();
    if build.source.is_some() || build.status != BuildStatus::Initialized || is_here {
        return Err(denied(format!(
            "The files of build {id} are uploaded, and never change; create a new build."
        )));
    }
    Ok(())
}
