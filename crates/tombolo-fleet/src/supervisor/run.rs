//! The supervisor's loop: reap, start what is due, tell, wait.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};

use super::clients::Clients;
use super::journal::Journal;
use super::output::Outputs;
use super::process::Process;
use super::step::{Doing, StepError};
use crate::control::{Request, SOCKET};
use crate::event::{Event, Exit};
use crate::incarnation::Incarnation;
use crate::spec::{InstanceSpec, RestartPolicy};
use crate::words::split_parameters;

/// The grace of a stop that nobody named one for: SIGTERM to the supervisor, as a machine that
/// shuts down sends it.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// How long the last event may take to reach clients that are slow to read.
const FAREWELL: Duration = Duration::from_secs(1);

/// The first process of an instance, once everything around it is made.
pub(super) struct Supervisor {
    /// The instance's directory on the host, which has no path in here.
    directory: File,
    outputs: Outputs,
    restart: RestartPolicy,
    processes: Vec<Process>,
    signals: SignalFd,
    clients: Clients,
    journal: Journal,
    /// Whether the last thing told of the processes' health is that all of them run.
    told_running: bool,
    stopping: Option<Stopping>,
}

/// A stop under way: every process had its SIGTERM.
struct Stopping {
    kill_at: Instant,
}

/// One look at the children of this process.
enum Reaped {
    Ended(Pid, Exit),
    /// There are children, and none has ended.
    NoneEnded,
    /// No child is left, and so no process in the whole PID namespace: each of them descends from
    /// this one, and one that loses its parent becomes this one's child.
    NoneLeft,
}

impl Supervisor {
    pub(super) fn new(
        spec: &InstanceSpec,
        directory: File,
        clients: Clients,
        outputs: Outputs,
    ) -> Result<Self, StepError> {
        let mut wanted = SigSet::empty();
        wanted.add(Signal::SIGCHLD);
        wanted.add(Signal::SIGTERM);
        let signals = wanted
            .thread_block()
            .and_then(|()| {
                SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            })
            .doing(|| "opening a descriptor for signals".into())?;
        let now = Instant::now();
        let mut processes = Vec::new();
        for process in spec.processes() {
            let arguments = split_parameters(&process.parameters)
                .map_err(std::io::Error::other)
                .doing(|| format!("splitting the parameters of {}", process.launch_path))?;
            for _ in 0..process.concurrent_executions {
                let ordinal = processes.len() + 1;
                processes.push(Process::new(process, arguments.clone(), ordinal, now));
            }
        }
        Ok(Supervisor {
            directory,
            outputs,
            restart: spec.restart.clone(),
            processes,
            signals,
            clients,
            journal: Journal::default(),
            told_running: false,
            stopping: None,
        })
    }

    /// Runs until somebody stops it.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            self.take_signals(now);
            for request in self.clients.requests() {
                self.obey(request, now);
            }
            if self.reap(now) && self.stopping.is_some() {
                return self.leave();
            }
            match &mut self.stopping {
                None => {
                    self.start_due(now);
                    self.tell_running(now);
                }
                Some(stopping) if stopping.kill_at <= now => {
                    signal_all(Signal::SIGKILL);
                    // Again later, should a process have been forked just then.
                    stopping.kill_at = now + Duration::from_millis(100);
                }
                Some(_) => {}
            }
            self.clients.send(&self.journal);
            self.wait(self.next_change(now));
        }
    }

    fn take_signals(&mut self, now: Instant) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            // A sender in the instance has a number here, one outside of it none (pid_namespaces(7)):
            // a server process does not end its instance.
            let is_from_outside = signal.ssi_pid == 0;
            if signal.ssi_signo == Signal::SIGTERM as u32 && is_from_outside {
                self.stop(now + SHUTDOWN_GRACE);
            }
        }
    }

    fn obey(&mut self, request: Request, now: Instant) {
        match request {
            Request::Acknowledge(seq) => self.journal.acknowledge(seq),
            Request::Stop { grace_ms } => {
                // A grace beyond the clock's reach is no deadline at all; a year stands for it.
                let grace = Duration::from_millis(grace_ms);
                let kill_at = now.checked_add(grace);
                self.stop(kill_at.unwrap_or(now + Duration::from_secs(365 * 24 * 3600)));
            }
            Request::ResumeAfter(_) => {}
        }
    }

    /// Begins to stop, or, when told again, stops at the earlier of the two times.
    fn stop(&mut self, kill_at: Instant) {
        match &mut self.stopping {
            Some(stopping) => stopping.kill_at = stopping.kill_at.min(kill_at),
            None => {
                self.stopping = Some(Stopping { kill_at });
                signal_all(Signal::SIGTERM);
            }
        }
    }

    /// Takes note of every child that ended, server process or not. Returns whether none is left.
    fn reap(&mut self, now: Instant) -> bool {
        loop {
            let (pid, exit) = match reap_one() {
                Reaped::Ended(pid, exit) => (pid, exit),
                Reaped::NoneEnded => return false,
                Reaped::NoneLeft => return true,
            };
            let ended = self.processes.iter_mut().find(|process| process.is(pid));
            let event = ended.and_then(|process| process.ended(now, &self.restart, exit));
            // While stopping, ending is what processes are meant to do.
            if let (Some(event), None) = (event, &self.stopping) {
                self.told_running = false;
                self.tell(event);
            }
        }
    }

    fn start_due(&mut self, now: Instant) {
        let heading =
            |launch_path: &str| format!("--- tombolo: {} starting {launch_path}", timestamp());
        let mut events = Vec::new();
        for process in &mut self.processes {
            events.extend(process.start_if_due(now, &self.restart, &self.outputs, heading));
        }
        events.into_iter().for_each(|event| self.tell(event));
    }

    fn tell_running(&mut self, now: Instant) {
        let healthy = self
            .processes
            .iter()
            .all(|process| process.is_healthy(now, &self.restart));
        if healthy && !self.told_running {
            self.told_running = true;
            self.tell(Event::Running);
        }
    }

    fn tell(&mut self, event: Event) {
        self.journal.push(unix_ms(), event);
    }

    /// When the loop has something to do even if nothing happens.
    fn next_change(&self, now: Instant) -> Option<Instant> {
        match &self.stopping {
            Some(stopping) => Some(stopping.kill_at),
            None => self
                .processes
                .iter()
                .filter_map(|p| p.next_change(now, &self.restart))
                .min(),
        }
    }

    /// Waits for a signal, a client, or the time `until`.
    fn wait(&self, until: Option<Instant>) {
        let timeout = match until.map(|until| until.saturating_duration_since(Instant::now())) {
            // Rounded up: waking early would only mean to wait again.
            Some(left) => {
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        let mut interests = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        interests.extend(self.clients.interests());
        // The kernel refuses a poll only for want of memory, which the next round may have.
        let _ = poll(&mut interests, timeout);
    }

    /// The last event, and nothing left behind.
    fn leave(mut self) {
        self.tell(Event::Stopped);
        let deadline = Instant::now() + FAREWELL;
        self.clients.send(&self.journal);
        while !self.clients.are_told(&self.journal) && Instant::now() < deadline {
            self.wait(Some(deadline));
            self.clients.requests();
            self.clients.send(&self.journal);
        }
        for name in [SOCKET, Incarnation::FILE] {
            // What cannot be removed is stale, which everybody who finds it can tell.
            let _ = unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Signals every process of the PID namespace but this one, which is what -1 means to its first.
fn signal_all(signal: Signal) {
    // Refused only when there is nobody to signal.
    let _ = kill(Pid::from_raw(-1), signal);
}

fn reap_one() -> Reaped {
    let mut status = 0;
    // SAFETY: waitpid writes one integer to `status`, which outlives the call. nix's own waitpid
    // fails on a child that a real-time signal killed, after the child is gone.
    match Errno::result(unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) }) {
        Ok(0) => Reaped::NoneEnded,
        Ok(pid) => Reaped::Ended(Pid::from_raw(pid), Exit::from_wait_status(status)),
        Err(Errno::ECHILD) => Reaped::NoneLeft,
        Err(_) => Reaped::NoneEnded,
    }
}

/// The machine's clock, which is the only one that this process has: it lives on while the server,
/// whose clock everything else goes by, is away.
#[allow(
    clippy::disallowed_methods,
    reason = "the supervisor outlives the server and its Clock"
)]
fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

fn timestamp() -> String {
    let milliseconds = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(milliseconds)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}
