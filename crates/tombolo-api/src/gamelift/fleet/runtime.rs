//! DescribeRuntimeConfiguration and UpdateRuntimeConfiguration: what each instance runs.

use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::{Fleet, RuntimeConfiguration, ServerProcess};

use super::lookup::{compute, compute_mut, refuse_ended};
use crate::gamelift::error::{Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The shape RuntimeConfiguration. Its limits on game session activations are kept and shown, since
/// clients fill them in by themselves, and mean nothing: game sessions are not served.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RuntimeShape {
    pub(super) server_processes: Option<Vec<ProcessShape>>,
    pub(super) max_concurrent_game_session_activations: Option<u64>,
    pub(super) game_session_activation_timeout_seconds: Option<u64>,
}

/// The shape ServerProcess.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProcessShape {
    launch_path: String,
    parameters: Option<String>,
    concurrent_executions: u32,
}

impl From<&ProcessShape> for ServerProcess {
    fn from(asked: &ProcessShape) -> Self {
        ServerProcess {
            launch_path: asked.launch_path.clone(),
            parameters: asked.parameters.clone(),
            concurrent_executions: asked.concurrent_executions,
        }
    }
}

impl From<ServerProcess> for ProcessShape {
    fn from(process: ServerProcess) -> Self {
        ProcessShape {
            launch_path: process.launch_path,
            parameters: process.parameters,
            concurrent_executions: process.concurrent_executions,
        }
    }
}

impl RuntimeShape {
    fn of(fleet: &Fleet, runtime: &RuntimeConfiguration) -> Self {
        let processes = runtime.server_processes.iter().cloned();
        RuntimeShape {
            server_processes: Some(processes.map(Into::into).collect()),
            max_concurrent_game_session_activations: fleet.shown.concurrent_activations,
            game_session_activation_timeout_seconds: fleet.shown.activation_timeout_seconds,
        }
    }
}

/// Checks server processes.
pub(super) fn runtime(processes: Vec<ServerProcess>) -> Result<RuntimeConfiguration> {
    RuntimeConfiguration::new(processes)
        .map_err(|error| Error::invalid_request(format!("RuntimeConfiguration: {error}.")))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    fleet_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    runtime_configuration: Option<RuntimeShape>,
}

/// What a fleet's instances run; nothing if it is TERMINATED.
pub(crate) async fn describe_runtime_configuration(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let runtime = RuntimeShape::of(&fleet, &compute(&fleet)?.runtime);
    Ok(Described {
        runtime_configuration: fleet.terminated.is_none().then_some(runtime),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Update {
    fleet_id: String,
    runtime_configuration: RuntimeShape,
}

/// Replaces what the instances run, also those that run already: "it does not need to be in ACTIVE
/// status".
pub(crate) async fn update_runtime_configuration(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
) -> Result<Described> {
    let mut fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    compute(&fleet)?;
    refuse_ended(&fleet)?;
    let asked = input.runtime_configuration;
    let processes = asked.server_processes.unwrap_or_default();
    let runtime = runtime(processes.iter().map(Into::into).collect())?;

    compute_mut(&mut fleet)?.runtime = runtime.clone();
    let shown = &mut fleet.shown;
    shown.concurrent_activations = asked.max_concurrent_game_session_activations;
    shown.activation_timeout_seconds = asked.game_session_activation_timeout_seconds;
    // The older form, in which the fleet may have been created, says no longer what it runs.
    shown.server_launch_path = None;
    shown.server_launch_parameters = None;
    let described = RuntimeShape::of(&fleet, &runtime);
    tx.put(&fleet)?;
    Ok(Described {
        runtime_configuration: Some(described),
    })
}
