//! One server process over all its runs.

use std::ffi::CString;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Pid, execve};

use super::backoff::Backoff;
use super::output::{Output, Outputs};
use super::privileges;
use crate::event::{Ended, Event, Exit};
use crate::spec::{GAME_DIRECTORY, HOME_DIRECTORY, RestartPolicy, ServerProcess};

/// A program of the runtime configuration, one of its concurrent executions.
pub(super) struct Process {
    name: String,
    launch_path: String,
    arguments: Vec<String>,
    state: State,
    backoff: Backoff,
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
    output: Output,
}

impl Process {
    /// The process that is number `ordinal`, from 1, of its instance; due at once.
    pub(super) fn new(
        process: &ServerProcess,
        arguments: Vec<String>,
        ordinal: usize,
        now: Instant,
    ) -> Self {
        Process {
            name: name(&process.launch_path, ordinal),
            launch_path: process.launch_path.clone(),
            arguments,
            state: State::Due(now),
            backoff: Backoff::default(),
        }
    }

    /// Whether it runs as process `pid`.
    pub(super) fn is(&self, pid: Pid) -> bool {
        matches!(&self.state, State::Running(run) if run.pid == pid)
    }

    /// Whether it has been running for long enough.
    pub(super) fn is_healthy(&self, now: Instant, policy: &RestartPolicy) -> bool {
        matches!(&self.state, State::Running(run) if now >= run.since + policy.healthy_after())
    }

    /// When it changes without anything happening to it: when it is due, or becomes healthy.
    pub(super) fn next_change(&self, now: Instant, policy: &RestartPolicy) -> Option<Instant> {
        match &self.state {
            State::Due(at) => Some(*at),
            State::Running(run) => {
                Some(run.since + policy.healthy_after()).filter(|healthy| *healthy > now)
            }
            State::GivenUp => None,
        }
    }

    /// Starts it if it is due; what came of it is the event.
    pub(super) fn start_if_due(
        &mut self,
        now: Instant,
        policy: &RestartPolicy,
        outputs: &Outputs,
        heading: impl FnOnce(&str) -> String,
    ) -> Option<Event> {
        match self.state {
            State::Due(at) if at <= now => {}
            _ => return None,
        }
        let process = self.name.clone();
        let Some(program) = find(&self.launch_path) else {
            self.state = State::GivenUp;
            return Some(Event::LaunchPathNotFound {
                process,
                launch_path: self.launch_path.clone(),
            });
        };
        Some(
            match self.spawn(&program, outputs, &heading(&self.launch_path)) {
                Ok((pid, output)) => {
                    self.state = State::Running(Run {
                        pid,
                        since: now,
                        output,
                    });
                    Event::ProcessStarted {
                        process,
                        pid: pid.as_raw(),
                    }
                }
                Err(error) => {
                    let restart =
                        is_passing(&error).then(|| self.postpone(now, policy, Duration::ZERO));
                    if restart.is_none() {
                        self.state = State::GivenUp;
                    }
                    Event::LaunchFailed {
                        process,
                        error: format!("{}: {error}", self.launch_path),
                        restart_in_ms: restart.map(milliseconds),
                    }
                }
            },
        )
    }

    /// Runs the program in a process group of its own, in the directory that it lies in, with
    /// nothing of the supervisor's environment: PATH, HOME and LANG, and no GAMELIFT variable.
    fn spawn(&self, program: &Path, outputs: &Outputs, heading: &str) -> io::Result<(Pid, Output)> {
        let output = outputs.begin(&self.name, heading)?;
        let file = CString::new(program.as_os_str().as_bytes())?;
        let mut arguments = vec![CString::new(self.launch_path.as_str())?];
        for argument in &self.arguments {
            arguments.push(CString::new(argument.as_str())?);
        }
        let environment = [
            c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            CString::new(format!("HOME={HOME_DIRECTORY}"))?,
            c"LANG=C.UTF-8".to_owned(),
        ];
        let mut command = Command::new(program);
        command
            .current_dir(program.parent().unwrap_or(Path::new(GAME_DIRECTORY)))
            .stdin(Stdio::null())
            .stdout(output.stream()?)
            .stderr(output.stream()?)
            .process_group(0);
        let execute = move || {
            // The supervisor takes its signals from a descriptor and blocks them for that; a
            // program that inherited the block would never see its SIGTERM.
            SigSet::empty().thread_set_mask()?;
            privileges::drop_all_but_kept()?;
            // Executed here, since the standard library's execvp(3) would hand a program for
            // another processor to the shell and call that a success.
            match execve(&file, &arguments, &environment)? {}
        };
        // SAFETY: it runs between fork and exec in a copy of a process that has one thread, so
        // that there is no lock for it to meet.
        unsafe { command.pre_exec(execute) };
        let child = command.spawn()?;
        Ok((Pid::from_raw(child.id().cast_signed()), output))
    }

    /// Takes note that the running process ended, and when it is started again.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        policy: &RestartPolicy,
        exit: Exit,
    ) -> Option<Event> {
        let healthy = self.is_healthy(now, policy);
        let State::Running(run) = &self.state else {
            return None;
        };
        let ran = now - run.since;
        // A helper that outlived its server would hold the port that the next one needs. The
        // group's number is not used again so soon: numbers are given out in a circle.
        let _ = killpg(run.pid, Signal::SIGKILL);
        let last_lines = run
            .output
            .last_lines()
            .unwrap_or_else(|error| vec![format!("(the log cannot be read: {error})")]);
        let restart = self.postpone(now, policy, ran);
        let ended = Ended {
            process: self.name.clone(),
            exit,
            ran_ms: milliseconds(ran),
            last_lines,
            restart_in_ms: milliseconds(restart),
        };
        Some(if healthy {
            Event::Crashed(ended)
        } else {
            Event::ExitedAtOnce(ended)
        })
    }

    /// Makes it due again after a wait, which is returned.
    fn postpone(&mut self, now: Instant, policy: &RestartPolicy, ran: Duration) -> Duration {
        // The standard library seeds its hash maps from the system's randomness; for jitter that
        // is random enough.
        let wait = self
            .backoff
            .next(policy, ran, RandomState::new().hash_one(()));
        self.state = State::Due(now + wait);
        wait
    }
}

/// `PROGRAM-N`, cut so that a log's name fits into a file name.
fn name(launch_path: &str, ordinal: usize) -> String {
    let program = Path::new(launch_path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let program: String = program
        .chars()
        .filter(|c| !c.is_control())
        .take(48)
        .collect();
    format!("{program}-{ordinal}")
}

/// The program's file, when the launch path names a file below the game directory.
fn find(launch_path: &str) -> Option<PathBuf> {
    let path = Path::new(launch_path);
    let below = |path: &Path| path.starts_with(GAME_DIRECTORY);
    let program = fs::canonicalize(path).ok()?;
    (below(path) && below(&program) && fs::metadata(&program).ok()?.is_file()).then_some(program)
}

/// Whether a start that failed so may succeed later: the machine was short of something, or the
/// program was open for writing.
fn is_passing(error: &io::Error) -> bool {
    use Errno::{EAGAIN, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ETXTBSY};
    let passing = [EAGAIN, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ETXTBSY];
    error
        .raw_os_error()
        .is_some_and(|code| passing.contains(&Errno::from_raw(code)))
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
