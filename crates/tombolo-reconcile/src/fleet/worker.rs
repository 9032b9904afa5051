//! One fleet's worker.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;
use tombolo_domain::Scope;
use tombolo_domain::fleet::{
    EventCode, Fleet, FleetStatus, Instance, ManagedCompute, RuntimeConfiguration,
};
use tombolo_domain::id::{FleetId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::State;
use tombolo_fleet::{ControlError, NumberedEvent, StartError};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use super::instance::{self, AttachOrStartError, EndError, Live};
use super::report::{Report, report};
use super::transition::{Failure, Record};
use super::{RESYNC, RETRY, validation};
use crate::Context;
use crate::network::NetworkStatus;
use crate::transact::transact;
use crate::wake::Wakes;

/// How long server processes have to end by themselves when their fleet is deleted.
const GRACE: Duration = Duration::from_secs(5);
/// How long a new instance's interface may fail to be made before its fleet fails.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// Takes one fleet from state to state.
pub(super) struct Worker {
    record: Record,
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
        id: FleetId,
        network: watch::Receiver<NetworkStatus>,
    ) -> Self {
        Worker {
            record: Record { context, scope, id },
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
                        fleet = %self.record.id,
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
                // A closed channel says that the reconcilers are ending.
                changed = wakes.changed() => match changed {
                    Ok(()) => None,
                    Err(_) => return,
                },
                changed = self.network.changed() => match changed {
                    Ok(()) => None,
                    Err(_) => return,
                },
                event = next_event(&mut self.live) => Some(event),
                () = sleep(pause) => None,
            };
            match event {
                None => {}
                Some(Ok(Some(event))) => {
                    if let Err(error) = self.take_event(event).await {
                        tracing::error!(
                            fleet = %self.record.id,
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
        let mut tx = Transaction::new(self.record.store().clone());
        let Some(fleet) = tx.get(&self.record.key()).await? else {
            return Ok(Next::Gone);
        };
        let Some(ManagedCompute {
            build,
            runtime,
            vpc,
            peering,
            ..
        }) = fleet.managed()
        else {
            return Ok(Next::Gone);
        };
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
                if self.end_instance().await? {
                    self.remove(vpc).await
                } else {
                    Ok(Next::Wait)
                }
            }
            FleetStatus::Terminated => Ok(Next::Gone),
        }
    }

    /// Makes the instance's record and interface, and waits until the network has it.
    async fn build_instance(&mut self, vpc: &VpcId) -> Result<Next, WorkerError> {
        let Some(instance) = self.instance().await? else {
            instance::create(
                &self.record.context,
                &self.record.scope,
                &self.record.id,
                vpc,
            )
            .await?;
            return Ok(Next::Again);
        };
        let failed = {
            let network = self.network.borrow_and_update();
            if !network.knows(&instance.interface) {
                return Ok(Next::Wait);
            }
            network.failed.get(&instance.interface).cloned()
        };
        let waited = self
            .record
            .context
            .clock
            .now()
            .duration_since(instance.created);
        let outcome = match failed {
            None => Ok(()),
            // The network reconciler tries again by itself.
            Some(_) if waited < PATIENCE => return Ok(Next::Wait),
            Some(reason) => Err(Failure {
                code: EventCode::FleetInitializationFailed,
                message: format!(
                    "The network interface {} of instance {} could not be made: {reason}.",
                    instance.interface, instance.id
                ),
            }),
        };
        self.settle(FleetStatus::Building, outcome).await
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
            match self
                .record
                .connection(id)
                .await?
                .map(|connection| connection.state)
            {
                Some(State::Active) => {}
                Some(state) if state.is_pending() => return Ok(Next::Wait),
                _ => {
                    return self
                        .settle(FleetStatus::Activating, Err(not_peered(id)))
                        .await;
                }
            }
        }
        let Some(instance) = self.instance().await? else {
            return Ok(Next::Wait);
        };
        if instance.running {
            return self.settle(FleetStatus::Activating, Ok(())).await;
        }
        match self.keep_running(fleet, runtime, instance).await {
            // Anything else may pass: an error, which is tried again.
            Err(WorkerError::Start(AttachOrStartError::Start(
                error @ (StartError::Spec(_) | StartError::Supervisor { .. }),
            ))) => {
                let failure = Failure {
                    code: EventCode::FleetInitializationFailed,
                    message: format!("The instance could not be started: {}.", chain(&error)),
                };
                self.settle(FleetStatus::Activating, Err(failure)).await
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
            instance::attach_or_start(&self.record.context, fleet, runtime, &instance).await?;
        let again = instance
            .supervisor
            .as_ref()
            .is_some_and(|known| *known != incarnation);
        let same = instance.supervisor.as_ref() == Some(&incarnation);
        let resume_after = if same { instance.seen } else { 0 };
        transact(self.record.store(), async |tx| {
            let key = keys::instance(&self.record.scope, &self.record.id, &instance.id);
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
                tx.put(&self.record.event(EventCode::GenericEvent, message))?;
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
        tracing::debug!(fleet = %self.record.id, instance = %live.id, ?event, "an instance reports");
        let at = self.record.context.clock.at(happened(&event));
        let failed = transact(self.record.store(), async |tx| {
            let key = keys::instance(&self.record.scope, &self.record.id, &live.id);
            let Some(mut instance) = tx.get(&key).await? else {
                return Ok(false);
            };
            if event.seq <= instance.seen {
                return Ok(false);
            }
            instance.seen = event.seq;
            instance.running |= event.event == tombolo_fleet::Event::Running;
            tx.put(&instance)?;

            if event.lost > 0 {
                let message = format!(
                    "{} events of instance {} were dropped, since the server was away too long.",
                    event.lost, live.id
                );
                tx.put(&self.record.event_at(at, EventCode::GenericEvent, message))?;
            }
            let Some(fleet) = tx.get(&self.record.key()).await? else {
                return Ok(false);
            };
            let Some(Report {
                code,
                message,
                is_fatal,
            }) = report(&live.id, &event.event, fleet.status)
            else {
                return Ok(false);
            };
            if is_fatal {
                let failure = Failure { code, message };
                self.record.write_failure(tx, fleet, &failure).await?;
            } else {
                tx.put(&self.record.event_at(at, code, message))?;
            }
            Ok(is_fatal)
        })
        .await?;
        if failed {
            self.record.log(FleetStatus::Error);
        }
        Ok(live.instance.acknowledge(event.seq).await?)
    }

    /// Ends the instance, if there is one, and removes its records once its interface is gone;
    /// whether nothing is left.
    async fn end_instance(&mut self) -> Result<bool, WorkerError> {
        self.live = None;
        let Some(instance) = self.instance().await? else {
            return Ok(true);
        };
        let context = &self.record.context;
        instance::end(context, &instance, GRACE).await?;
        instance::detach(context, &instance).await?;
        if self.network.borrow_and_update().knows(&instance.interface) {
            return Ok(false);
        }
        instance::remove(context, &instance).await?;
        Ok(true)
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
            let Some(fleet) = tx.get(&self.record.key()).await? else {
                return Ok(true);
            };
            tx.remove_vpc(&self.record.scope, vpc).await?;
            self.record
                .write_status(tx, fleet, FleetStatus::Terminated)?;
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

    async fn instance(&self) -> Result<Option<Instance>, StoreError> {
        let mut tx = Transaction::new(self.record.store().clone());
        let mut instances = tx
            .peek(&keys::instances_of(&self.record.scope, &self.record.id))
            .await?;
        Ok(instances.pop())
    }
}

/// When an event happened, by the machine's clock.
fn happened(event: &NumberedEvent) -> Timestamp {
    let milliseconds = i64::try_from(event.unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

/// The next event of the instance that is attached, if there is one.
async fn next_event(live: &mut Option<Live>) -> Result<Option<NumberedEvent>, ControlError> {
    match live {
        Some(live) => live.events.next().await,
        None => std::future::pending().await,
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
