//! One fleet's worker.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{
    Compute, EventCode, Fleet, FleetEvent, FleetStatus, Instance, RuntimeConfiguration,
};
use tombolo_domain::id::{BuildId, FleetId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{FailureReason, State, Step};
use tombolo_fleet::{ControlError, NumberedEvent};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use super::instance::{self, AttachOrStartError, EndError, Live};
use super::report::report;
use super::{RESYNC, RETRY};
use crate::network::NetworkStatus;
use crate::transact::transact;
use crate::wake::Wakes;
use crate::{Context, builds_directory};

/// How long server processes have to end by themselves when their fleet is deleted.
const GRACE: Duration = Duration::from_secs(5);

/// Takes one fleet from state to state.
pub(super) struct Worker {
    context: Context,
    scope: Scope,
    fleet: FleetId,
    network: watch::Receiver<NetworkStatus>,
    live: Option<Live>,
}

/// What comes after a look.
enum Next {
    /// Something changed: look again at once.
    Again,
    /// Nothing to do until something happens.
    Wait,
    /// Nothing to do for ever.
    Gone,
}

/// Why a fleet cannot become active: the code and the message of its event.
struct Failure {
    code: EventCode,
    message: String,
}

#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("using the store")]
    Store(#[from] StoreError),
    #[error("finding or starting an instance")]
    Start(#[from] AttachOrStartError),
    #[error("talking to an instance")]
    Control(#[from] ControlError),
    #[error("ending an instance")]
    End(#[from] EndError),
}

impl Worker {
    pub(super) fn new(
        context: Context,
        scope: Scope,
        fleet: FleetId,
        network: watch::Receiver<NetworkStatus>,
    ) -> Self {
        Worker {
            context,
            scope,
            fleet,
            network,
            live: None,
        }
    }

    pub(super) async fn run(mut self, mut wakes: Wakes) {
        loop {
            let pause = match self.look().await {
                Ok(Next::Again) => continue,
                Ok(Next::Wait) => RESYNC,
                Ok(Next::Gone) => return,
                Err(error) => {
                    tracing::error!(
                        fleet = %self.fleet,
                        error = &error as &(dyn std::error::Error + 'static),
                        "a fleet could not be reconciled; trying again in {RETRY:?}"
                    );
                    // Whatever was known of the instance is asked for anew.
                    self.live = None;
                    sleep(RETRY).await;
                    continue;
                }
            };
            let event = select! {
                _ = wakes.changed() => None,
                _ = self.network.changed() => None,
                event = next_event(&mut self.live) => Some(event),
                () = sleep(pause) => None,
            };
            match event {
                None => {}
                Some(Ok(Some(event))) => {
                    if let Err(error) = self.take_event(event).await {
                        tracing::error!(
                            fleet = %self.fleet,
                            error = &error as &(dyn std::error::Error + 'static),
                            "an instance's event could not be dealt with; it will be read again"
                        );
                        self.live = None;
                        sleep(RETRY).await;
                    }
                }
                // The supervisor has ended, or does not answer: attach anew, or start another.
                Some(Ok(None) | Err(_)) => self.live = None,
            }
        }
    }

    /// Makes the fleet's next step, if there is one.
    async fn look(&mut self) -> Result<Next, WorkerError> {
        let mut tx = Transaction::new(self.context.store.clone());
        let Some(fleet) = tx.get(&keys::fleet(&self.scope, &self.fleet)).await? else {
            return Ok(Next::Gone);
        };
        let Compute::Managed {
            build,
            runtime,
            vpc,
            peering,
            ..
        } = &fleet.compute
        else {
            return Ok(Next::Gone);
        };
        match fleet.status {
            FleetStatus::New => self.advance(FleetStatus::New).await,
            FleetStatus::Downloading => {
                let outcome = self.find_build(build);
                self.advance_or_fail(FleetStatus::Downloading, outcome)
                    .await
            }
            FleetStatus::Validating => {
                let outcome = self.validate(build, runtime);
                self.advance_or_fail(FleetStatus::Validating, outcome).await
            }
            FleetStatus::Building => self.build_instance(vpc).await,
            FleetStatus::Activating => self.activate(&fleet, runtime, peering.as_ref()).await,
            FleetStatus::Active => {
                if let Some(instance) = self.instance().await? {
                    self.keep_running(&fleet, runtime, instance).await?;
                }
                Ok(Next::Wait)
            }
            FleetStatus::Error => {
                self.end_instance().await?;
                Ok(Next::Wait)
            }
            FleetStatus::Deleting => {
                self.end_instance().await?;
                self.remove(vpc).await
            }
            FleetStatus::Terminated => Ok(Next::Gone),
        }
    }

    /// The build's files are on this machine already: an import puts them where instances mount
    /// them from.
    fn find_build(&self, build: &BuildId) -> Result<(), Failure> {
        let path = builds_directory(&self.context.directory).join(build.as_str());
        if path.is_dir() {
            return Ok(());
        }
        Err(Failure {
            code: EventCode::FleetBinaryDownloadFailed,
            message: format!(
                "The files of build {build} are not on this server. Import the build again with \
                 `tombolo build import` and create a new fleet with it."
            ),
        })
    }

    fn validate(&self, build: &BuildId, runtime: &RuntimeConfiguration) -> Result<(), Failure> {
        let root = builds_directory(&self.context.directory).join(build.as_str());
        for process in &runtime.server_processes {
            let path = &process.launch_path;
            // The runtime configuration was accepted with paths inside of the build only.
            let file = root.join(process.path_in_build().unwrap_or_default());
            let metadata = std::fs::metadata(&file)
                .ok()
                .filter(std::fs::Metadata::is_file);
            let Some(metadata) = metadata else {
                return Err(Failure {
                    code: EventCode::FleetValidationLaunchPathNotFound,
                    message: format!(
                        "The launch path {path} was not found in build {build}: /local/game is the \
                         folder that was given to `tombolo build import --root`."
                    ),
                });
            };
            if metadata.permissions().mode() & 0o111 == 0 {
                return Err(Failure {
                    code: EventCode::FleetValidationExecutableRuntimeFailure,
                    message: format!(
                        "The launch path {path} of build {build} is not executable: run chmod +x \
                         on the file and import the build again."
                    ),
                });
            }
        }
        Ok(())
    }

    /// Makes the instance's record and interface, and waits until the network has it.
    async fn build_instance(&mut self, vpc: &VpcId) -> Result<Next, WorkerError> {
        let Some(instance) = self.instance().await? else {
            instance::create(&self.context, &self.scope, &self.fleet, vpc).await?;
            return Ok(Next::Again);
        };
        let failed = {
            let network = self.network.borrow_and_update();
            if !network.knows(&instance.interface) {
                return Ok(Next::Wait);
            }
            network.failed.get(&instance.interface).cloned()
        };
        let outcome = match failed {
            None => Ok(()),
            Some(reason) => Err(Failure {
                code: EventCode::FleetInitializationFailed,
                message: format!(
                    "The network interface {} of instance {} could not be made: {reason}.",
                    instance.interface, instance.id
                ),
            }),
        };
        self.advance_or_fail(FleetStatus::Building, outcome).await
    }

    /// First the peering that was asked for together with the fleet, so that server processes find
    /// their database when they start; then the processes.
    async fn activate(
        &mut self,
        fleet: &Fleet,
        runtime: &RuntimeConfiguration,
        peering: Option<&VpcPeeringConnectionId>,
    ) -> Result<Next, WorkerError> {
        if let Some(id) = peering {
            let region = &self.scope.region;
            let key = keys::connection(region, self.scope.account, &self.fleet, id);
            let connection = Transaction::new(self.context.store.clone())
                .get(&key)
                .await?;
            match connection.map(|connection| connection.state) {
                Some(State::Active) => {}
                Some(state) if state.is_pending() => return Ok(Next::Wait),
                _ => {
                    let failure = Failure {
                        code: EventCode::FleetActivationFailed,
                        message: format!(
                            "VPC peering connection {id}, which was asked for together with the \
                             fleet, did not become active; the event of the connection says why."
                        ),
                    };
                    return self.fail(FleetStatus::Activating, failure).await;
                }
            }
        }
        let Some(instance) = self.instance().await? else {
            return Ok(Next::Wait);
        };
        if instance.running {
            return self.advance(FleetStatus::Activating).await;
        }
        match self.keep_running(fleet, runtime, instance).await {
            Err(WorkerError::Start(error)) => {
                let failure = Failure {
                    code: EventCode::FleetInitializationFailed,
                    message: format!("The instance could not be started: {}.", chain(&error)),
                };
                self.fail(FleetStatus::Activating, failure).await
            }
            outcome => outcome.map(|()| Next::Wait),
        }
    }

    /// Attaches to the instance's supervisor, or starts it.
    async fn keep_running(
        &mut self,
        fleet: &Fleet,
        runtime: &RuntimeConfiguration,
        instance: Instance,
    ) -> Result<(), WorkerError> {
        if self.live.as_ref().is_some_and(Live::is_alive) {
            return Ok(());
        }
        // On a restart of the machine, the interface has to be made first.
        if !self.network.borrow().ready.contains(&instance.interface) {
            return Ok(());
        }
        let (live, incarnation) =
            instance::attach_or_start(&self.context, fleet, runtime, &instance).await?;
        let again = instance
            .supervisor
            .as_ref()
            .is_some_and(|known| *known != incarnation);
        let same = instance.supervisor.as_ref() == Some(&incarnation);
        let resume_after = if same { instance.seen } else { 0 };
        transact(&self.context.store, async |tx| {
            let key = keys::instance(&self.scope, &self.fleet, &instance.id);
            let Some(mut current) = tx.get(&key).await? else {
                return Ok(());
            };
            if current.supervisor.as_ref() != Some(&incarnation) {
                current.supervisor = Some(incarnation.clone());
                current.seen = 0;
                tx.put(&current)?;
            }
            if again {
                let message = format!(
                    "Instance {} had ended and was started again with all its server processes.",
                    instance.id
                );
                tx.put(&self.event(EventCode::GenericEvent, message))?;
            }
            Ok(())
        })
        .await?;
        self.live = Some(Live::follow(live, instance.id, resume_after).await?);
        Ok(())
    }

    /// Writes what a supervisor reported, once, and lets the supervisor forget it.
    async fn take_event(&mut self, event: NumberedEvent) -> Result<(), WorkerError> {
        let Some(live) = &self.live else {
            return Ok(());
        };
        tracing::debug!(fleet = %self.fleet, instance = %live.id, ?event, "an instance reports");
        transact(&self.context.store, async |tx| {
            let key = keys::instance(&self.scope, &self.fleet, &live.id);
            let Some(mut instance) = tx.get(&key).await? else {
                return Ok(());
            };
            if event.seq <= instance.seen {
                return Ok(());
            }
            instance.seen = event.seq;
            instance.running |= event.event == tombolo_fleet::Event::Running;
            tx.put(&instance)?;

            let Some(fleet) = tx.get(&keys::fleet(&self.scope, &self.fleet)).await? else {
                return Ok(());
            };
            if let Some(report) = report(&live.id, &event.event, fleet.status) {
                if report.is_fatal && fleet.status.is_starting() {
                    self.write_failure(tx, fleet, report.code, report.message)
                        .await?;
                } else {
                    tx.put(&self.event(report.code, report.message))?;
                }
            }
            Ok(())
        })
        .await?;
        Ok(live.instance.acknowledge(event.seq).await?)
    }

    /// Ends the instance, if there is one, and removes its records, which takes its interface away.
    async fn end_instance(&mut self) -> Result<(), WorkerError> {
        self.live = None;
        if let Some(instance) = self.instance().await? {
            instance::end(&self.context, &instance, GRACE).await?;
            instance::remove(&self.context, &instance).await?;
        }
        Ok(())
    }

    /// Removes the fleet's VPC once no connection holds it, which is the end of the fleet.
    async fn remove(&self, vpc: &VpcId) -> Result<Next, WorkerError> {
        let removed = transact(&self.context.store, async |tx| {
            let connections = tx
                .list(&keys::connections_of(&self.scope, &self.fleet))
                .await?;
            if connections
                .iter()
                .any(|connection| connection.forgotten_at().is_none())
            {
                return Ok(false);
            }
            let Some(fleet) = tx.get(&keys::fleet(&self.scope, &self.fleet)).await? else {
                return Ok(true);
            };
            tx.remove_vpc(&self.scope, vpc).await?;
            self.write_status(tx, fleet, FleetStatus::Terminated)?;
            Ok(true)
        })
        .await?;
        Ok(if removed { Next::Gone } else { Next::Wait })
    }

    async fn advance_or_fail(
        &self,
        from: FleetStatus,
        outcome: Result<(), Failure>,
    ) -> Result<Next, WorkerError> {
        match outcome {
            Ok(()) => self.advance(from).await,
            Err(failure) => self.fail(from, failure).await,
        }
    }

    /// Takes the fleet to the next state on its way, if it is still in `from`.
    async fn advance(&self, from: FleetStatus) -> Result<Next, WorkerError> {
        transact(&self.context.store, async |tx| {
            let fleet = tx.get(&keys::fleet(&self.scope, &self.fleet)).await?;
            if let Some(fleet) = fleet.filter(|fleet| fleet.status == from)
                && let Some(next) = from.next_towards_active()
            {
                self.write_status(tx, fleet, next)?;
            }
            Ok(())
        })
        .await?;
        Ok(Next::Again)
    }

    /// Takes the fleet to ERROR, if it is still in `from`.
    async fn fail(&self, from: FleetStatus, failure: Failure) -> Result<Next, WorkerError> {
        transact(&self.context.store, async |tx| {
            let fleet = tx.get(&keys::fleet(&self.scope, &self.fleet)).await?;
            if let Some(fleet) = fleet.filter(|fleet| fleet.status == from) {
                self.write_failure(tx, fleet, failure.code, failure.message.clone())
                    .await?;
            }
            Ok(())
        })
        .await?;
        Ok(Next::Again)
    }

    /// A fleet that fails takes the connection along that was asked for together with it: both
    /// succeed, or both fail.
    async fn write_failure(
        &self,
        tx: &mut Transaction,
        fleet: Fleet,
        code: EventCode,
        message: String,
    ) -> Result<(), StoreError> {
        if let Compute::Managed {
            peering: Some(id), ..
        } = &fleet.compute
        {
            let region = &self.scope.region;
            let key = keys::connection(region, self.scope.account, &self.fleet, id);
            if let Some(mut connection) = tx.get(&key).await? {
                let step = match connection.state.is_pending() {
                    true => Step::Fail(FailureReason::FleetEnded),
                    false => Step::Delete(self.scope.account),
                };
                // One that has ended already stays as it is.
                if connection.take(step, self.context.clock.now()).is_ok() {
                    tx.put(&connection)?;
                }
            }
        }
        tx.put(&self.event(code, message))?;
        self.write_status(tx, fleet, FleetStatus::Error)
    }

    fn write_status(
        &self,
        tx: &mut Transaction,
        mut fleet: Fleet,
        to: FleetStatus,
    ) -> Result<(), StoreError> {
        match fleet.status.to(to) {
            Ok(status) => fleet.status = status,
            Err(refused) => {
                tracing::warn!(fleet = %self.fleet, %refused, "a fleet's step was out of place");
                return Ok(());
            }
        }
        let event = self.event(
            to.event(),
            format!("Fleet {} changed state to {to}.", self.fleet),
        );
        if to == FleetStatus::Terminated {
            fleet.terminated = Some(event.at);
        }
        tracing::info!(fleet = %self.fleet, status = %to, "fleet changed state");
        tx.put(&event)?;
        tx.put(&fleet)
    }

    fn event(&self, code: EventCode, message: String) -> FleetEvent {
        let now = self.context.clock.now();
        let (scope, fleet) = (self.scope.clone(), self.fleet.clone());
        FleetEvent::new(scope, fleet, code, message, now, &*self.context.ids)
    }

    async fn instance(&self) -> Result<Option<Instance>, StoreError> {
        let mut tx = Transaction::new(self.context.store.clone());
        let mut instances = tx
            .peek(&keys::instances_of(&self.scope, &self.fleet))
            .await?;
        Ok(instances.pop())
    }
}

/// The next event of the instance that is attached, if there is one.
async fn next_event(live: &mut Option<Live>) -> Result<Option<NumberedEvent>, ControlError> {
    match live {
        Some(live) => live.events.next().await,
        None => std::future::pending().await,
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
