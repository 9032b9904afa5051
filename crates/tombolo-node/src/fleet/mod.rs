//! The fleet reconciler: one worker a fleet takes it from NEW to ACTIVE, keeps as many instances
//! running as it is to have, turns what their supervisors report into events, and takes it away.
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`worker`] | the walk through the fleet's states |
//! | [`set`] | which instances there are: the missing are made, the surplus is ended |
//! | [`ports`] | which ports of the public address lead to them |
//! | [`scaling`] | how many there are to be, as scaling policies have it |
//! | [`installer`] | the build's `install.sh`, once for the fleet |
//! | [`lives`], [`life`] | a task an instance: from its interface to its end |
//! | [`supervised`] | what an instance's supervisor is started with |
//! | [`take`], [`report`] | what supervisors report, as events |
//! | [`record`] | the fleet's record, its steps and its failure |
//! | [`orphan`] | what runs here that the store does not know |

mod backoff;
mod installer;
mod life;
mod lives;
mod orphan;
mod ports;
mod record;
mod report;
mod scaling;
mod set;
mod supervised;
mod take;
mod validation;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{Compute, FleetStatus};
use tombolo_domain::id::FleetId;
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use crate::Context;
use crate::network::NetworkStatus;
use crate::wake::Wake;
use life::Surroundings;
use record::Record;
use worker::Worker;

pub(crate) use orphan::end_all;

/// How long to wait at most before looking again.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How many supervisors may be on their way up at once: each is a process that mounts and forks,
/// and more at a time only take each other's CPU.
const STARTS: usize = 8;

/// Ends what no fleet has, and starts a worker for every fleet that needs one.
pub(crate) async fn run(context: Context, wake: Wake, network: watch::Receiver<NetworkStatus>) {
    let mut wakes = wake.fleets();
    let mut tasks = JoinSet::new();
    let mut workers: BTreeMap<FleetId, AbortHandle> = BTreeMap::new();
    let starts = Arc::new(Semaphore::new(STARTS));
    tasks.spawn_local(end_unknown(context.clone()));
    loop {
        let _ = timeout(RESYNC, wakes.changed()).await;
        while tasks.try_join_next().is_some() {}
        workers.retain(|_, worker| !worker.is_finished());
        match managed(&context).await {
            Ok(fleets) => {
                for (scope, id) in fleets {
                    workers.entry(id.clone()).or_insert_with(|| {
                        let wakes = wake.fleet(&id);
                        let context = context.clone();
                        let worker = Worker::new(Surroundings {
                            record: Record { context, scope, id },
                            network: network.clone(),
                            starts: starts.clone(),
                        });
                        tasks.spawn_local(worker.run(wakes))
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

async fn end_unknown(context: Context) {
    if let Err(error) = orphan::end_unknown(&context).await {
        tracing::error!(
            error = &error as &(dyn std::error::Error + 'static),
            "the instances could not be read, to end those that no fleet has"
        );
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
