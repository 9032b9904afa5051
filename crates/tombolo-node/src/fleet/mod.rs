//! Fleets on this machine: a worker each has their builds ready, their instances running, and takes
//! away what is to go.
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`worker`] | what each status of the fleet asks for on this machine |
//! | [`validation`] | the build's files, held against what is to run |
//! | [`installer`] | the build's `install.sh`, once for the fleet |
//! | [`instance_tasks`], [`instance_task`] | a task an instance: from its interface to its end |
//! | [`supervised`] | what an instance's supervisor is started with |
//! | [`event`] | what supervisors say, as it is reported |
//! | [`orphan`] | what runs here that the store does not know |

mod backoff;
mod event;
mod installer;
mod instance_task;
mod instance_tasks;
mod orphan;
mod supervised;
mod validation;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, spawn_blocking};
use tombolo_controller::{FleetAt, Reports};
use tombolo_domain::fleet::{Compute, FleetStatus};
use tombolo_domain::id::FleetId;
use tombolo_store::keys::{self, Kind};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, Wake};
use tombolo_tasks::{Members, Reason, reason_to_run};

use crate::Context;
use crate::network::NetworkStatus;
use worker::Worker;

pub(crate) use orphan::end_all;
pub use orphan::instances_of_other_hosts;

/// How long to wait at most before looking again.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How many supervisors may be on their way up at once: each is a process that mounts and forks,
/// and more at a time only take each other's CPU.
const STARTS: usize = 8;

/// What the worker of a fleet reads.
const OF_A_FLEET: [Kind; 3] = [Kind::Fleet, Kind::Instance, Kind::Connection];

/// What everything of a fleet works with.
#[derive(Clone)]
pub(crate) struct FleetContext {
    pub(crate) context: Context,
    pub(crate) reports: Arc<dyn Reports>,
    pub(crate) fleet: FleetAt,
    pub(crate) network: watch::Receiver<NetworkStatus>,
    /// How many supervisors may be on their way up at once, on the whole machine.
    pub(crate) starts: Arc<Semaphore>,
}

impl FleetContext {
    fn read(&self) -> Transaction {
        Transaction::new(self.context.store.clone())
    }
}

/// The loop's name, and those of the workers, of the instances, and of what ends what no fleet has.
pub(crate) const TASK: &str = "node/fleets";
const WORKER: &str = "node/fleet";
pub(crate) const INSTANCE: &str = "node/instance";
const ORPHANS: &str = "node/orphans";

/// Ends what no fleet has, and starts a worker for every fleet that needs one.
pub(crate) async fn run(
    context: Context,
    reports: Arc<dyn Reports>,
    wake: Wake,
    network: watch::Receiver<NetworkStatus>,
) {
    let tasks = &context.tasks;
    let task = tasks.task(TASK, "has a worker for every fleet", RESYNC);
    tasks.declare(WORKER, "has a fleet on this machine as it is to be", RESYNC);
    // An instance that runs well has nothing to do.
    tasks.declare(
        INSTANCE,
        "takes an instance from its interface to its end",
        None,
    );
    tasks.declare(
        ORPHANS,
        "ends the instances that no fleet has, at the start",
        None,
    );
    let mut wakes = wake.on(&[Kind::Fleet]);
    let mut running = Members::new(WORKER);
    let mut workers: BTreeMap<FleetId, AbortHandle> = BTreeMap::new();
    let starts = Arc::new(Semaphore::new(STARTS));
    let mut ending = Members::new(ORPHANS);
    ending.spawn({
        let (context, orphans) = (context.clone(), tasks.member(ORPHANS));
        async move {
            // What could not be read now is ended at the next start.
            let ending = orphan::end_unknown(&context);
            let _ = orphans.run(Reason::Period, ending).await;
        }
    });
    loop {
        let reason = loop {
            select! {
                reason = reason_to_run(&mut wakes, RESYNC) => break reason,
                () = running.ended() => {}
                () = ending.ended() => {}
            }
        };
        workers.retain(|_, worker| !worker.is_finished());
        // What failed is logged, and looked at again.
        let fleets = task
            .run(reason, managed(&context))
            .await
            .unwrap_or_default();
        for fleet in fleets {
            workers.entry(fleet.id.clone()).or_insert_with(|| {
                let wakes = wake.on_fleet(&OF_A_FLEET, &fleet.id);
                let of_fleet = FleetContext {
                    context: context.clone(),
                    reports: reports.clone(),
                    fleet,
                    network: network.clone(),
                    starts: starts.clone(),
                };
                let worker = Worker::new(of_fleet, tasks.member(WORKER));
                running.spawn(worker.run(wakes))
            });
        }
    }
}

/// The fleets that have, or will have, something on this machine.
async fn managed(context: &Context) -> Result<Vec<FleetAt>, StoreError> {
    let fleets = Transaction::new(context.store.clone())
        .peek(&keys::all_fleets())
        .await?;
    let managed = fleets.into_iter().filter(|fleet| {
        matches!(fleet.compute, Compute::Managed(_)) && fleet.status != FleetStatus::Terminated
    });
    let managed = managed.map(|fleet| FleetAt {
        scope: fleet.scope,
        id: fleet.id,
    });
    Ok(managed.collect())
}

async fn is_there(directory: PathBuf) -> bool {
    let looked = spawn_blocking(move || directory.is_dir()).await;
    // A panic in there was logged by its thread.
    looked.unwrap_or(false)
}
