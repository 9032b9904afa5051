//! One server process over all its runs.

use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::children::end_all_of;
use super::clock::{timestamp, unix_ms};
use super::launch::{self, Command, Launched, launch};
use super::log_collection::{self, Collected};
use super::output::{Log, Outputs};
use super::restart_backoff::RestartBackoff;
use super::stream::{More, Stream};
use super::usage::ProcessUsage;
use crate::api::event::{Ended, Event, Exit};
use crate::api::spec::RestartPolicy;
use crate::api::status::{ProcessState, ProcessStatus};
use crate::sandbox::{Folders, Sandbox};

/// How long after a SIGKILL the next one is sent to what is there still: a process may have been
/// forked just then.
pub(super) const KILL_INTERVAL: Duration = Duration::from_millis(100);

/// A program of the runtime configuration, one of its concurrent executions.
pub(super) struct Process {
    name: String,
    /// Its slot among all processes of the instance, from 1.
    slot: u32,
    /// The user and group that it runs as; `None` is the supervisor's own.
    user: Option<u32>,
    command: Command,
    state: State,
    /// When `state` became what it is, in milliseconds since the Unix epoch.
    since_unix_ms: u64,
    /// Set once it is no longer wanted.
    leaving: Option<Termination>,
    backoff: RestartBackoff,
    log: Log,
    starts: u64,
    last_exit: Option<Exit>,
    /// The files of the run that ended last, until their logs are collected.
    leftovers: Option<Leftovers>,
    /// The child that keeps files of an earlier run.
    collecting: Option<Pid>,
}

/// What a run has left in folders of its own.
pub(super) struct Leftovers {
    pub(super) folders: Folders,
    /// When it ended, as a name that sorts.
    pub(super) run: String,
}

enum State {
    /// To be started at this time.
    Due(Instant),
    Running(Run),
    /// Never started again: builds do not change, so what is missing stays missing.
    GivenUp,
}

struct Run {
    pid: Pid,
    since: Instant,
    /// `None` once no process has the pipe open.
    stream: Option<Stream>,
    /// What it has written to folders of its own.
    folders: Folders,
}

/// The termination of a process that was sent SIGTERM.
struct Termination {
    kill_at: Instant,
    /// Whether it was killed, and the event recorded.
    is_forced: bool,
}

impl Process {
    /// The process in this `slot` of its instance, due at once.
    pub(super) fn new(
        command: Command,
        slot: u32,
        user: Option<u32>,
        outputs: &Outputs,
        now: Instant,
    ) -> Self {
        let name = name(&command.launch_path, slot);
        Process {
            log: outputs.log(&name),
            name,
            slot,
            user,
            command,
            state: State::Due(now),
            since_unix_ms: unix_ms(),
            leaving: None,
            backoff: RestartBackoff::default(),
            starts: 0,
            last_exit: None,
            leftovers: None,
            collecting: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// Whether it is there to execute `command`, and to stay.
    pub(super) fn serves(&self, command: &Command) -> bool {
        self.leaving.is_none() && self.command == *command
    }

    /// Whether it runs as process `pid`.
    pub(super) fn is(&self, pid: Pid) -> bool {
        self.pid() == Some(pid)
    }

    /// Its process id, if it runs.
    pub(super) fn pid(&self) -> Option<Pid> {
        match &self.state {
            State::Running(run) => Some(run.pid),
            _ => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Whether it was sent SIGTERM.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Whether it has been running for long enough.
    pub(super) fn is_healthy(&self, now: Instant, policy: &RestartPolicy) -> bool {
        matches!(&self.state, State::Running(run) if now >= run.since + policy.healthy_after())
    }

    /// When it changes without anything happening to it: when it is due, becomes healthy, is to be
    /// killed, or may write again.
    pub(super) fn next_change(&self, now: Instant, policy: &RestartPolicy) -> Option<Instant> {
        let by_state = match &self.state {
            State::Due(at) => Some(*at),
            State::Running(run) => {
                Some(run.since + policy.healthy_after()).filter(|healthy| *healthy > now)
            }
            State::GivenUp => None,
        };
        let kill_at = self.leaving.as_ref().map(|leaving| leaving.kill_at);
        let read_at = self.stream().and_then(Stream::waits_until);
        [by_state, kill_at, read_at].into_iter().flatten().min()
    }

    fn stream(&self) -> Option<&Stream> {
        match &self.state {
            State::Running(run) => run.stream.as_ref(),
            _ => None,
        }
    }

    /// What to wait for: that it writes, unless it has to wait itself.
    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        let stream = self.stream()?;
        let may_be_read = stream.waits_until().is_none();
        may_be_read.then(|| PollFd::new(stream.as_fd(), PollFlags::POLLIN))
    }

    /// Moves some of what it has written into its log.
    pub(super) fn read_output(&mut self, now: Instant, buffer: &mut [u8]) {
        if let State::Running(run) = &mut self.state
            && let Some(stream) = &mut run.stream
            && stream.read(now, buffer, &mut self.log) == More::Never
        {
            run.stream = None;
        }
    }

    /// Starts it if it is due. The event says whether that succeeded.
    pub(super) fn start_if_due(
        &mut self,
        now: Instant,
        policy: &RestartPolicy,
        sandbox: &Sandbox,
    ) -> Option<Event> {
        match self.state {
            State::Due(at) if at <= now && self.leaving.is_none() => {}
            _ => return None,
        }
        let process = self.name.clone();
        let launch_path = self.command.launch_path.clone();
        let Some(program) = launch::find(&launch_path) else {
            self.become_now(State::GivenUp);
            return Some(Event::LaunchPathNotFound {
                process,
                launch_path,
            });
        };
        self.log.begin(&format!(
            "--- tombolo: {} starting {launch_path}",
            timestamp()
        ));
        let launched = launch(&program, &self.command, self.slot, sandbox, now);
        Some(match launched {
            Ok(Launched {
                pid,
                stream,
                folders,
            }) => {
                self.starts += 1;
                self.become_now(State::Running(Run {
                    pid,
                    since: now,
                    stream: Some(stream),
                    folders,
                }));
                Event::ProcessStarted {
                    process,
                    pid: pid.as_raw(),
                }
            }
            Err(error) => {
                let restart = error
                    .is_passing()
                    .then(|| self.postpone(now, policy, Duration::ZERO));
                if restart.is_none() {
                    self.become_now(State::GivenUp);
                }
                Event::LaunchFailed {
                    process,
                    error: format!("{launch_path}: {error}"),
                    restart_in_ms: restart.map(milliseconds),
                }
            }
        })
    }

    /// Takes note that the running process ended, and when it is started again.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        policy: &RestartPolicy,
        end: End,
        buffer: &mut [u8],
    ) -> Option<Event> {
        let healthy = self.is_healthy(now, policy);
        let State::Running(run) = &mut self.state else {
            return None;
        };
        let ran = now - run.since;
        // A helper that outlived its server would hold the port that the next one needs. The
        // group's number is not used again so soon: numbers are given out in a circle.
        let _ = killpg(run.pid, Signal::SIGKILL);
        if let Some(user) = self.user {
            end_all_of(user);
        }
        if let Some(stream) = run.stream.take() {
            stream.read_dry(buffer, &mut self.log);
        }
        self.leftovers = Some(Leftovers {
            folders: run.folders.clone(),
            run: timestamp().replace(':', "-"),
        });
        self.last_exit = Some(end.exit);
        let restart = self.postpone(now, policy, ran);
        if self.leaving.is_some() {
            return Some(Event::ProcessStopped {
                process: self.name.clone(),
            });
        }
        let ended = Ended {
            process: self.name.clone(),
            exit: end.exit,
            ran_ms: milliseconds(ran),
            last_lines: self.log.last_lines(),
            restart_in_ms: milliseconds(restart),
            out_of_memory: end.is_out_of_memory,
            out_of_time: false,
        };
        Some(if healthy {
            Event::Crashed(ended)
        } else {
            Event::ExitedAtOnce(ended)
        })
    }

    /// Tells it to end for good, within `grace`.
    pub(super) fn leave(&mut self, now: Instant, grace: Duration) {
        if let Some(pid) = self.pid() {
            let _ = killpg(pid, Signal::SIGTERM);
        }
        self.leaving = Some(Termination {
            kill_at: after(now, grace),
            is_forced: false,
        });
    }

    /// Whether it was sent SIGTERM and has ended, and nothing of it is to be kept any more.
    pub(super) fn is_gone(&self) -> bool {
        let is_dealt_with = self.leftovers.is_none() && self.collecting.is_none();
        self.is_leaving() && !self.is_running() && is_dealt_with
    }

    /// What its last run has left, for once.
    pub(super) fn take_leftovers(&mut self) -> Option<Leftovers> {
        self.leftovers.take()
    }

    /// Whether child `pid` keeps files of it.
    pub(super) fn is_collected_by(&self, pid: Pid) -> bool {
        self.collecting == Some(pid)
    }

    /// Whether a child keeps files of it.
    pub(super) fn is_being_collected(&self) -> bool {
        self.collecting.is_some()
    }

    /// Child `pid` keeps files of it.
    pub(super) fn collecting(&mut self, pid: Pid) {
        self.collecting = Some(pid);
    }

    /// Writes into its log whether its files were collected.
    pub(super) fn collected(&mut self, collected: Result<Collected, &dyn Display>) {
        self.collecting = None;
        let folder = log_collection::folder(&self.name);
        let what = match collected {
            Ok(Collected::Nothing) => return,
            Ok(Collected::All) => format!("files of its log paths are kept in {folder}"),
            Ok(Collected::Part) => format!(
                "some files of its log paths are kept in {folder}; the others are too many, too \
                 long, or no plain files"
            ),
            Err(error) => format!("files of its log paths cannot be kept in {folder}: {error}"),
        };
        self.note(&what);
    }

    /// Says something of it in its log.
    pub(super) fn note(&mut self, what: &str) {
        self.log
            .note(&format!("--- tombolo: {} {what}", timestamp()));
    }

    /// Kills it if its grace is over; that it had to be is an event, once.
    pub(super) fn kill_if_overdue(&mut self, now: Instant) -> Option<Event> {
        let pid = self.pid()?;
        let leaving = self.leaving.as_mut()?;
        if leaving.kill_at > now {
            return None;
        }
        let _ = killpg(pid, Signal::SIGKILL);
        // Again later, should it have forked just then.
        leaving.kill_at = now + KILL_INTERVAL;
        let was_forced = std::mem::replace(&mut leaving.is_forced, true);
        (!was_forced).then(|| Event::ForceTerminated {
            process: self.name.clone(),
        })
    }

    /// What it is doing; what it uses is to be added.
    pub(super) fn status(&self, now: Instant, policy: &RestartPolicy) -> ProcessStatus {
        let state = match &self.state {
            State::Running(_) if self.is_leaving() => ProcessState::Ending,
            State::Running(_) if self.is_healthy(now, policy) => ProcessState::Healthy,
            State::Running(_) => ProcessState::Starting,
            State::Due(_) => ProcessState::Waiting,
            State::GivenUp => ProcessState::GivenUp,
        };
        ProcessStatus {
            name: self.name.clone(),
            launch_path: self.command.launch_path.clone(),
            pid: self.pid().map(Pid::as_raw),
            state,
            since_unix_ms: self.since_unix_ms,
            restarts: self.starts.saturating_sub(1),
            last_exit: self.last_exit,
            cpu_usec: 0,
            memory_bytes: 0,
        }
    }

    /// Whether a process of the instance is this one or a helper of it.
    pub(super) fn owns(&self, usage: &ProcessUsage) -> bool {
        let Some(pid) = self.pid() else {
            return false;
        };
        match self.user {
            Some(user) => usage.user == user,
            None => usage.group == pid.as_raw(),
        }
    }

    /// Makes it due again after a wait, which is returned.
    fn postpone(&mut self, now: Instant, policy: &RestartPolicy, ran: Duration) -> Duration {
        // The standard library seeds its hash maps from the system's randomness; for jitter that
        // is random enough.
        let wait = self
            .backoff
            .next(policy, ran, RandomState::new().hash_one(()));
        self.become_now(State::Due(after(now, wait)));
        wait
    }

    fn become_now(&mut self, state: State) {
        self.state = state;
        self.since_unix_ms = unix_ms();
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) exit: Exit,
    pub(super) is_out_of_memory: bool,
}

/// `PROGRAM-N`, cut so that a log's name fits into a file name.
fn name(launch_path: &str, slot: u32) -> String {
    let program = Path::new(launch_path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let program: String = program
        .chars()
        .filter(|c| !c.is_control())
        .take(48)
        .collect();
    format!("{program}-{slot}")
}

/// The time `wait` after `now`; a year stands for what is beyond the clock's reach.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    let year = Duration::from_secs(365 * 24 * 3600);
    now.checked_add(wait).unwrap_or(now + year)
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_named_by_its_program_and_its_place() {
        assert_eq!(name("/local/game/bin/server.x86_64", 3), "server.x86_64-3");
        assert_eq!(name("/", 1), "-1");
        assert!(name(&"ü".repeat(1000), 50).len() < 200);
    }
}
