//! What is held against the build's files before a fleet's instance is made.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::task::spawn_blocking;
use tombolo_controller::Failure;
use tombolo_domain::fleet::{EventCode, ManagedCompute, RuntimeConfiguration};
use tombolo_domain::id::BuildId;

use crate::{Context, builds_directory};

/// The build's files are on this machine already: an import puts them where instances mount
/// them from.
pub(super) async fn build_is_here(
    context: &Context,
    managed: &ManagedCompute,
) -> Result<(), Failure> {
    let build = &managed.build;
    let path = builds_directory(&context.directory).join(build.as_str());
    let is_here = spawn_blocking(move || path.is_dir()).await;
    if is_here.unwrap_or(false) {
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

/// Every launch path is a file of the build that can be executed.
pub(super) async fn can_run(context: &Context, managed: &ManagedCompute) -> Result<(), Failure> {
    let (build, runtime) = (managed.build.clone(), managed.runtime.clone());
    let root = builds_directory(&context.directory).join(build.as_str());
    let held = spawn_blocking(move || held(&root, &build, &runtime)).await;
    held.unwrap_or_else(|panic| {
        Err(Failure {
            code: EventCode::FleetValidationExecutableRuntimeFailure,
            message: format!("Looking at the build failed: {panic}."),
        })
    })
}

fn held(root: &Path, build: &BuildId, runtime: &RuntimeConfiguration) -> Result<(), Failure> {
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
