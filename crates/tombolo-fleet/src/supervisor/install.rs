//! Running a build's `install.sh` once.

use std::path::Path;
use std::time::{Duration, Instant};

use super::overlay_export::{Destination, ExportLimits};
use crate::api::event::{Ended, Event, Exit};
use crate::api::spec::{GAME_DIRECTORY, ServerProcess};
use crate::build::MAX_ENTRIES;
use crate::sandbox::INSTALL_UPPER;

/// How long it may take, as on GameLift ("Add a build install script" of its developer guide).
const MAX_DURATION: Duration = Duration::from_secs(5 * 60);

/// How long the supervisor stays, so that a client can read how the installation ended.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The installation of a build, which is all that its instance is there for.
pub(super) struct Install {
    destination: Destination,
    max_bytes: u64,
    deadline: Instant,
    is_out_of_time: bool,
    /// Whether the script succeeded, once it has ended or cannot be started.
    has_succeeded: Option<bool>,
}

impl Install {
    /// The installation that keeps at `destination` what the script changes.
    pub(super) fn new(destination: Destination, max_bytes: u64, now: Instant) -> Self {
        Install {
            destination,
            max_bytes,
            deadline: now + MAX_DURATION,
            is_out_of_time: false,
            has_succeeded: None,
        }
    }

    /// What runs for it; nothing if an earlier supervisor, killed since, has done it.
    pub(super) fn processes(&self) -> Vec<ServerProcess> {
        if self.destination.is_taken() {
            return Vec::new();
        }
        vec![ServerProcess {
            launch_path: format!("{GAME_DIRECTORY}/install.sh"),
            parameters: String::new(),
            concurrent_executions: 1,
        }]
    }

    /// Whether it has to be killed now: true once, when its time is over.
    pub(super) fn is_overdue(&mut self, now: Instant) -> bool {
        let is_overdue = now >= self.deadline;
        is_overdue && !std::mem::replace(&mut self.is_out_of_time, true)
    }

    /// When it has to be killed, unless it was.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.is_out_of_time).then_some(self.deadline)
    }

    /// Whether there is nothing more to run.
    pub(super) fn is_over(&self) -> bool {
        self.has_succeeded.is_some() || self.destination.is_taken()
    }

    /// The event of an installation when this happens to its script, which runs like a server
    /// process; nothing if the script succeeded, until what it changed is exported.
    pub(super) fn receive(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Crashed(ended) | Event::ExitedAtOnce(ended) => {
                let has_succeeded = ended.exit == Exit::Code(0) && !self.is_out_of_time;
                self.has_succeeded = Some(has_succeeded);
                (!has_succeeded).then_some(Event::InstallFailed(Ended {
                    restart_in_ms: 0,
                    out_of_time: self.is_out_of_time,
                    ..ended
                }))
            }
            Event::LaunchPathNotFound { .. }
            | Event::LaunchFailed {
                restart_in_ms: None,
                ..
            } => {
                self.has_succeeded = Some(false);
                Some(event)
            }
            other => Some(other),
        }
    }

    /// Keeps what the script changed, if it has succeeded, once no process can change it any more. What
    /// came of it is the event.
    pub(super) fn export(&self) -> Option<Event> {
        if self.destination.is_taken() {
            return Some(Event::Installed);
        }
        if self.has_succeeded != Some(true) {
            return None;
        }
        let limits = ExportLimits {
            bytes: self.max_bytes,
            entries: MAX_ENTRIES,
        };
        let exported = self.destination.export(Path::new(INSTALL_UPPER), limits);
        Some(match exported {
            Ok(()) => Event::Installed,
            Err(error) => Event::InstallNotKept { error },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_script_that_takes_too_long_has_failed_however_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let open = File::open(directory.path()).unwrap();
        let destination =
            Destination::open(&directory.path().join("installed/fleet-1"), &open).unwrap();
        let now = Instant::now();
        let mut install = Install::new(destination, 1 << 20, now);
        let deadline = install.deadline().unwrap();
        assert_eq!(deadline - now, MAX_DURATION);
        assert!(!install.is_overdue(deadline - Duration::from_millis(1)));
        assert!(install.is_overdue(deadline) && !install.is_overdue(deadline));
        assert_eq!(install.deadline(), None);
        let ended = Ended {
            process: "install.sh-1".to_owned(),
            exit: Exit::Code(0),
            ran_ms: 300_000,
            last_lines: Vec::new(),
            restart_in_ms: 25,
            out_of_memory: false,
            out_of_time: false,
        };
        let reported = install.receive(Event::Crashed(ended.clone()));
        let failed = Ended {
            out_of_time: true,
            restart_in_ms: 0,
            ..ended
        };
        assert_eq!(reported, Some(Event::InstallFailed(failed)));
        assert!(install.is_over());
        assert_eq!(install.export(), None);
    }
}
