//! What the handlers of all operations share: the store, the blobs, transactions and look-ups.

use std::sync::Arc;

use s3s::{S3Error, S3Request, S3Result};
use tombolo_api::error::CommonError;
use tombolo_api::lookup::{BucketOfBuilds, Denied, Failed, InBucket, ScopedTransaction};
use tombolo_domain::error_chain;
use tombolo_domain::fleet::BuildStatus;
use tombolo_domain::id::IdSource;
use tombolo_domain::object::{Bucket, BucketName};
use tombolo_domain::principal::{Action, Principal};
use tombolo_domain::quota::Quotas;
use tombolo_domain::time::Clock;
use tombolo_store::typed::{Attempts, Committed};
use tombolo_store::{Store, StoreError};

use crate::blob::Blobs;
use crate::error::{Unverified, denied, internal, no_such_bucket, over_bound, refuse};

/// S3's operations over the store and the blobs; each is a method, in the file of its resource.
pub(crate) struct ObjectService {
    /// Private to this file: the operations read by the look-ups of their principal.
    store: Arc<dyn Store>,
    quotas: Quotas,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
}

impl ObjectService {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        quotas: Quotas,
        blobs: Blobs,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        ObjectService {
            store,
            quotas,
            blobs,
            clock,
            ids,
        }
    }

    pub(crate) fn begin<'p>(&self, principal: &'p Principal) -> ScopedTransaction<'p> {
        let tx = ScopedTransaction::new(self.store.clone(), principal, self.clock.now());
        tx.within(self.quotas)
    }

    /// Commits one attempt. `false`: a record that it read has changed meanwhile, so the caller
    /// must run the block again.
    pub(crate) async fn commit(
        &self,
        mut tx: ScopedTransaction<'_>,
        attempts: &mut Attempts,
    ) -> S3Result<bool> {
        if let Some(over) = tx.over_bound().await.map_err(store_error)? {
            return Err(over_bound(&over));
        }
        if tx.commit().await.map_err(store_error)? == Committed::Yes {
            return Ok(true);
        }
        match attempts.after_conflict().await {
            Ok(()) => Ok(false),
            Err(overtaken) => Err(refuse(
                CommonError::Busy,
                format!(
                    "Others changed the same objects {} times meanwhile; try it again.",
                    overtaken.attempts
                ),
            )),
        }
    }
}

/// Runs a block in a transaction and commits it, over again for as long as what it read changes
/// meanwhile: `transact!(service, principal, tx, { … })` is an `S3Result` of what the block ends
/// with. (A macro, since a future that borrows from an async closure is not known to be `Send`.)
macro_rules! transact {
    ($service:expr, $principal:expr, $tx:ident, $work:block) => {{
        let mut attempts = tombolo_store::typed::Attempts::default();
        loop {
            let mut transaction = $service.begin(&$principal);
            let $tx = &mut transaction;
            let outcome: s3s::S3Result<_> = async { $work }.await;
            match outcome {
                Err(error) => break Err(error),
                Ok(outcome) => match $service.commit(transaction, &mut attempts).await {
                    Err(error) => break Err(error),
                    Ok(true) => break Ok(outcome),
                    Ok(false) => {}
                },
            }
        }
    }};
}
pub(crate) use transact;

/// The error of a request during which the store failed.
pub(crate) fn store_error(error: StoreError) -> S3Error {
    match error {
        // Nothing is wrong with the request, and nothing that is older is answered instead.
        StoreError::Behind { .. } => {
            tracing::warn!(error = error_chain(&error), "a request was refused for now");
            refuse(
                CommonError::Busy,
                "The service cannot see its latest changes at the moment; try again.",
            )
        }
        error => internal("using the store", error),
    }
}

/// The error of a look-up that was denied, or during which the store failed.
pub(crate) fn lookup_error(error: Failed) -> s3s::S3Error {
    match error {
        Failed::Denied(refusal) => access_denied(refusal),
        Failed::Store(error) => store_error(error),
    }
}

/// The error of an action that the principal may not do.
pub(crate) fn access_denied(refusal: Denied) -> s3s::S3Error {
    denied(refusal.to_string())
}

/// The principal, whose signature was verified before `s3s` saw the request, and the action that
/// the access control allowed.
pub(crate) fn authorized<T>(request: &S3Request<T>) -> S3Result<(Principal, Action)> {
    let principal = request.extensions.get::<Principal>().cloned();
    let action = request.extensions.get::<Action>().copied();
    match (principal, action) {
        (Some(principal), Some(action)) => Ok((principal, action)),
        _ => Err(internal("finding the principal", Unverified)),
    }
}

/// A bucket of the caller's account. Another account's is answered as if it did not exist.
pub(crate) async fn own_bucket(
    tx: &mut ScopedTransaction<'_>,
    action: Action,
    name: &str,
) -> S3Result<Bucket> {
    let found = tx.bucket(name).find(action).await.map_err(lookup_error)?;
    found.ok_or_else(|| no_such_bucket(name))
}

/// A bucket that objects can be put into.
pub(crate) enum Destination {
    /// One of the caller's own.
    Own(Bucket),
    /// The server's, for one build.
    OfBuilds(BucketOfBuilds),
}

impl InBucket for Destination {
    fn bucket(&self) -> &BucketName {
        match self {
            Destination::Own(bucket) => bucket.bucket(),
            Destination::OfBuilds(bucket) => bucket.bucket(),
        }
    }
}

/// The bucket that the caller may put objects into: its own, or with an upload credential the
/// server's, while the build awaits its files. That the credential is for this very object was
/// checked by the access control.
pub(crate) async fn destination(
    tx: &mut ScopedTransaction<'_>,
    action: Action,
    name: &str,
) -> S3Result<Destination> {
    let Some((bucket, id)) = tx.bucket_of_builds() else {
        return Ok(Destination::Own(own_bucket(tx, action, name).await?));
    };
    let build = tx.build_to_upload(id).await;
    let Some(build) = build.map_err(store_error)? else {
        return Err(denied(format!("Build {id} was deleted.")));
    };
    let object = tx.object_in(&bucket, &build.object().key).await;
    let is_here = object.map_err(store_error)?.is_some();
    if build.source.is_some() || build.status != BuildStatus::Initialized || is_here {
        return Err(denied(format!(
            "The files of build {id} are uploaded, and never change; create a new build."
        )));
    }
    Ok(Destination::OfBuilds(bucket))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tombolo_store::Revision;

    use super::*;

    #[test]
    fn who_is_behind_says_to_try_again_and_what_failed_says_that_it_did() {
        let behind = store_error(StoreError::Behind {
            reached: Revision(1),
            acknowledged: Some(Revision(2)),
        });
        assert_eq!(behind.status_code(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(behind.code().as_str(), "ServiceUnavailable");
        let closed = store_error(StoreError::Closed);
        assert_eq!(
            closed.status_code(),
            Some(StatusCode::INTERNAL_SERVER_ERROR)
        );
    }
}
