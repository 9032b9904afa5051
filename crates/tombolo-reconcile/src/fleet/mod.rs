//! The fleet reconciler: one worker a fleet takes it from NEW to ACTIVE, keeps its instance
//! running, turns what its supervisor reports into events, and takes it away.

mod instance;
mod report;
mod transition;
mod validation;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{Compute, FleetStatus};
use tombolo_domain::id::{FleetId, InstanceId};
use tombolo_fleet::Instance;
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use crate::network::NetworkStatus;
use crate::wake::Wake;
use crate::{Context, TeardownError};
use worker::Worker;

/// How long to wait at most before looking again.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long server processes have to end by themselves when the whole server goes.
const TEARDOWN_GRACE: Duration = Duration::from_secs(2);

/// Starts a worker for every fleet that needs one.
pub(crate) async fn run(context: Context, wake: Wake, network: watch::Receiver<NetworkStatus>) {
    let mut wakes = wake.fleets();
    let mut tasks = JoinSet::new();
    let mut workers: BTreeMap<FleetId, AbortHandle> = BTreeMap::new();
    loop {
        let _ = timeout(RESYNC, wakes.changed()).await;
        while tasks.try_join_next().is_some() {}
        workers.retain(|_, worker| !worker.is_finished());
        match managed(&context).await {
            Ok(fleets) => {
                for (scope, fleet) in fleets {
                    workers.entry(fleet.clone()).or_insert_with(|| {
                        let worker = Worker::new(context.clone(), scope, fleet, network.clone());
                        tasks.spawn_local(worker.run(wake.fleets()))
                    });
                }
            }
            Err(error) => tracing::error!(
                error = &error as &(dyn std::error::Error + 'static),
                "the fleets could not be read"
            ),
        }
    }
}

/// The fleets that have, or will have, something on this machine.
async fn managed(context: &Context) -> Result<Vec<(Scope, FleetId)>, StoreError> {
    let fleets = Transaction::new(context.store.clone())
        .peek(&keys::all_fleets())
        .await?;
    let managed = fleets.into_iter().filter(|fleet| {
        matches!(fleet.compute, Compute::Managed(_)) && fleet.status != FleetStatus::Terminated
    });
    Ok(managed.map(|fleet| (fleet.scope, fleet.id)).collect())
}

/// Ends every instance of the data directory, also one that the store does not know.
pub(crate) async fn end_all(context: &Context) -> Result<(), TeardownError> {
    let ends = instances_on_disk(context)
        .into_iter()
        .map(|instance| async move {
            end(context, &instance)
                .await
                .map_err(|source| TeardownError::Instance { instance, source })
        });
    join_all(ends).await.into_iter().collect()
}

async fn end(
    context: &Context,
    instance: &InstanceId,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if let Some(live) = Instance::attach(&context.instance_directory(instance)).await? {
        live.stop(TEARDOWN_GRACE).await?;
    }
    Ok(())
}

fn instances_on_disk(context: &Context) -> Vec<InstanceId> {
    let entries = match std::fs::read_dir(context.directory.join("instances")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::error!(%error, "the folder of the instances could not be read");
            return Vec::new();
        }
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}
