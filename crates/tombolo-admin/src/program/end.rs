//! The programs of `tombolo run`, which a server that goes away takes along.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::task::spawn_blocking;
use tombolo_domain::host::{HostBoot, Locality};
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

/// Ends every program of this host that a network interface was made for, and what those have started.
pub async fn end_all(
    store: &Arc<dyn Store>,
    engine: &Arc<dyn NetworkEngine>,
    host: &HostBoot,
) -> Result<()> {
    let attached = attached(store, host).await?;
    let (interfaces, programs): (Vec<_>, Vec<_>) = attached.into_iter().unzip();
    // Goes on after a failure, so that one program does not keep the others.
    let mut outcome = end(programs.into_iter().flatten().collect()).await;
    for netns in interfaces.iter().filter_map(|id| engine.namespace(id)) {
        let ended =
            spawn_blocking(move || end_namespace_processes(&netns, TERMINATION_TIMEOUT)).await?;
        outcome = outcome.and(ended.map(drop).map_err(anyhow::Error::from));
    }
    outcome
}

/// The interfaces of this host's programs, each with its program, unless that ended with an earlier
/// boot.
async fn attached(
    store: &Arc<dyn Store>,
    host: &HostBoot,
) -> Result<Vec<(NetworkInterfaceId, Option<ProcessIdentity>)>> {
    let mut tx = Transaction::new(store.clone());
    let interfaces = tx
        .peek(&keys::all_interfaces())
        .await
        .context("listing programs")?;
    let processes = interfaces
        .into_iter()
        .filter_map(|interface| match interface.attachment {
            Some(Attachment::Program {
                pid,
                start_time,
                boot,
            }) => {
                let process = ProcessIdentity { pid, start_time };
                match host.locality_of(boot.as_ref()) {
                    Locality::OtherHost => None,
                    Locality::EarlierBoot => Some((interface.id, None)),
                    Locality::ThisBoot => Some((interface.id, Some(process))),
                }
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
