//! A build's `install.sh`, which is run once for a fleet while the fleet is BUILDING. It runs as an
//! instance of its own, without a network; what it changed is laid over the build in every instance.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tombolo_domain::error_chain;
use tombolo_domain::fleet::{EventCode, FleetStatus};
use tombolo_domain::id::{BuildId, FleetId, InstanceId};
use tombolo_fleet::{
    AttachError, ControlError, Event, Instance, InstanceSpec, RestartPolicy, StartError, StopError,
    Work,
};
use tombolo_store::{StoreError, keys};

use super::backoff::Backoff;
use super::record::{Failure, Record};
use super::report::report;
use crate::folder::remove_folder;
use crate::transact::transact;
use crate::{Context, builds_directory, installed_directory, logs_directory};

/// How often it is run when it is killed together with its supervisor, which is nobody's verdict on
/// it.
const ATTEMPTS: u32 = 3;
/// How long what it started may take to end after it.
const GRACE: Duration = Duration::from_secs(1);

/// Where what a build's `install.sh` changed is kept for a fleet, if the build has one.
pub(super) fn installed(context: &Context, build: &BuildId, fleet: &FleetId) -> Option<PathBuf> {
    let script = builds_directory(&context.directory)
        .join(build.as_str())
        .join("install.sh");
    let into = installed_directory(&context.directory).join(fleet.as_str());
    script.is_file().then_some(into)
}

/// The name of the folder among the instances that a fleet's installer has.
pub(super) fn folder(fleet: &FleetId) -> String {
    format!("install-{fleet}")
}

/// The task that installs, at most one at a time.
pub(super) struct Installer {
    record: Record,
    starts: Arc<Semaphore>,
    task: JoinSet<Result<(), Failure>>,
}

impl Installer {
    pub(super) fn new(record: Record, starts: Arc<Semaphore>) -> Self {
        Installer {
            record,
            starts,
            task: JoinSet::new(),
        }
    }

    /// Whether what is to be kept at `into` is there, whole. Tells so, once.
    pub(super) async fn is_done(&self, into: &std::path::Path) -> Result<bool, StoreError> {
        if !into.is_dir() {
            return Ok(false);
        }
        let message = "The build's install.sh succeeded, and what it changed is kept.";
        let code = EventCode::FleetCreationCompletedInstaller;
        self.record.tell_once(code, message).await?;
        Ok(true)
    }

    /// Begins, unless it has begun.
    pub(super) async fn begin(&mut self, build: &BuildId, into: PathBuf) -> Result<(), StoreError> {
        if !self.task.is_empty() {
            return Ok(());
        }
        let message = "The build's install.sh is being run.";
        let code = EventCode::FleetCreationRunningInstaller;
        self.record.tell_once(code, message).await?;
        let run = Run {
            record: self.record.clone(),
            starts: self.starts.clone(),
            build: build.clone(),
            into,
        };
        self.task.spawn_local(run.finish());
        Ok(())
    }

    /// Returns when it has ended.
    pub(super) async fn ended(&mut self) -> Result<(), Failure> {
        match self.task.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => {
                tracing::error!(%error, "the task of an installer has panicked");
                Ok(())
            }
            None => pending().await,
        }
    }

    /// Ends it, if it runs, and removes what it has made.
    pub(super) async fn give_back(&mut self) -> Result<(), InstallError> {
        self.task.shutdown().await;
        let Record { context, id, .. } = &self.record;
        let directory = context.instances_directory().join(folder(id));
        if let Some(live) = Instance::attach(&directory).await? {
            // Nobody wants to know any more how it would have ended.
            live.kill().await?;
        }
        remove_folder(directory).await;
        remove_folder(installed_directory(&context.directory).join(id.as_str())).await;
        Ok(())
    }
}

/// Why it is not known what became of an installer.
#[derive(Debug, thiserror::Error)]
pub(super) enum InstallError {
    #[error("using the store")]
    Store(#[from] StoreError),
    #[error("finding the installer")]
    Attach(#[from] AttachError),
    #[error("starting the installer")]
    Start(#[from] StartError),
    #[error("talking to the installer")]
    Control(#[from] ControlError),
    #[error("ending the installer")]
    Stop(#[from] StopError),
    #[error("the installer was killed together with its supervisor")]
    Killed,
}

/// One fleet's installation.
struct Run {
    record: Record,
    starts: Arc<Semaphore>,
    build: BuildId,
    into: PathBuf,
}

impl Run {
    async fn finish(self) -> Result<(), Failure> {
        let mut backoff = Backoff::default();
        let mut attempts = 0;
        loop {
            let error = match self.attempt().await {
                Ok(outcome) => return outcome,
                Err(error) => error,
            };
            attempts += 1;
            let is_final = matches!(
                error,
                InstallError::Start(StartError::Spec(_) | StartError::Supervisor { .. })
            );
            if is_final || attempts == ATTEMPTS {
                return Err(failed(format!(
                    "The build's install.sh could not be run: {}.",
                    error_chain(&error)
                )));
            }
            tracing::error!(
                fleet = %self.record.id,
                error = &error as &(dyn std::error::Error + 'static),
                "a build could not be installed; trying again"
            );
            sleep(backoff.next()).await;
        }
    }

    /// Finds or starts it, and waits for its end.
    async fn attempt(&self) -> Result<Result<(), Failure>, InstallError> {
        let context = &self.record.context;
        let directory = context.instances_directory().join(folder(&self.record.id));
        let live = match Instance::attach(&directory).await? {
            Some(live) => live,
            // It ended well while nobody was there.
            None if self.into.is_dir() => {
                remove_folder(directory).await;
                return Ok(Ok(()));
            }
            None => self.start(directory.clone()).await?,
        };
        let outcome = self.outcome(&live).await?;
        live.stop(GRACE).await?;
        remove_folder(directory).await;
        match outcome {
            Some(outcome) => Ok(outcome),
            None => Err(InstallError::Killed),
        }
    }

    async fn start(&self, directory: PathBuf) -> Result<Instance, InstallError> {
        let context = &self.record.context;
        // Its users are nobody else's, as those of every instance.
        let number = transact(self.record.store(), async |tx| {
            let number = tx.get(&keys::instance_number()).await?.unwrap_or(0);
            let number = number.wrapping_add(1);
            tx.put_at(&keys::instance_number(), &number)?;
            Ok(number)
        })
        .await?;
        let spec = InstanceSpec {
            instance: InstanceId::generate(&*context.ids),
            fleet: self.record.id.clone(),
            network_namespace: None,
            build: builds_directory(&context.directory).join(self.build.as_str()),
            directory,
            logs: logs_directory(&context.directory, &self.record.id).join("install"),
            hidden: vec![context.directory.clone()],
            installed: None,
            work: Work::Install {
                into: self.into.clone(),
            },
            restart: RestartPolicy::default(),
            sandbox: context.sandbox.for_instance(number),
            log_paths: Vec::new(),
        };
        // Nobody closes the semaphore.
        let _turn = self.starts.acquire().await;
        Ok(Instance::start(&context.binary, &spec).await?)
    }

    /// What it reports in the end; `None` if it was killed before it could.
    async fn outcome(&self, live: &Instance) -> Result<Option<Result<(), Failure>>, InstallError> {
        // It is in no record, so that another id than its own says as little.
        let instance = InstanceId::generate(&*self.record.context.ids);
        let mut events = live.events(0).await?;
        // A connection that breaks off is that of a supervisor that was killed.
        while let Ok(Some(event)) = events.next().await {
            // It waits for that before it ends.
            live.acknowledge(event.seq).await?;
            if event.event == Event::Installed {
                return Ok(Some(Ok(())));
            }
            let report = report(&instance, &event.event, FleetStatus::Building);
            if let Some(report) = report.filter(|report| report.is_fatal) {
                return Ok(Some(Err(failed(report.message))));
            }
        }
        Ok(None)
    }
}

fn failed(message: String) -> Failure {
    Failure {
        code: EventCode::FleetCreationFailedInstaller,
        message,
    }
}
