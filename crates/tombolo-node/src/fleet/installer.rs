//! A build's `install.sh`, which is run once for a fleet while the fleet is BUILDING. It runs as an
//! instance of its own, without a network; what it changed is laid over the build in every instance.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tombolo_controller::{Failure, FleetReport, installer_failure};
use tombolo_domain::error_chain;
use tombolo_domain::fleet::EventCode;
use tombolo_domain::id::{BuildId, FleetId, InstanceId};
use tombolo_fleet::{
    AttachError, ControlError, Event, Instance, InstanceSpec, RestartPolicy, StartError, StopError,
    Work,
};
use tombolo_store::StoreError;
use tombolo_tasks::Members;

use super::backoff::Backoff;
use super::event::happening;
use super::{FleetContext, WORKER, is_there};
use crate::folder::remove_folder;
use crate::{Context, builds_directory, installed_directory, logs_directory};

/// How often it is run when it is killed together with its supervisor, which is nobody's verdict on
/// it.
const ATTEMPTS: u32 = 3;
/// How long what it started may take to end after it.
const GRACE: Duration = Duration::from_secs(1);

/// Where what a build's `install.sh` changed is kept for a fleet, if the build has one.
pub(super) async fn installed(
    context: &Context,
    build: &BuildId,
    fleet: &FleetId,
) -> Option<PathBuf> {
    let script = builds_directory(&context.directory)
        .join(build.as_str())
        .join("install.sh");
    let into = installed_directory(&context.directory).join(fleet.as_str());
    let is_there = spawn_blocking(move || script.is_file()).await;
    is_there.unwrap_or(false).then_some(into)
}

/// The name of the folder among the instances that a fleet's installer has.
pub(super) fn folder(fleet: &FleetId) -> String {
    format!("install-{fleet}")
}

/// The task that installs, at most one at a time.
pub(super) struct Installer {
    context: Rc<FleetContext>,
    task: Members<Result<(), Failure>>,
}

impl Installer {
    pub(super) fn new(context: Rc<FleetContext>) -> Self {
        Installer {
            context,
            task: Members::new(WORKER),
        }
    }

    /// Begins, unless it has begun.
    pub(super) async fn begin(&mut self, build: &BuildId, into: PathBuf) -> Result<(), StoreError> {
        if !self.task.is_empty() {
            return Ok(());
        }
        let FleetContext { reports, fleet, .. } = &*self.context;
        reports.fleet(fleet, FleetReport::Installing).await?;
        let run = Run {
            context: self.context.clone(),
            build: build.clone(),
            into,
        };
        self.task.spawn(run.finish());
        Ok(())
    }

    /// Returns when it has ended.
    pub(super) async fn ended(&mut self) -> Result<(), Failure> {
        self.task.ended().await
    }

    /// Ends it, if it runs, and removes what it has made.
    pub(super) async fn give_back(&mut self) -> Result<(), InstallError> {
        self.task.shutdown().await;
        let FleetContext { context, fleet, .. } = &*self.context;
        let directory = context.instances_directory().join(folder(&fleet.id));
        if let Some(live) = Instance::attach(&directory).await? {
            // Nobody wants to know any more how it would have ended.
            live.kill().await?;
        }
        remove_folder(directory).await;
        remove_folder(installed_directory(&context.directory).join(fleet.id.as_str())).await;
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
    context: Rc<FleetContext>,
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
                fleet = %self.context.fleet.id,
                error = &error as &(dyn std::error::Error + 'static),
                "a build could not be installed; trying again"
            );
            sleep(backoff.next()).await;
        }
    }

    /// Finds or starts it, and waits for its end.
    async fn attempt(&self) -> Result<Result<(), Failure>, InstallError> {
        let FleetContext { context, fleet, .. } = &*self.context;
        let directory = context.instances_directory().join(folder(&fleet.id));
        let live = match Instance::attach(&directory).await? {
            Some(live) => live,
            // It ended well while nobody was there.
            None if is_there(self.into.clone()).await => {
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
        let FleetContext {
            context,
            fleet,
            reports,
            starts,
            ..
        } = &*self.context;
        // Its users are nobody else's, as those of every instance.
        let number = reports.installer_number().await?;
        let spec = InstanceSpec {
            instance: InstanceId::generate(&*context.ids),
            fleet: fleet.id.clone(),
            network_namespace: None,
            build: builds_directory(&context.directory).join(self.build.as_str()),
            directory,
            logs: logs_directory(&context.directory, &fleet.id).join("install"),
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
        let _turn = starts.acquire().await;
        Ok(Instance::start(&context.binary, &spec).await?)
    }

    /// What it reports in the end; `None` if it was killed before it could.
    async fn outcome(&self, live: &Instance) -> Result<Option<Result<(), Failure>>, InstallError> {
        // It is in no record, so that another id than its own says as little.
        let instance = InstanceId::generate(&*self.context.context.ids);
        let mut events = live.events(0).await?;
        // A connection that breaks off is that of a supervisor that was killed.
        while let Ok(Some(event)) = events.next().await {
            // It waits for that before it ends.
            live.acknowledge(event.seq).await?;
            if event.event == Event::Installed {
                return Ok(Some(Ok(())));
            }
            if let Some(failure) = installer_failure(&instance, &happening(event.event)) {
                return Ok(Some(Err(failure)));
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
