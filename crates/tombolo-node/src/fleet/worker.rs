//! One fleet's worker: the walk through the fleet's states.

use std::rc::Rc;
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tombolo_domain::fleet::{EventCode, Fleet, FleetStatus, Instance, ManagedCompute, Scaler};
use tombolo_domain::id::{VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::State;
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use super::installer::{InstallError, Installer, installed};
use super::life::{Surroundings, Wanted};
use super::lives::Lives;
use super::record::{Failure, Record};
use super::set::{self, Busy};
use super::supervised::Plan;
use super::{RESYNC, RETRY, scaling, validation};
use crate::network::NetworkStatus;
use crate::transact::transact;
use crate::wake::Wakes;

/// How often it is looked at what scaling policies want.
const SCALE_EVERY: Duration = Duration::from_secs(5);

/// Takes one fleet from state to state.
pub(super) struct Worker {
    record: Record,
    network: watch::Receiver<NetworkStatus>,
    lives: Lives,
    installer: Installer,
    /// Whether what was made for a fleet that has failed, but for its instances, was given back.
    given_back: bool,
    /// What was last told of why there are too few instances.
    told: Option<String>,
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

#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("using the store")]
    Store(#[from] StoreError),
    #[error("ending the installer")]
    Install(#[from] InstallError),
}

impl Worker {
    pub(super) fn new(surroundings: Surroundings) -> Self {
        Worker {
            record: surroundings.record.clone(),
            network: surroundings.network.clone(),
            installer: Installer::new(surroundings.record.clone(), surroundings.starts.clone()),
            given_back: false,
            lives: Lives::new(surroundings),
            told: None,
            scaler: Scaler::default(),
            scaled: None,
        }
    }

    pub(super) async fn run(mut self, mut wakes: Wakes) {
        loop {
            let pause = match self.look().await {
                Ok(Next::Again) => continue,
                Ok(Next::Wait) => RESYNC,
                Ok(Next::WaitToScale) => SCALE_EVERY,
                Ok(Next::Gone) => return,
                Err(error) => {
                    log(&self.record, &error);
                    sleep(RETRY).await;
                    continue;
                }
            };
            if !self.wait(&mut wakes, pause).await {
                return;
            }
        }
    }

    /// Waits for something to happen. `false`: the reconcilers are ending.
    async fn wait(&mut self, wakes: &mut Wakes, pause: Duration) -> bool {
        select! {
            changed = wakes.changed() => changed.is_ok(),
            changed = self.network.changed() => changed.is_ok(),
            () = self.lives.ended() => true,
            outcome = self.installer.ended() => {
                if let Err(failure) = outcome
                    && let Err(error) = self.record.fail(FleetStatus::Building, &failure).await
                {
                    // It is run again, since nothing of it was kept.
                    log(&self.record, &error);
                }
                true
            }
            () = sleep(pause) => true,
        }
    }

    /// Makes the fleet's next step, if there is one.
    async fn look(&mut self) -> Result<Next, WorkerError> {
        let mut tx = Transaction::new(self.record.store().clone());
        let Some(fleet) = tx.get(&self.record.key()).await? else {
            return Ok(Next::Gone);
        };
        let Some(managed) = fleet.managed() else {
            return Ok(Next::Gone);
        };
        let ManagedCompute { build, runtime, .. } = managed;
        match fleet.status {
            FleetStatus::New => self.settle(FleetStatus::New, Ok(())).await,
            FleetStatus::Downloading => {
                let outcome = validation::build_is_here(&self.record.context, build);
                self.settle(FleetStatus::Downloading, outcome).await
            }
            FleetStatus::Validating => {
                let outcome = validation::can_run(&self.record.context, build, runtime);
                self.settle(FleetStatus::Validating, outcome).await
            }
            FleetStatus::Building => self.build(managed).await,
            FleetStatus::Activating => self.activate(&fleet, managed).await,
            FleetStatus::Active => self.keep(&fleet, managed).await,
            FleetStatus::Error => {
                self.give_back().await?;
                Ok(Next::Wait)
            }
            FleetStatus::Deleting => match self.give_back().await? {
                true => self.remove(&managed.vpc).await,
                false => Ok(Next::Wait),
            },
            FleetStatus::Terminated => Ok(Next::Gone),
        }
    }

    /// Gives back all that the fleet has on this machine; whether nothing is left.
    async fn give_back(&mut self) -> Result<bool, WorkerError> {
        let instances = self.instances().await?;
        self.lives.want(&instances, &Wanted::End);
        if !instances.is_empty() {
            return Ok(false);
        }
        if !self.given_back {
            self.installer.give_back().await?;
            self.given_back = true;
        }
        Ok(true)
    }

    /// Installs the build, makes the instances' records and interfaces, and waits until the network has them.
    async fn build(&mut self, managed: &ManagedCompute) -> Result<Next, WorkerError> {
        let Record { context, id, .. } = &self.record;
        if let Some(into) = installed(context, &managed.build, id)
            && !self.installer.is_done(&into).await?
        {
            self.installer.begin(&managed.build, into).await?;
            return Ok(Next::Wait);
        }
        let instances = match self.balanced(managed).await? {
            Ok(instances) => instances,
            Err(failure) => return self.settle(FleetStatus::Building, Err(failure)).await,
        };
        self.lives.want(&instances, &Wanted::Hold);
        let are_ready = {
            let network = self.network.borrow_and_update();
            set::staying(&instances).all(|instance| network.ready.contains(&instance.interface))
        };
        match are_ready {
            true => self.settle(FleetStatus::Building, Ok(())).await,
            false => Ok(Next::Wait),
        }
    }

    /// First the peering that was asked for together with the fleet, so that server processes find
    /// their database when they start; then the processes.
    async fn activate(
        &mut self,
        fleet: &Fleet,
        managed: &ManagedCompute,
    ) -> Result<Next, WorkerError> {
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
        let instances = match self.balanced(managed).await? {
            Ok(instances) => instances,
            Err(failure) => return self.settle(FleetStatus::Activating, Err(failure)).await,
        };
        self.lives.want(&instances, &self.running(fleet, managed));
        match set::staying(&instances).all(|instance| instance.running) {
            true => self.settle(FleetStatus::Activating, Ok(())).await,
            false => Ok(Next::Wait),
        }
    }

    /// Keeps as many instances running as there are to be.
    async fn keep(&mut self, fleet: &Fleet, managed: &ManagedCompute) -> Result<Next, WorkerError> {
        match self.balanced(managed).await? {
            Ok(_) => self.told = None,
            Err(failure) if self.told.as_ref() == Some(&failure.message) => {}
            Err(failure) => {
                self.told = Some(failure.message.clone());
                self.record.trouble(failure).await?;
            }
        }
        let instances = self.instances().await?;
        self.lives.want(&instances, &self.running(fleet, managed));
        self.scale(managed, &instances).await
    }

    /// Looks at what scaling policies want, unless that was done a moment ago.
    async fn scale(
        &mut self,
        managed: &ManagedCompute,
        instances: &[Instance],
    ) -> Result<Next, WorkerError> {
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

    /// How many server processes of each instance have players, if the engine knows.
    async fn busy(&self, instances: &[Instance]) -> Option<Busy> {
        match self.record.context.engine.counters().await {
            Ok(counters) => Some(scaling::busy(&counters, instances)),
            Err(error) => {
                tracing::warn!(
                    fleet = %self.record.id,
                    error = &error as &(dyn std::error::Error + 'static),
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
        if set::is_balanced(&self.record.context, managed, &instances) {
            return Ok(Ok(instances));
        }
        let are_too_many = set::staying(&instances).count() > managed.capacity.desired as usize;
        let busy = match are_too_many {
            true => self.busy(&instances).await.unwrap_or_default(),
            false => Busy::new(),
        };
        Ok(match set::balance(&self.record, &busy).await? {
            Ok(()) => Ok(self.instances().await?),
            Err(failure) => Err(failure),
        })
    }

    fn running(&self, fleet: &Fleet, managed: &ManagedCompute) -> Wanted {
        Wanted::Run(Rc::new(Plan::of(&self.record.context, fleet, managed)))
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        Transaction::new(self.record.store().clone())
            .peek(&keys::instances_of(&self.record.scope, &self.record.id))
            .await
    }

    /// Removes the fleet's VPC once no connection holds it, which is the end of the fleet.
    async fn remove(&self, vpc: &VpcId) -> Result<Next, WorkerError> {
        let removed = transact(self.record.store(), async |tx| {
            let connections = tx
                .list(&keys::connections_of_fleet(
                    &self.record.scope,
                    &self.record.id,
                ))
                .await?;
            if connections
                .iter()
                .any(|connection| connection.forgotten_at().is_none())
            {
                return Ok(false);
            }
            let Some(mut fleet) = tx.get(&self.record.key()).await? else {
                return Ok(true);
            };
            tx.remove_vpc(&self.record.scope, vpc).await?;
            self.record
                .write_status(tx, &mut fleet, FleetStatus::Terminated)?;
            Ok(true)
        })
        .await?;
        if !removed {
            return Ok(Next::Wait);
        }
        self.record.log(FleetStatus::Terminated);
        Ok(Next::Gone)
    }

    /// Takes the fleet from `from` on its way, or to ERROR.
    async fn settle(
        &self,
        from: FleetStatus,
        outcome: Result<(), Failure>,
    ) -> Result<Next, WorkerError> {
        match outcome {
            Ok(()) => self.record.advance(from).await?,
            Err(failure) => self.record.fail(from, &failure).await?,
        }
        Ok(Next::Again)
    }
}

fn log(record: &Record, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(
        fleet = %record.id,
        error,
        "a fleet could not be reconciled; trying again in {RETRY:?}"
    );
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
