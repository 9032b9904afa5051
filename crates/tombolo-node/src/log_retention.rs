//! The logs of instances that are gone, of which a fleet that is scaled, or whose instances end again
//! and again, has ever more.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::task::spawn_blocking;
use tombolo_domain::id::{FleetId, InstanceId};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use crate::folder::{fleets_in, remove_folder};
use crate::{Context, logs_directory};

/// How much of a fleet's instances that are gone is kept, in bytes, beside the last one's.
const MOST_BYTES: u64 = 1 << 30;

/// What a file or folder takes at least, in bytes: a block.
const BLOCK: u64 = 4096;

/// Removes the oldest logs of instances that are gone.
pub(crate) async fn logs(context: &Context) -> Result<(), StoreError> {
    let fleets = fleets_in(context.directory.join("logs")).await;
    let directory = context.directory.clone();
    let found = spawn_blocking(move || {
        let of_fleets = fleets.into_iter().flat_map(|fleet| {
            let of_fleet = instances_in(&logs_directory(&directory, &fleet));
            of_fleet.into_iter().map(move |one| (fleet.clone(), one))
        });
        of_fleets.collect::<Vec<_>>()
    });
    // A panic in there was logged by its thread.
    let mut found = found.await.unwrap_or_default();
    if found.is_empty() {
        return Ok(());
    }
    // An instance is there before its logs are, and these were looked for before.
    let mut tx = Transaction::new(context.store.clone());
    let instances = tx.peek(&keys::all_instances()).await?;
    let known: BTreeSet<&InstanceId> = instances.iter().map(|one| &one.id).collect();
    found.retain(|(_, (instance, _))| !known.contains(instance));
    let excess = spawn_blocking(move || excess(found)).await;
    // A panic in there was logged by its thread.
    for folder in excess.unwrap_or_default() {
        tracing::info!(folder = %folder.display(), "the logs of an instance that is gone make room for later ones");
        remove_folder(folder).await;
    }
    Ok(())
}

/// The folders of instances in a fleet's.
fn instances_in(folder: &Path) -> Vec<(InstanceId, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let found = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let instance = entry.file_name().to_str()?.parse().ok()?;
        Some((instance, entry.path()))
    });
    found.collect()
}

/// Those that are too much for their fleet.
fn excess(gone: Vec<(FleetId, (InstanceId, PathBuf))>) -> Vec<PathBuf> {
    let sized = gone.into_iter().filter_map(|(fleet, (_, folder))| {
        // One that cannot be read is not removed either, and the log says so when its fleet goes.
        let (written, bytes) = size(&folder).ok()?;
        Some((fleet, Reverse(written), bytes, folder))
    });
    let mut sized: Vec<_> = sized.collect();
    sized.sort_unstable();
    let mut excess = Vec::new();
    let mut so_far: Option<(FleetId, u64)> = None;
    for (fleet, _, bytes, folder) in sized {
        let before = match &so_far {
            Some((same, before)) if *same == fleet => *before,
            // The last instance tells most, and its logs are bounded by themselves.
            _ => {
                so_far = Some((fleet, bytes));
                continue;
            }
        };
        if before.saturating_add(bytes) > MOST_BYTES {
            excess.push(folder);
        }
        so_far = Some((fleet, before.saturating_add(bytes)));
    }
    excess
}

/// When something in there was written last, and how long everything is together.
fn size(path: &Path) -> io::Result<(SystemTime, u64)> {
    let found = fs::symlink_metadata(path)?;
    let (mut written, mut bytes) = (found.modified()?, found.len().max(BLOCK));
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            let (later, more) = size(&entry?.path())?;
            written = written.max(later);
            bytes = bytes.saturating_add(more);
        }
    }
    Ok((written, bytes))
}
