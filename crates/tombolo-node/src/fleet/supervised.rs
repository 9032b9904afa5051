//! An instance's supervisor: what it is started with.

use std::path::PathBuf;

use tombolo_domain::fleet::{Fleet, Instance, ManagedCompute, RuntimeConfiguration};
use tombolo_domain::id::BuildId;
use tombolo_fleet::{AttachError, InstanceSpec, RestartPolicy, ServerProcess, StartError, Work};

use crate::{Context, builds_directory, logs_directory};

/// What an instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workload {
    build: BuildId,
    runtime: RuntimeConfiguration,
    log_paths: Vec<String>,
    /// What the build's `install.sh` changed, if it has one.
    installed: Option<PathBuf>,
}

impl Workload {
    /// What the instances of `fleet` run, over what its installer changed.
    pub(super) fn of(installed: Option<PathBuf>, fleet: &Fleet, managed: &ManagedCompute) -> Self {
        Workload {
            installed,
            build: managed.build.clone(),
            runtime: managed.runtime.clone(),
            log_paths: fleet.shown.log_paths.clone(),
        }
    }

    /// The server processes of each.
    pub(super) fn processes(&self) -> Vec<ServerProcess> {
        let processes = self.runtime.server_processes.iter();
        processes
            .map(|process| ServerProcess {
                launch_path: process.launch_path.clone(),
                parameters: process.parameters.clone().unwrap_or_default(),
                concurrent_executions: process.concurrent_executions,
            })
            .collect()
    }
}

/// Starts the supervisor of an instance that has none.
pub(super) async fn start(
    context: &Context,
    workload: &Workload,
    instance: &Instance,
) -> Result<tombolo_fleet::Instance, StartError> {
    tombolo_fleet::Instance::start(&context.binary, &spec(context, workload, instance)).await
}

/// Why an instance is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachOrStartError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Start(#[from] StartError),
}

fn spec(context: &Context, workload: &Workload, instance: &Instance) -> InstanceSpec {
    InstanceSpec {
        instance: instance.id.clone(),
        fleet: instance.fleet.clone(),
        network_namespace: context.engine.namespace(&instance.interface),
        build: builds_directory(&context.directory).join(workload.build.as_str()),
        directory: context.instance_directory(&instance.id),
        logs: logs_directory(&context.directory, &instance.fleet).join(instance.id.as_str()),
        hidden: vec![context.directory.clone()],
        installed: workload.installed.clone(),
        work: Work::Serve(workload.processes()),
        restart: RestartPolicy::default(),
        sandbox: context.sandbox.for_instance(instance.number),
        log_paths: workload.log_paths.clone(),
    }
}
