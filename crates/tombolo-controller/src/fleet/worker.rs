//! One fleet's worker: the steps of the fleet that need nothing of a node.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tombolo_domain::fleet::{EventCode, FleetStatus, Instance, ManagedCompute, Scaler};
use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::peering::State;
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, Wakes, keys};
use tombolo_tasks::{Reason, Task, reason_to_run};

use super::instance_set::{self, Busy};
use super::record::Record;
use super::{RESYNC, RETRY, scaling};
use crate::Failure;

/// How often it is looked at what scaling policies want.
const SCALE_EVERY: Duration = Duration::from_secs(5);

/// Takes one fleet from state to state.
pub(super) struct Worker {
    record: Record,
    task: Rc<Task>,
    /// What was last reported of why there are too few instances.
    reported_problem: Option<String>,
    scaler: Scaler,
    /// When it was last asked what scaling policies want.
    scaled: Option<Instant>,
}

/// What comes after a look.
enum Next {
    /// Something changed: look again at once.
    Again,
    /// Nothing to do until something happens.
    Wait,
    /// Nothing to do until something happens, or it is time to look at what policies want.
    WaitToScale,
    /// Nothing to do for ever.
    Gone,
}

impl Worker {
    pub(super) fn new(record: Record, task: Task) -> Self {
        Worker {
            record,
            task: Rc::new(task),
            reported_problem: None,
            scaler: Scaler::default(),
            scaled: None,
        }
    }

    pub(super) async fn run(mut self, mut wakes: Wakes) {
        let mut reason = Reason::Woken;
        loop {
            let task = self.task.clone();
            reason = match task.run(reason, self.look()).await {
                Ok(Next::Again) => Reason::Again,
                Ok(Next::Wait) => reason_to_run(&mut wakes, RESYNC).await,
                Ok(Next::WaitToScale) => reason_to_run(&mut wakes, SCALE_EVERY).await,
                Ok(Next::Gone) => return,
                Err(_) => {
                    tracing::error!(fleet = %self.record.id, "a fleet could not be taken further");
                    sleep(RETRY).await;
                    Reason::Again
                }
            };
        }
    }

    /// Makes the fleet's next step, if there is one.
    async fn look(&mut self) -> Result<Next, StoreError> {
        let mut tx = Transaction::new(self.record.store().clone());
        let Some(fleet) = tx.get(&self.record.key()).await? else {
            return Ok(Next::Gone);
        };
        let Some(managed) = fleet.managed() else {
            return Ok(Next::Gone);
        };
        match fleet.status {
            FleetStatus::New => self.settle(FleetStatus::New, Ok(())).await,
            FleetStatus::Building => self.build(managed).await,
            FleetStatus::Activating => self.activate(managed).await,
            FleetStatus::Active => self.keep(managed).await,
            FleetStatus::Downloading
            | FleetStatus::Validating
            | FleetStatus::Error
            | FleetStatus::Deleting => Ok(Next::Wait),
            FleetStatus::Terminated => Ok(Next::Gone),
        }
    }

    /// Keeps the instances as many as they are to be, from when the node has told that the build
    /// is there, and so the first were made, until their interfaces are.
    async fn build(&self, managed: &ManagedCompute) -> Result<Next, StoreError> {
        if self.instances().await?.is_empty() {
            return Ok(Next::Wait);
        }
        match self.balanced(managed).await? {
            Ok(_) => Ok(Next::Wait),
            Err(failure) => self.settle(FleetStatus::Building, Err(failure)).await,
        }
    }

    /// First the peering that was asked for together with the fleet, so that server processes find
    /// their database when they start; then the processes.
    async fn activate(&mut self, managed: &ManagedCompute) -> Result<Next, StoreError> {
        if let Some(id) = &managed.peering {
            let connection = self.record.connection(id).await?;
            match connection.map(|connection| connection.state) {
                Some(State::Active) => {}
                Some(state) if state.is_pending() => return Ok(Next::Wait),
                _ => {
                    let failure = not_peered(id);
                    return self.settle(FleetStatus::Activating, Err(failure)).await;
                }
            }
        }
        // The report that the last instance runs has taken the fleet on already; this is for what
        // came to be so otherwise, such as an instance that is not wanted any more.
        let instances = match self.balanced(managed).await? {
            Ok(instances) => instances,
            Err(failure) => return self.settle(FleetStatus::Activating, Err(failure)).await,
        };
        match instance_set::staying(&instances).all(|instance| instance.running) {
            true => self.settle(FleetStatus::Activating, Ok(())).await,
            false => Ok(Next::Wait),
        }
    }

    /// Keeps as many instances as there are to be.
    async fn keep(&mut self, managed: &ManagedCompute) -> Result<Next, StoreError> {
        match self.balanced(managed).await? {
            Ok(_) => self.reported_problem = None,
            Err(failure) if self.reported_problem.as_ref() == Some(&failure.message) => {}
            Err(failure) => {
                self.reported_problem = Some(failure.message.clone());
                self.record.report_problem(failure).await?;
            }
        }
        let instances = self.instances().await?;
        self.scale(managed, &instances).await
    }

    /// Looks at what scaling policies want, unless that was done a moment ago.
    async fn scale(
        &mut self,
        managed: &ManagedCompute,
        instances: &[Instance],
    ) -> Result<Next, StoreError> {
        let policies = scaling::policies(&self.record, managed).await?;
        if policies.is_empty() {
            self.scaler = Scaler::default();
            return Ok(Next::Wait);
        }
        if self.scaled.is_some_and(|at| at.elapsed() < SCALE_EVERY) {
            return Ok(Next::WaitToScale);
        }
        self.scaled = Some(Instant::now());
        if let Some(busy) = self.busy(instances).await {
            let scaler = &mut self.scaler;
            scaling::scale(&self.record, scaler, &policies, managed, instances, &busy).await?;
        }
        Ok(Next::WaitToScale)
    }

    /// How many server processes of each instance have players, if their nodes know.
    async fn busy(&self, instances: &[Instance]) -> Option<Busy> {
        match self.record.context.measurements.active_ports().await {
            Ok(ports) => Some(scaling::busy(&ports, instances)),
            Err(error) => {
                tracing::warn!(
                    fleet = %self.record.id,
                    error = &*error as &(dyn std::error::Error + 'static),
                    "which server processes have players is not known"
                );
                None
            }
        }
    }

    /// The instances, once there are as many as there are to be.
    async fn balanced(
        &self,
        managed: &ManagedCompute,
    ) -> Result<Result<Vec<Instance>, Failure>, StoreError> {
        let instances = self.instances().await?;
        if instance_set::is_balanced(&self.record.context, managed, &instances) {
            return Ok(Ok(instances));
        }
        let are_too_many =
            instance_set::staying(&instances).count() > managed.capacity.desired as usize;
        let busy = match are_too_many {
            true => self.busy(&instances).await.unwrap_or_default(),
            false => Busy::new(),
        };
        Ok(
            match instance_set::balance(&self.record, &busy, None).await? {
                Ok(()) => Ok(self.instances().await?),
                Err(failure) => Err(failure),
            },
        )
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        Transaction::new(self.record.store().clone())
            .peek(&keys::instances_of(&self.record.scope, &self.record.id))
            .await
    }

    /// Takes the fleet from `from` on its way, or to ERROR.
    async fn settle(
        &self,
        from: FleetStatus,
        outcome: Result<(), Failure>,
    ) -> Result<Next, StoreError> {
        match outcome {
            Ok(()) => self.record.advance(from, None).await?,
            Err(failure) => self.record.fail(from, &failure, None).await?,
        }
        Ok(Next::Again)
    }
}

fn not_peered(connection: &VpcPeeringConnectionId) -> Failure {
    Failure {
        code: EventCode::FleetActivationFailed,
        message: format!(
            "VPC peering connection {connection}, which was asked for together with the fleet, did \
             not become active; the event of the connection says why."
        ),
    }
}
