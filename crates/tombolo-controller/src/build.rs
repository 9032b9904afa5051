//! Builds become READY or FAILED by what nodes made of their archives.
//!
//! A build is INITIALIZED until its files are where instances find them, and READY only then. Its
//! archive goes in the same transaction, so that a server which is killed anywhere finds one or the
//! other: what was being unpacked is unpacked again.

use tombolo_domain::fleet::{Build, BuildStatus};
use tombolo_domain::id::{BlobId, HostId};
use tombolo_domain::reported::{ReportedBuild, UnpackOutcome};
use tombolo_store::typed::transact;
use tombolo_store::{StoreError, keys};

use crate::{Context, Unpacked};

/// Writes what became of a build's archive. `false`: the build was deleted meanwhile.
pub(crate) async fn unpacked(
    context: &Context,
    host: &HostId,
    build: &Build,
    outcome: Unpacked,
) -> Result<bool, StoreError> {
    let key = keys::build(&build.scope, &build.id);
    let report = ReportedBuild {
        scope: build.scope.clone(),
        build: build.id.clone(),
        host: host.clone(),
        outcome: reported(&outcome),
    };
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
        tx.put(&report)?;
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

fn reported(outcome: &Unpacked) -> UnpackOutcome {
    match outcome {
        Unpacked::Files { size_bytes } => UnpackOutcome::Unpacked {
            size_bytes: *size_bytes,
        },
        Unpacked::Failed(reason) => UnpackOutcome::Failed {
            reason: reason.clone(),
        },
        Unpacked::NotYet(reason) => UnpackOutcome::Refused {
            reason: reason.clone(),
        },
    }
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
