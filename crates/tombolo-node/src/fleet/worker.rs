//! One fleet on this machine: what each of its statuses asks for here.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;
use tombolo_controller::{Failure, FleetReport};
use tombolo_domain::fleet::{Fleet, FleetStatus, Instance, ManagedCompute};
use tombolo_domain::peering::{Requester, State};
use tombolo_store::{StoreError, Wakes, keys};
use tombolo_tasks::{Reason, Task};

use super::installer::{InstallError, Installer, installed};
use super::instance_task::InstanceGoal;
use super::instance_tasks::InstanceTasks;
use super::supervised::Workload;
use super::{FleetContext, RESYNC, RETRY, is_there, validation};
use crate::network::NetworkStatus;

/// Makes one fleet so.
pub(super) struct Worker {
    context: Rc<FleetContext>,
    task: Rc<Task>,
    network: watch::Receiver<NetworkStatus>,
    instance_tasks: InstanceTasks,
    installer: Installer,
    /// Whether what was made for the fleet, but for its instances, was given back.
    given_back: bool,
}

/// What comes after a look.
enum Next {
    /// Nothing to do until something happens.
    Wait,
    /// Nothing to do for ever.
    Gone,
}

#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("using the store")]
    Store(#[from] StoreError),
    #[error("ending the installer")]
    Install(#[from] InstallError),
}

impl Worker {
    pub(super) fn new(context: FleetContext, task: Task) -> Self {
        let context = Rc::new(context);
        Worker {
            task: Rc::new(task),
            network: context.network.clone(),
            instance_tasks: InstanceTasks::new(context.clone()),
            installer: Installer::new(context.clone()),
            given_back: false,
            context,
        }
    }

    pub(super) async fn run(mut self, mut wakes: Wakes) {
        let task = self.task.clone();
        let mut reason = Reason::Woken;
        loop {
            reason = match task.run(reason, self.look()).await {
                Ok(Next::Wait) => match self.wait(&mut wakes, RESYNC).await {
                    Some(reason) => reason,
                    None => return,
                },
                Ok(Next::Gone) => return,
                Err(_) => {
                    let fleet = &self.context.fleet.id;
                    tracing::error!(%fleet, "a fleet could not be made as it is to be");
                    sleep(RETRY).await;
                    Reason::Again
                }
            };
        }
    }

    /// Waits for something to happen. `None`: the node is ending.
    async fn wait(&mut self, wakes: &mut Wakes, pause: Duration) -> Option<Reason> {
        select! {
            changed = wakes.changed() => changed.ok().map(|()| Reason::Woken),
            changed = self.network.changed() => changed.ok().map(|()| Reason::Woken),
            () = self.instance_tasks.ended() => Some(Reason::Woken),
            outcome = self.installer.ended() => {
                if let Err(failure) = outcome
                    && let Err(error) = self.failed(FleetStatus::Building, failure).await
                {
                    // It is run again, since nothing of it was kept.
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::error!(error, "the end of an installer could not be reported");
                }
                Some(Reason::Woken)
            }
            () = sleep(pause) => Some(Reason::Period),
        }
    }

    /// Makes what the fleet's status asks for, and reports what is so.
    async fn look(&mut self) -> Result<Next, WorkerError> {
        let at = &self.context.fleet;
        let key = keys::fleet(&at.scope, &at.id);
        let Some(fleet) = self.context.read().get(&key).await? else {
            return Ok(Next::Gone);
        };
        let Some(managed) = fleet.managed() else {
            return Ok(Next::Gone);
        };
        match fleet.status {
            FleetStatus::New => {}
            FleetStatus::Downloading => {
                let outcome = validation::build_is_here(&self.context.context, managed).await;
                self.settle(fleet.status, outcome, FleetReport::Downloaded)
                    .await?;
            }
            FleetStatus::Validating => {
                let outcome = validation::can_run(&self.context.context, managed).await;
                self.settle(fleet.status, outcome, FleetReport::Validated)
                    .await?;
            }
            FleetStatus::Building => self.build(managed).await?,
            FleetStatus::Activating | FleetStatus::Active => {
                let instances = self.instances().await?;
                let wanted = match self.may_run(&fleet, managed).await? {
                    true => self.running(&fleet, managed).await,
                    false => InstanceGoal::Hold,
                };
                self.instance_tasks.want(&instances, &wanted);
            }
            FleetStatus::Error => {
                self.give_back().await?;
            }
            FleetStatus::Deleting => {
                if self.give_back().await? {
                    self.report(FleetReport::Released).await?;
                }
            }
            FleetStatus::Terminated => return Ok(Next::Gone),
        }
        Ok(Next::Wait)
    }

    /// Gives back all that the fleet has on this machine; whether nothing is left.
    async fn give_back(&mut self) -> Result<bool, WorkerError> {
        let instances = self.instances().await?;
        self.instance_tasks.want(&instances, &InstanceGoal::End);
        if !instances.is_empty() {
            return Ok(false);
        }
        if !self.given_back {
            self.installer.give_back().await?;
            self.given_back = true;
        }
        Ok(true)
    }

    /// Installs the build, and waits until the network has the interfaces of the instances.
    async fn build(&mut self, managed: &ManagedCompute) -> Result<(), WorkerError> {
        let into = self.installed(managed).await;
        if let Some(into) = &into
            && !is_there(into.clone()).await
        {
            self.installer.begin(&managed.build, into.clone()).await?;
            return Ok(());
        }
        let instances = self.instances().await?;
        self.instance_tasks.want(&instances, &InstanceGoal::Hold);
        if instances.is_empty() {
            let installed = into.is_some();
            self.report(FleetReport::Built { installed }).await?;
        }
        let are_connected = {
            let network = self.network.borrow_and_update();
            let mut staying = instances.iter().filter(|instance| !instance.ending);
            staying.all(|instance| network.ready.contains(&instance.interface))
        };
        if are_connected {
            let connected = instances.into_iter().map(|instance| instance.id).collect();
            self.report(FleetReport::Connected(connected)).await?;
        }
        Ok(())
    }

    /// Whether server processes may start: not before the peering that was asked for together with
    /// the fleet is there, so that they find their database.
    async fn may_run(&self, fleet: &Fleet, managed: &ManagedCompute) -> Result<bool, StoreError> {
        let Some(id) = managed
            .peering
            .as_ref()
            .filter(|_| fleet.status == FleetStatus::Activating)
        else {
            return Ok(true);
        };
        let requester = Requester::Fleet(fleet.id.clone());
        let key = keys::connection(&fleet.scope, &requester, id);
        let connection = self.context.read().get(&key).await?;
        Ok(connection.is_some_and(|connection| connection.state == State::Active))
    }

    async fn running(&self, fleet: &Fleet, managed: &ManagedCompute) -> InstanceGoal {
        let installed = self.installed(managed).await;
        InstanceGoal::Run(Rc::new(Workload::of(installed, fleet, managed)))
    }

    /// Where what the build's `install.sh` changed is kept, if it has one.
    async fn installed(&self, managed: &ManagedCompute) -> Option<PathBuf> {
        let FleetContext { context, fleet, .. } = &*self.context;
        installed(context, &managed.build, &fleet.id).await
    }

    /// Those of its instances that are placed on this host.
    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let FleetContext {
            context, fleet: at, ..
        } = &*self.context;
        let mut tx = self.context.read();
        let mut instances = tx.peek(&keys::instances_of(&at.scope, &at.id)).await?;
        instances.retain(|instance| instance.is_on(&context.host.host));
        Ok(instances)
    }

    /// Reports that the fleet has come through `during`, or not.
    async fn settle(
        &self,
        during: FleetStatus,
        outcome: Result<(), Failure>,
        done: FleetReport,
    ) -> Result<(), StoreError> {
        match outcome {
            Ok(()) => self.report(done).await,
            Err(failure) => self.failed(during, failure).await,
        }
    }

    async fn failed(&self, during: FleetStatus, failure: Failure) -> Result<(), StoreError> {
        self.report(FleetReport::Failed { during, failure }).await
    }

    async fn report(&self, report: FleetReport) -> Result<(), StoreError> {
        self.context
            .reports
            .fleet(&self.context.fleet, report)
            .await
    }
}
