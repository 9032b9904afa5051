//! Instances on this machine that the store does not know: a server that was killed at the wrong
//! moment leaves one, and so does a store that was put back from a copy. One that the store knows as
//! another host's is left alone: players may be in it, and which host is right a person has to say.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::spawn_blocking;
use tombolo_domain::fleet::{FleetStatus, Instance};
use tombolo_domain::id::HostId;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, StoreError, keys};

use super::installer;
use crate::folder::remove_folder;
use crate::{Context, TeardownError, instances_directory};

/// How long server processes have to end by themselves.
const GRACE: Duration = Duration::from_secs(2);

/// Ends the instances of the data directory that the store does not know. One that cannot be ended
/// is logged, and tried again the next time.
pub(super) async fn end_unknown(context: &Context) -> Result<(), StoreError> {
    // The folders first: a record is written before its folder is made, and removed after it.
    let folders = on_disk(context).await;
    if folders.is_empty() {
        return Ok(());
    }
    let mut tx = Transaction::new(context.store.clone());
    let instances = tx.peek(&keys::all_instances()).await?;
    for instance in of_other_hosts(&instances, &folders, &context.host.host) {
        tracing::error!(
            instance = %instance.id,
            host = instance.host.as_ref().map(HostId::as_str),
            "an instance that is recorded as another host's is in this data directory, and is \
             left as it is"
        );
    }
    let mut known: BTreeSet<String> = instances.iter().map(|one| one.id.to_string()).collect();
    // An installer has no record; it is its fleet's while that is BUILDING.
    let fleets = tx.peek(&keys::all_fleets()).await?.into_iter();
    let building = fleets.filter(|fleet| fleet.status == FleetStatus::Building);
    known.extend(building.map(|fleet| installer::folder(&fleet.id)));
    let unknown = folders.into_iter().filter(|name| !known.contains(name));
    join_all(unknown.map(|name| async move {
        let directory = directory(context, &name);
        tracing::warn!(instance = name, "an instance that no fleet has is ended");
        match end(&directory).await {
            Ok(()) => remove_folder(directory).await,
            Err(error) => tracing::error!(
                instance = name,
                error = &*error as &(dyn std::error::Error + 'static),
                "an instance that no fleet has could not be ended"
            ),
        }
    }))
    .await;
    Ok(())
}

/// The instances that have a folder in a data directory and are recorded as another host's than `host`.
/// The node leaves them as they are.
///
/// # Errors
/// Those of the store.
pub async fn instances_of_other_hosts(
    store: &Arc<dyn Store>,
    directory: &Path,
    host: &HostId,
) -> Result<Vec<Instance>, StoreError> {
    let folders = folders_in(instances_directory(directory)).await;
    let mut tx = Transaction::new(store.clone());
    let instances = tx.peek(&keys::all_instances()).await?;
    Ok(of_other_hosts(&instances, &folders, host)
        .cloned()
        .collect())
}

fn of_other_hosts<'i>(
    instances: &'i [Instance],
    folders: &BTreeSet<String>,
    host: &HostId,
) -> impl Iterator<Item = &'i Instance> {
    instances
        .iter()
        .filter(move |one| !one.is_on(host) && folders.contains(one.id.as_str()))
}

/// Ends every instance of the data directory, also one that the store does not know.
pub(crate) async fn end_all(context: &Context) -> Result<(), TeardownError> {
    let ends = on_disk(context)
        .await
        .into_iter()
        .map(|instance| async move {
            end(&directory(context, &instance))
                .await
                .map_err(|source| TeardownError::Instance { instance, source })
        });
    join_all(ends).await.into_iter().collect()
}

async fn end(directory: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if let Some(live) = tombolo_fleet::Instance::attach(directory).await? {
        live.stop(GRACE).await?;
    }
    Ok(())
}

fn directory(context: &Context, name: &str) -> PathBuf {
    context.instances_directory().join(name)
}

/// The names of the instances' folders: nothing else makes folders there.
async fn on_disk(context: &Context) -> BTreeSet<String> {
    folders_in(context.instances_directory()).await
}

async fn folders_in(directory: PathBuf) -> BTreeSet<String> {
    // A panic in there was logged by its thread.
    spawn_blocking(move || read(&directory))
        .await
        .unwrap_or_default()
}

fn read(directory: &Path) -> BTreeSet<String> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return BTreeSet::new(),
        Err(error) => {
            tracing::error!(%error, "the folder of the instances could not be read");
            return BTreeSet::new();
        }
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.collect()
}
