//! The programs of `tombolo run`, which a server that goes away takes along.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::task::spawn_blocking;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::vpc::Attachment;
use tombolo_fleet::end_namespace_processes;
use tombolo_network::NetworkEngine;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, keys};

use crate::process::ProcessIdentity;

/// How long programs may take to end after SIGTERM.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked whether they have: they are not children, so nothing tells.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Ends every program that a network interface was made for, and what those have started.
pub async fn end_all(store: &Arc<dyn Store>, engine: &Arc<dyn NetworkEngine>) -> Result<()> {
    let (interfaces, programs): (Vec<_>, Vec<_>) = attached(store).await?.into_iter().unzip();
    // Goes on after a failure, so that one program does not keep the others.
    let mut outcome = end(programs).await;
    for netns in interfaces.iter().filter_map(|id| engine.namespace(id)) {
        let ended =
            spawn_blocking(move || end_namespace_processes(&netns, TERMINATION_TIMEOUT)).await?;
        outcome = outcome.and(ended.map(drop).map_err(anyhow::Error::from));
    }
    outcome
}

async fn attached(store: &Arc<dyn Store>) -> Result<Vec<(NetworkInterfaceId, ProcessIdentity)>> {
    let mut tx = Transaction::new(store.clone());
    let interfaces = tx
        .peek(&keys::all_interfaces())
        .await
        .context("listing programs")?;
    let processes = interfaces
        .into_iter()
        .filter_map(|interface| match interface.attachment {
            Some(Attachment::Program { pid, start_time }) => {
                Some((interface.id, ProcessIdentity { pid, start_time }))
            }
            _ => None,
        });
    Ok(processes.collect())
}

/// Asks them to end, and kills those that have not after a while. They are `tombolo run`
/// themselves, which passes SIGTERM on and whose command dies with it.
async fn end(programs: Vec<ProcessIdentity>) -> Result<()> {
    for program in &programs {
        program
            .signal(Signal::SIGTERM)
            .with_context(|| format!("ending process {}", program.pid))?;
    }
    let ended = async {
        while alive(&programs)? {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        anyhow::Ok(())
    };
    if let Ok(ended) = tokio::time::timeout(TERMINATION_TIMEOUT, ended).await {
        return ended;
    }
    for program in &programs {
        program
            .signal(Signal::SIGKILL)
            .with_context(|| format!("killing process {}", program.pid))?;
    }
    Ok(())
}

fn alive(programs: &[ProcessIdentity]) -> Result<bool> {
    for program in programs {
        if program
            .is_alive()
            .with_context(|| format!("looking at process {}", program.pid))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
