//! The programs of `tombolo run`, which a server that goes away takes along.

use std::io;
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
    let mut outcome = end(&programs).await;
    for netns in interfaces.iter().filter_map(|id| engine.namespace(id)) {
        let ended = spawn_blocking(move || end_namespace_processes(&netns, TERMINATION_TIMEOUT));
        let ended = match ended.await {
            Ok(ended) => ended.map(drop).map_err(anyhow::Error::from),
            Err(panic) => Err(panic.into()),
        };
        outcome = outcome.and(ended);
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

/// A program that can be ended.
trait Program {
    fn pid(&self) -> i32;
    fn signal(&self, signal: Signal) -> io::Result<()>;
    fn is_alive(&self) -> io::Result<bool>;
}

impl Program for ProcessIdentity {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        ProcessIdentity::signal(*self, signal)
    }

    fn is_alive(&self) -> io::Result<bool> {
        ProcessIdentity::is_alive(*self)
    }
}

/// Asks them to end, and kills those that have not after a while. They are `tombolo run`
/// themselves, which passes SIGTERM on and whose command dies with it. Goes on after a failure and
/// returns the first one; a program that cannot be looked at is not waited for.
async fn end(programs: &[impl Program]) -> Result<()> {
    let mut outcome = signal_all(programs, Signal::SIGTERM, "ending");
    let ended = async {
        while programs.iter().any(|one| one.is_alive().unwrap_or(false)) {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let timed_out = tokio::time::timeout(TERMINATION_TIMEOUT, ended).await;
    for program in programs {
        let looked = program.is_alive().map(drop);
        let looked = looked.with_context(|| format!("looking at process {}", program.pid()));
        outcome = outcome.and(looked);
    }
    match timed_out {
        Ok(()) => outcome,
        Err(_) => outcome.and(signal_all(programs, Signal::SIGKILL, "killing")),
    }
}

/// Sends every program a signal. The first failure.
fn signal_all(programs: &[impl Program], signal: Signal, doing: &str) -> Result<()> {
    let mut outcome = Ok(());
    for program in programs {
        let sent = program.signal(signal);
        outcome = outcome.and(sent.with_context(|| format!("{doing} process {}", program.pid())));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A program that ends at SIGTERM or does not, or whose entry in `/proc` cannot be read.
    struct Fake {
        pid: i32,
        ends_at: Option<Signal>,
        got: RefCell<Vec<Signal>>,
    }

    impl Fake {
        fn new(pid: i32, ends_at: Option<Signal>) -> Self {
            let got = RefCell::default();
            Fake { pid, ends_at, got }
        }
    }

    impl Program for Fake {
        fn pid(&self) -> i32 {
            self.pid
        }

        fn signal(&self, signal: Signal) -> io::Result<()> {
            match self.ends_at {
                Some(_) => {
                    self.got.borrow_mut().push(signal);
                    Ok(())
                }
                None => Err(io::Error::other("no number where a number is")),
            }
        }

        fn is_alive(&self) -> io::Result<bool> {
            match self.ends_at {
                Some(signal) => Ok(!self.got.borrow().contains(&signal)),
                None => Err(io::Error::other("no number where a number is")),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_cannot_be_looked_at_does_not_keep_the_others() {
        let programs = [
            Fake::new(1, None),
            Fake::new(2, Some(Signal::SIGTERM)),
            Fake::new(3, None),
            Fake::new(4, Some(Signal::SIGKILL)),
        ];
        let error = end(&programs).await.unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "ending process 1: no number where a number is"
        );
        let got = programs.map(|one| one.got.into_inner());
        let (term, kill) = (Signal::SIGTERM, Signal::SIGKILL);
        assert_eq!(got, [vec![], vec![term, kill], vec![], vec![term, kill]]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_ends_when_asked_to_is_not_killed() {
        let programs = [Fake::new(1, Some(Signal::SIGTERM))];
        end(&programs).await.unwrap();
        assert_eq!(*programs[0].got.borrow(), [Signal::SIGTERM]);
    }
}
