//! Builds become READY or FAILED by what nodes made of their archives.
//!
//! A build is INITIALIZED until its files are where instances find them, and READY only then. Its
//! archive goes in the same transaction, so that a server which is killed anywhere finds one or the
//! other: what was being unpacked is unpacked again.

use tombolo_domain::fleet::{Build, BuildStatus};
use tombolo_domain::id::BlobId;
use tombolo_store::typed::transact;
use tombolo_store::{StoreError, keys};

use crate::{Context, Unpacked};

/// Writes what became of a build's archive. `false`: the build was deleted meanwhile.
pub(crate) async fn unpacked(
    context: &Context,
    build: &Build,
    outcome: Unpacked,
) -> Result<bool, StoreError> {
    let key = keys::build(&build.scope, &build.id);
    let is_there = transact(&context.store, async |tx| {
        let Some(mut build) = tx.get(&key).await? else {
            return Ok(false);
        };
        match &outcome {
            Unpacked::Files { size_bytes } => {
                build.status = BuildStatus::Ready;
                build.size_on_disk = Some(*size_bytes);
                build.failure = None;
                tx.remove_upload_of_build(&build).await?;
            }
            Unpacked::Failed(reason) => {
                build.status = BuildStatus::Failed;
                build.failure = Some(reason.clone());
                tx.remove_upload_of_build(&build).await?;
            }
            Unpacked::NotYet(reason) if build.failure.as_ref() == Some(reason) => return Ok(true),
            Unpacked::NotYet(reason) => build.failure = Some(reason.clone()),
        }
        tx.put(&build)?;
        Ok(true)
    })
    .await?;
    let id = &build.id;
    match &outcome {
        Unpacked::Files { size_bytes } => {
            tracing::info!(build = %id, bytes = size_bytes, "ready");
        }
        Unpacked::Failed(reason) => tracing::info!(build = %id, "failed: {reason}"),
        Unpacked::NotYet(_) => {}
    }
    Ok(is_there)
}

/// Forgets blobs that nothing named any more, and whose files are gone.
pub(crate) async fn forget_blobs(context: &Context, blobs: &[BlobId]) -> Result<(), StoreError> {
    transact(&context.store, async |tx| {
        for blob in blobs {
            tx.delete(&keys::unused_blob(blob));
        }
        Ok(())
    })
    .await
}
