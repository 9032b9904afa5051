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
use tombolo_store::keys::{InterfaceKey, KeyParts};
use tombolo_store::{Store, StoreError, keys};

use crate::process::ProcessIdentity;

/// How long programs may take to end after SIGTERM.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked whether they have: they are not children, so nothing tells.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Ends every program of this host that a network interface was made for, and what those have started.
/// Goes on after a failure and returns the first one, so that neither a program nor a record keeps the
/// others.
pub async fn end_all(
    store: &Arc<dyn Store>,
    engine: &Arc<dyn NetworkEngine>,
    host: &HostBoot,
) -> Result<()> {
    let Attached {
        interfaces,
        programs,
        unreadable,
    } = attached(store, host).await?;
    let mut outcome = end(programs).await;
    for netns in interfaces.iter().filter_map(|id| engine.namespace(id)) {
        let ended =
            spawn_blocking(move || end_namespace_processes(&netns, TERMINATION_TIMEOUT)).await?;
        outcome = outcome.and(ended.map(drop).map_err(anyhow::Error::from));
    }
    outcome.and(match unreadable {
        Some(error) => Err(error).context("listing programs"),
        None => Ok(()),
    })
}

/// What was found of this host's programs.
#[derive(Default)]
struct Attached {
    /// Their interfaces.
    interfaces: Vec<NetworkInterfaceId>,
    /// Those that did not end with an earlier boot.
    programs: Vec<ProcessIdentity>,
    /// The first record that could not be read.
    unreadable: Option<StoreError>,
}

/// The interfaces of this host's programs, and the programs. Each record is read by itself: one that is
/// damaged does not keep the others. Its interface is in its key, and whatever runs in the network
/// namespace of that on this host is ended with the rest.
async fn attached(store: &Arc<dyn Store>, host: &HostBoot) -> Result<Attached> {
    let page = store
        .range(&keys::all_interfaces().range(), usize::MAX)
        .await
        .context("listing programs")?;
    let mut attached = Attached::default();
    for entry in page.entries {
        let interface = match InterfaceKey::decode(&entry.key, &entry.value) {
            Ok(interface) => interface,
            Err(error) => {
                let key = InterfaceKey::parse(&entry.key);
                attached.interfaces.extend(key.map(|key| key.interface));
                attached.unreadable.get_or_insert(error);
                continue;
            }
        };
        let Some(Attachment::Program {
            pid,
            start_time,
            boot,
        }) = interface.attachment
        else {
            continue;
        };
        match host.locality_of(boot.as_ref()) {
            Locality::OtherHost => continue,
            Locality::EarlierBoot => {}
            Locality::ThisBoot => attached.programs.push(ProcessIdentity { pid, start_time }),
        }
        attached.interfaces.push(interface.id);
    }
    Ok(attached)
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
