//! Instances on this machine that the store does not know: a server that was killed at the wrong
//! moment leaves one, and so does a store that was put back from a copy. One that the store knows as
//! another host's is left alone: players may be in it, and which host is right a person has to say.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use tokio::task::spawn_blocking;
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::HostId;
use tombolo_fleet::Instance;
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use super::installer;
use crate::folder::remove_folder;
use crate::{Context, TeardownError};

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
    for instance in &instances {
        if !instance.is_on(&context.host.host) && folders.contains(instance.id.as_str()) {
            tracing::error!(
                instance = %instance.id,
                host = instance.host.as_ref().map(HostId::as_str),
                "an instance that is recorded as another host's is in this data directory, and is \
                 left as it is"
            );
        }
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
    if let Some(live) = Instance::attach(directory).await? {
        live.stop(GRACE).await?;
    }
    Ok(())
}

fn directory(context: &Context, name: &str) -> PathBuf {
    context.instances_directory().join(name)
}

/// The names of the instances' folders: nothing else makes folders there.
async fn on_disk(context: &Context) -> BTreeSet<String> {
    let directory = context.instances_directory();
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
