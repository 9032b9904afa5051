//! One instance on this host: its interface is there, its supervisor is found or started, what that
//! reports is written down, it is started again when it dies, and at last all of it is given back.

use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tombolo_controller::InstanceAt;
use tombolo_domain::error_chain;
use tombolo_domain::fleet::Instance;
use tombolo_domain::reported::EventPosition;
use tombolo_fleet::{ConfigureError, ControlError, Events, StartError, StopError};
use tombolo_store::{StoreError, keys};
use tombolo_tasks::Reason;

use super::backoff::Backoff;
use super::event::reported;
use super::supervised::{self, AttachOrStartError, Workload};
use super::{FleetContext, INSTANCE};
use crate::folder::remove_folder;
use crate::network::NetworkStatus;

/// How long server processes have to end by themselves when their instance is taken away.
const GRACE: Duration = Duration::from_secs(5);
/// How long a failure that may pass by itself is not reported.
const TRANSIENT_FAILURE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many of an instance's events are written in one transaction.
const AT_A_TIME: usize = 64;

/// What is wanted of an instance.
#[derive(Clone, PartialEq)]
pub(super) enum InstanceGoal {
    /// To have its interface, and no process yet.
    Hold,
    /// To run.
    Run(Rc<Workload>),
    /// To be gone, with all that it had.
    End,
}

/// The task of one instance.
pub(super) struct InstanceTask {
    context: Rc<FleetContext>,
    /// The record as it was when the task began: for what of it never changes.
    instance: Instance,
    network: watch::Receiver<NetworkStatus>,
    wanted: watch::Receiver<InstanceGoal>,
    backoff: Backoff,
    /// Since when it has not been possible to have it run.
    stuck: Option<Instant>,
    /// What was last reported of what keeps it from running.
    reported_problem: Option<String>,
}

enum Next {
    Again,
    Over,
}

#[derive(Debug, thiserror::Error)]
enum InstanceError {
    #[error("using the store")]
    Store(#[from] StoreError),
    #[error("finding or starting the instance")]
    Start(#[from] AttachOrStartError),
    #[error("talking to the instance")]
    Control(#[from] ControlError),
    #[error("telling the instance what to run")]
    Configure(#[from] ConfigureError),
    #[error("ending the instance")]
    Stop(#[from] StopError),
}

impl From<tombolo_fleet::AttachError> for InstanceError {
    fn from(error: tombolo_fleet::AttachError) -> Self {
        InstanceError::Start(error.into())
    }
}

impl InstanceTask {
    pub(super) fn new(
        context: Rc<FleetContext>,
        instance: Instance,
        wanted: watch::Receiver<InstanceGoal>,
    ) -> Self {
        InstanceTask {
            network: context.network.clone(),
            context,
            instance,
            wanted,
            backoff: Backoff::default(),
            stuck: None,
            reported_problem: None,
        }
    }

    /// InstanceTasks until the instance is gone.
    pub(super) async fn run(mut self) {
        let task = self.context.context.tasks.member(INSTANCE);
        let mut reason = Reason::Woken;
        loop {
            let error = match task.run(reason, self.step()).await {
                Ok(Next::Again) => {
                    reason = Reason::Woken;
                    continue;
                }
                Ok(Next::Over) => return,
                Err(error) => error,
            };
            reason = Reason::Again;
            let pause = self.backoff.next();
            tracing::error!(
                fleet = %self.instance.fleet,
                instance = %self.instance.id,
                "an instance could not be taken further; trying again in {pause:?}"
            );
            if let Err(error) = self.tell(&error).await {
                tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    "that could not be reported either"
                );
            }
            self.pause(pause).await;
        }
    }

    fn at(&self) -> InstanceAt {
        InstanceAt::of(&self.instance)
    }

    /// Waits, at most until something else is wanted; whether it is.
    async fn pause(&mut self, pause: Duration) -> bool {
        // A closed channel says that the reconcilers are ending, which drops this task too.
        timeout(pause, self.wanted.changed()).await.is_ok()
    }

    async fn step(&mut self) -> Result<Next, InstanceError> {
        let wanted = self.wanted.borrow_and_update().clone();
        match wanted {
            InstanceGoal::Hold => {
                if self.has_interface().await? {
                    let _ = self.wanted.changed().await;
                }
                Ok(Next::Again)
            }
            InstanceGoal::Run(workload) => {
                if self.has_interface().await? {
                    self.supervise(&workload).await
                } else {
                    Ok(Next::Again)
                }
            }
            InstanceGoal::End => {
                self.end().await?;
                Ok(Next::Over)
            }
        }
    }

    /// Waits until the instance's interface is there. `false`: something else is wanted meanwhile.
    async fn has_interface(&mut self) -> Result<bool, StoreError> {
        let deadline = Instant::now() + TRANSIENT_FAILURE_TIMEOUT;
        loop {
            let failed = {
                let network = self.network.borrow_and_update();
                if network.ready.contains(&self.instance.interface) {
                    return Ok(true);
                }
                network.failed.get(&self.instance.interface).cloned()
            };
            let is_late = Instant::now() >= deadline;
            if let Some(reason) = failed.filter(|_| is_late) {
                // The network reconciler tries again by itself.
                let message = format!(
                    "The network interface {} of instance {} could not be made: {reason}.",
                    self.instance.interface, self.instance.id
                );
                self.trouble(message).await?;
            }
            select! {
                // Both close only when the reconcilers are ending, which drops this task.
                _ = self.network.changed() => {}
                _ = self.wanted.changed() => return Ok(false),
                () = sleep_until(deadline), if !is_late => {}
            }
        }
    }

    /// Finds or starts the supervisor, and writes what it reports until it dies or something else
    /// is wanted.
    async fn supervise(&mut self, workload: &Workload) -> Result<Next, InstanceError> {
        let Some(current) = self.current().await? else {
            // The record is gone: so is everything.
            return Ok(Next::Over);
        };
        let directory = self.context.context.instance_directory(&current.id);
        let found = tombolo_fleet::Instance::attach(&directory).await?;
        // It may run what was wanted earlier, and nobody has told it since.
        let untold = found.is_some().then_some(workload);
        let live = match found {
            Some(live) => live,
            None => match self.start(workload, &current).await? {
                Some(live) => live,
                None => return Ok(Next::Again),
            },
        };
        self.stuck = None;
        self.reported_problem = None;
        let since = Instant::now();
        let next = self.follow(&live, untold, &current).await;
        self.backoff.lived(since.elapsed());
        match next {
            // What it was being told or asked when it died does not matter.
            Err(InstanceError::Control(_) | InstanceError::Configure(_)) if !live.is_alive() => {
                Ok(Next::Again)
            }
            next => next,
        }
    }

    /// Starts the supervisor. `None`: something else is wanted meanwhile.
    async fn start(
        &mut self,
        workload: &Workload,
        current: &Instance,
    ) -> Result<Option<tombolo_fleet::Instance>, InstanceError> {
        if self.reported_up_to(current).await?.is_some() {
            let pause = self.backoff.next();
            tracing::warn!(
                fleet = %self.instance.fleet,
                instance = %current.id,
                "an instance has ended by itself and is started again in {pause:?}"
            );
            if self.pause(pause).await {
                return Ok(None);
            }
        }
        let starts = self.context.starts.clone();
        // Nobody closes the semaphore.
        let _turn = starts.acquire().await;
        if self.wanted.has_changed().unwrap_or(true) {
            return Ok(None);
        }
        let started = supervised::start(&self.context.context, workload, current).await;
        Ok(Some(started.map_err(AttachOrStartError::from)?))
    }

    async fn follow(
        &mut self,
        live: &tombolo_fleet::Instance,
        untold: Option<&Workload>,
        current: &Instance,
    ) -> Result<Next, InstanceError> {
        let mut events = self.unreported(live, current).await?;
        if let Some(workload) = untold {
            live.configure(workload.processes()).await?;
        }
        let mut wanted = self.wanted.clone();
        loop {
            select! {
                more = self.report_batch(live, &mut events) => {
                    if !more? {
                        return Ok(Next::Again);
                    }
                }
                _ = wanted.changed() => return Ok(Next::Again),
            }
        }
    }

    /// Reports the events that are there, at least one, and lets the supervisor forget them. `false`
    /// when there will be no more.
    async fn report_batch(
        &self,
        live: &tombolo_fleet::Instance,
        events: &mut Events,
    ) -> Result<bool, InstanceError> {
        let Some(first) = events.next().await? else {
            return Ok(false);
        };
        let mut batch = vec![first];
        while batch.len() < AT_A_TIME
            && let Some(Ok(Some(event))) = events.next().now_or_never()
        {
            batch.push(event);
        }
        tracing::debug!(instance = %self.instance.id, ?batch, "an instance reports");
        let incarnation = live.incarnation().to_string();
        let last = batch.last().map(|last| last.seq);
        let batch = batch.into_iter().map(reported).collect();
        let reports = &self.context.reports;
        reports
            .instance_events(&self.at(), &incarnation, batch)
            .await?;
        if let Some(last) = last {
            live.acknowledge(last).await?;
        }
        Ok(true)
    }

    /// Ends the instance's processes, whatever they have started, and gives back its folder, its
    /// interface and its records.
    async fn end(&mut self) -> Result<(), InstanceError> {
        let directory = self.context.context.instance_directory(&self.instance.id);
        if let Some(live) = tombolo_fleet::Instance::attach(&directory).await? {
            // What happens until the end, and what was not yet told, is told.
            let (stopped, ()) = join(live.stop(GRACE), self.listen_to_the_end(&live)).await;
            stopped?;
        }
        remove_folder(directory).await;
        self.context.reports.instance_ended(&self.at()).await?;
        let interface = &self.instance.interface;
        // Closed when the reconcilers are ending.
        let _ = self
            .network
            .wait_for(|network| !network.knows(interface))
            .await;
        Ok(self.context.reports.instance_released(&self.at()).await?)
    }

    async fn listen_to_the_end(&self, live: &tombolo_fleet::Instance) {
        let listening = async {
            let Some(current) = self.current().await? else {
                return Ok(());
            };
            let mut events = self.unreported(live, &current).await?;
            while self.report_batch(live, &mut events).await? {}
            Ok(())
        };
        // A supervisor that does not talk any more has nothing more to tell.
        if let Err(error) = listening.await {
            let error: InstanceError = error;
            tracing::debug!(
                instance = %self.instance.id,
                error = &error as &(dyn std::error::Error + 'static),
                "an instance that is ending was not heard to the end"
            );
        }
    }

    /// The instance's record as it is now.
    async fn current(&self) -> Result<Option<Instance>, StoreError> {
        let Instance {
            scope, fleet, id, ..
        } = &self.instance;
        let key = keys::instance(scope, fleet, id);
        self.context.read().get(&key).await
    }

    /// The last event of the instance that was reported, if one was.
    async fn reported_up_to(
        &self,
        current: &Instance,
    ) -> Result<Option<EventPosition>, StoreError> {
        let Instance {
            scope, fleet, id, ..
        } = current;
        let key = keys::reported_instance(scope, fleet, id);
        let reported = self.context.read().get(&key).await?;
        let position = reported.map(|reported| reported.last_event);
        Ok(position.or_else(|| current.earlier_position.clone()))
    }

    /// The events of an instance that were not reported yet: all of them, from a run of its
    /// supervisor that nothing was reported of.
    async fn unreported(
        &self,
        live: &tombolo_fleet::Instance,
        current: &Instance,
    ) -> Result<Events, InstanceError> {
        let position = self.reported_up_to(current).await?;
        let incarnation = live.incarnation().to_string();
        let of_this_run = position.filter(|position| position.incarnation == incarnation);
        let after = of_this_run.map_or(0, |position| position.number);
        Ok(live.events(after).await?)
    }

    /// Tells people of an error that keeps the instance from running, once it is clear that it
    /// does not pass by itself.
    async fn tell(&mut self, error: &InstanceError) -> Result<(), StoreError> {
        let InstanceError::Start(error) = error else {
            return Ok(());
        };
        let since = *self.stuck.get_or_insert_with(Instant::now);
        let is_final = matches!(
            error,
            AttachOrStartError::Start(StartError::Spec(_) | StartError::Supervisor { .. })
        );
        if !is_final && since.elapsed() < TRANSIENT_FAILURE_TIMEOUT {
            return Ok(());
        }
        let message = format!(
            "Instance {} could not be started: {}.",
            self.instance.id,
            error_chain(error)
        );
        self.trouble(message).await
    }

    /// Reports what keeps the instance from running, once.
    async fn trouble(&mut self, message: String) -> Result<(), StoreError> {
        if self.reported_problem.as_ref() == Some(&message) {
            return Ok(());
        }
        let FleetContext { reports, fleet, .. } = &*self.context;
        reports.instance_hindered(fleet, message.clone()).await?;
        self.reported_problem = Some(message);
        Ok(())
    }
}
