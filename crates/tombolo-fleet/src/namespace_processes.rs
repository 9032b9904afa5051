//! Ending whatever runs in a network namespace: what a command started and left behind there.
//!
//! A namespace lives as long as a process is in it, so an interface that is taken away under a
//! process leaves that process running, cut off and unknown to everybody.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::pidfd::{PidFd, is_gone};

/// How long the kernel may take to end processes after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// Processes of a network namespace that could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The namespace is the one that this process is in.
    #[error(
        "{netns:?} is this process's own network namespace, whose processes are not ended; name \
         a workload's"
    )]
    OwnNamespace {
        /// The network namespace.
        netns: PathBuf,
    },
    /// The kernel did not tell which processes there are, or did not pass a signal on.
    #[error("the processes of the network namespace {netns:?} cannot be ended; are you root?")]
    Refused {
        /// The network namespace.
        netns: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// They are still there after SIGKILL, as a process is that waits for a dead disk.
    #[error(
        "processes {pids:?} of the network namespace {netns:?} are there {KILL_TIMEOUT:?} after SIGKILL; \
         `cat /proc/PID/stack` says what they wait for"
    )]
    StillThere {
        /// The network namespace.
        netns: PathBuf,
        /// Their process ids.
        pids: Vec<i32>,
    },
}

/// Ends every process in the network namespace at `netns`: SIGTERM, and SIGKILL to what is left
/// after `grace`. It blocks until none is there, and gives the number of those that were there at
/// first. A namespace that does not exist has none.
///
/// A process is signalled by a handle that was opened before its namespace was looked at, so one
/// that takes the process id of another is never hit.
pub fn end_namespace_processes(netns: &Path, grace: Duration) -> Result<usize, EndError> {
    let refused = |source| EndError::Refused {
        netns: netns.to_owned(),
        source,
    };
    let Some(namespace) = Namespace::at(netns).map_err(refused)? else {
        return Ok(0);
    };
    if Namespace::of("self").map_err(refused)? == Some(namespace) {
        return Err(EndError::OwnNamespace {
            netns: netns.to_owned(),
        });
    }

    let processes = namespace.processes().map_err(refused)?;
    signal_and_wait(&processes, Signal::SIGTERM, grace).map_err(refused)?;

    let deadline = Instant::now() + KILL_TIMEOUT;
    loop {
        // What was started meanwhile is there too.
        let left = namespace.processes().map_err(refused)?;
        if left.is_empty() {
            return Ok(processes.len());
        }
        let time = deadline.saturating_duration_since(Instant::now());
        if time.is_zero() {
            return Err(EndError::StillThere {
                netns: netns.to_owned(),
                pids: left.into_iter().map(|one| one.pid).collect(),
            });
        }
        signal_and_wait(&left, Signal::SIGKILL, time).map_err(refused)?;
    }
}

/// A process that was in the namespace when it was looked at.
struct NamespaceProcess {
    pid: i32,
    handle: PidFd,
}

/// Waits until all have ended, at most `limit`.
fn signal_and_wait(all: &[NamespaceProcess], signal: Signal, limit: Duration) -> io::Result<()> {
    for one in all {
        one.handle.signal(signal)?;
    }
    let deadline = Instant::now() + limit;
    for one in all {
        let time = deadline.saturating_duration_since(Instant::now());
        if !one.handle.ends_within(time)? {
            break;
        }
    }
    Ok(())
}

/// A namespace's identity (`namespaces(7)`): the device and the inode of its file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Namespace {
    device: u64,
    inode: u64,
}

impl Namespace {
    /// The one that the file stands for, if it is there.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(found) => Ok(Some(Namespace {
                device: found.dev(),
                inode: found.ino(),
            })),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The network namespace of a process, by its name in `/proc`; a process that has ended, also
    /// one that was not reaped yet, is in none.
    fn of(process: &str) -> io::Result<Option<Self>> {
        Self::at(&Path::new("/proc").join(process).join("ns/net"))
    }

    fn processes(self) -> io::Result<Vec<NamespaceProcess>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let Ok(pid) = name.parse() else { continue };
            let Some(handle) = PidFd::open(pid)? else {
                continue;
            };
            match Self::of(name) {
                Ok(Some(namespace)) if namespace == self => {
                    found.push(NamespaceProcess { pid, handle })
                }
                Ok(_) => {}
                // Whoever starts a process in here may look at it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}
