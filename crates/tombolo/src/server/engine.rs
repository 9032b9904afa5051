//! Which network engine a server gets.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tombolo_network::ebpf::{self, EbpfConfig, EbpfEngine};
use tombolo_network::{EngineError, EngineKind, NetworkEngine, OutsideConfig, SimulatedEngine};
use tombolo_tasks::Tasks;

use crate::cli::NetworkChoice;
use crate::report::hinted;

/// The engine for a choice on this machine.
pub(crate) struct EngineChoice {
    /// The engine.
    pub(crate) kind: EngineKind,
    /// Why it is not `ebpf`, when `auto` would have preferred that.
    pub(crate) fallback: Option<EngineError>,
}

/// Decides by trying out what the machine can do.
///
/// # Errors
/// `ebpf` was asked for and cannot run here.
pub(crate) fn choose(choice: NetworkChoice) -> Result<EngineChoice> {
    let simulated = |fallback| EngineChoice {
        kind: EngineKind::Simulated,
        fallback,
    };
    match choice {
        NetworkChoice::Simulated => Ok(simulated(None)),
        NetworkChoice::Auto => Ok(match ebpf::preflight() {
            Ok(()) => EngineChoice {
                kind: EngineKind::Ebpf,
                fallback: None,
            },
            Err(error) => simulated(Some(error)),
        }),
        NetworkChoice::Ebpf => match ebpf::preflight() {
            Ok(()) => Ok(EngineChoice {
                kind: EngineKind::Ebpf,
                fallback: None,
            }),
            Err(error) => Err(hinted(
                error.to_string(),
                "`tombolo doctor` shows everything that it needs; `--network simulated` keeps \
                 states only and carries no packets",
            )),
        },
    }
}

/// Starts the engine that `choice` comes to, on what an earlier one of the directory left, joined
/// to what is outside as `outside` says.
pub(crate) async fn start(
    choice: NetworkChoice,
    directory: &Path,
    outside: Option<OutsideConfig>,
    tasks: Tasks,
) -> Result<Arc<dyn NetworkEngine>> {
    let chosen = tokio::task::spawn_blocking(move || choose(choice)).await??;
    if let Some(why) = &chosen.fallback {
        tracing::warn!("no packets will flow, the network is simulated: {why}");
    }
    Ok(match chosen.kind {
        EngineKind::Simulated => match outside {
            Some(outside) => Arc::new(SimulatedEngine::new().joined(outside)),
            None => Arc::new(SimulatedEngine::new()),
        },
        EngineKind::Ebpf => {
            let config = EbpfConfig {
                outside,
                tasks,
                ..EbpfConfig::for_directory(directory.to_owned())?
            };
            let engine = EbpfEngine::start(config)
                .await
                .context("starting the network engine")?;
            Arc::new(engine)
        }
    })
}
