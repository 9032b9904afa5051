//! Fleets: one worker each takes it from NEW to ACTIVE and keeps as many instances as it is to
//! have; what nodes report of it moves it on.
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`worker`] | the steps that need nothing of a node |
//! | [`stage`] | the steps that follow from what a node has made of the fleet |
//! | [`instance_set`] | which instances there are: the missing are made, the surplus is to end |
//! | [`ports`] | which ports of the public address lead to them |
//! | [`scaling`] | how many there are to be, as scaling policies have it |
//! | [`instance`] | what supervisors reported, written once, and the end of an instance |
//! | [`report`] | what supervisors reported, as events |
//! | [`record`] | the fleet's record, its steps and its failure |

pub(crate) mod instance;
mod instance_set;
mod ports;
mod record;
mod report;
mod scaling;
mod stage;
mod worker;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::select;
use tokio::task::AbortHandle;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{Compute, FleetStatus};
use tombolo_domain::id::FleetId;
use tombolo_store::keys::{self, Kind};
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{StoreError, Wake};
use tombolo_tasks::{Members, reason_to_run};

use crate::{Context, FleetAt};
use record::Record;
use worker::Worker;

pub use report::installer_failure;
pub(crate) use stage::reported;

/// How long to wait at most before looking again.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// What the worker of a fleet reads.
const OF_A_FLEET: [Kind; 4] = [
    Kind::Fleet,
    Kind::Instance,
    Kind::Connection,
    Kind::ScalingPolicy,
];

/// The loop's name, and that of the workers.
pub(crate) const TASK: &str = "controller/fleets";
const WORKER: &str = "controller/fleet";

/// Starts a worker for every fleet that needs one.
pub(crate) async fn run(context: Context, wake: Wake) {
    let tasks = &context.tasks;
    let task = tasks.task(TASK, "has a worker for every fleet", RESYNC);
    tasks.declare(WORKER, "takes a fleet from state to state", RESYNC);
    let mut wakes = wake.on(&[Kind::Fleet]);
    let mut running = Members::new(WORKER);
    let mut workers: BTreeMap<FleetId, AbortHandle> = BTreeMap::new();
    loop {
        let reason = loop {
            select! {
                reason = reason_to_run(&mut wakes, RESYNC) => break reason,
                () = running.ended() => {}
            }
        };
        workers.retain(|_, worker| !worker.is_finished());
        // What failed is logged, and looked at again.
        let fleets = task
            .run(reason, managed(&context))
            .await
            .unwrap_or_default();
        for (scope, id) in fleets {
            workers.entry(id.clone()).or_insert_with(|| {
                let wakes = wake.on_fleet(&OF_A_FLEET, &id);
                let task = tasks.member(WORKER);
                let context = context.clone();
                let worker = Worker::new(Record { context, scope, id }, task);
                running.spawn(worker.run(wakes))
            });
        }
    }
}

/// The fleets that have, or will have, instances.
async fn managed(context: &Context) -> Result<Vec<(Scope, FleetId)>, StoreError> {
    let fleets = Transaction::new(context.store.clone())
        .peek_shared(&keys::all_fleets())
        .await?;
    let managed = fleets.iter().filter(|fleet| {
        matches!(fleet.compute, Compute::Managed(_)) && fleet.status != FleetStatus::Terminated
    });
    Ok(managed
        .map(|fleet| (fleet.scope.clone(), fleet.id.clone()))
        .collect())
}

/// A number that no instance has.
pub(crate) async fn installer_number(context: &Context) -> Result<u32, StoreError> {
    transact(&context.store, async |tx| {
        let number = tx.get(&keys::instance_number()).await?.unwrap_or(0);
        let number = number.wrapping_add(1);
        tx.put_at(&keys::instance_number(), &number)?;
        Ok(number)
    })
    .await
}

fn record(context: &Context, fleet: &FleetAt) -> Record {
    Record {
        context: context.clone(),
        scope: fleet.scope.clone(),
        id: fleet.id.clone(),
    }
}
