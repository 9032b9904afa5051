//! The supervisor's loop: reap children, start what is due, send events, wait.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};
use rustix::process::{WaitOptions, wait};

use super::clients::{Clients, From};
use super::clock::unix_ms;
use super::event_log::EventLog;
use super::install::{self, Install};
use super::output::Outputs;
use super::overlay_export::Destination;
use super::process::{End, KILL_INTERVAL, after};
use super::processes::Processes;
use super::stream::CHUNK;
use crate::api::control::{Request, SOCKET};
use crate::api::event::{Event, Exit};
use crate::api::format::InstanceFile;
use crate::api::incarnation::SupervisorState;
use crate::api::spec::{InstanceSpec, ServerProcess};
use crate::api::status::InstanceStatus;
use crate::cgroup::Cgroup;
use crate::sandbox::Sandbox;
use crate::step::{Doing, StepError};

/// The grace period of a stop that has none of its own: SIGTERM to the supervisor, as a machine
/// that shuts down sends it.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// How long the last event may take to reach clients that are slow to read.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The first process of an instance, once everything around it is made.
pub(super) struct Supervisor {
    /// The instance's directory on the host, which has no path in here.
    directory: File,
    processes: Processes,
    /// What output is read into.
    buffer: Box<[u8]>,
    signals: SignalFd,
    clients: Clients,
    event_log: EventLog,
    /// Whether the last event about the processes' health said that all of them run.
    running_reported: bool,
    /// What it is there for, if that is not to keep server processes running.
    install: Option<Install>,
    /// How many processes had been killed for want of memory when that was looked at last.
    oom_kills: u64,
    stopping: Option<Stopping>,
}

/// A stop under way: every process had its SIGTERM.
struct Stopping {
    kill_at: Instant,
    /// Whether the processes that ignored it were killed, and the events recorded.
    is_forced: bool,
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
        sandbox: Sandbox,
        destination: Option<Destination>,
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
        let install = destination
            .map(|destination| Install::new(destination, spec.sandbox.install_bytes, now));
        let wanted = match &install {
            Some(install) => install.processes(),
            None => spec.processes().to_owned(),
        };
        let mut processes = Processes::new(spec, outputs, sandbox);
        processes
            .configure(&wanted, now)
            .map_err(std::io::Error::other)
            .doing(|| "reading the runtime configuration".into())?;
        Ok(Supervisor {
            directory,
            processes,
            buffer: vec![0; CHUNK].into(),
            signals,
            clients,
            event_log: EventLog::default(),
            running_reported: false,
            install,
            oom_kills: 0,
            stopping: None,
        })
    }

    /// Runs until a client or a signal stops it.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            self.read_signals(now);
            for (request, from) in self.clients.requests() {
                self.handle(request, from, now);
            }
            self.processes.read_output(now, &mut self.buffer);
            if self.reap(now) && self.stopping.is_some() {
                return self.leave();
            }
            if self.stopping.is_some() {
                self.kill_overdue(now);
            } else {
                self.processes.settle(now);
                let killed = self.processes.kill_overdue(now);
                killed.into_iter().for_each(|event| self.report(event));
                self.start_due(now);
                self.report_running(now);
                self.end_install(now);
            }
            self.clients.send(&self.event_log);
            self.wait(self.next_change(now));
        }
    }

    fn read_signals(&mut self, now: Instant) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            // A sender in the instance has a number here, one outside of it none
            // (pid_namespaces(7)): a server process does not end its instance.
            let is_from_outside = signal.ssi_pid == 0;
            if signal.ssi_signo == Signal::SIGTERM as u32 && is_from_outside {
                self.stop(now + SHUTDOWN_GRACE);
            }
        }
    }

    fn handle(&mut self, request: Request, from: From, now: Instant) {
        match request {
            Request::ResumeAfter(_) => {}
            Request::Acknowledge(seq) => self.event_log.acknowledge(seq),
            Request::Configure(processes) => self.configure(&processes, now),
            Request::Status => {
                let status = self.status(now);
                self.clients.answer(from, &status);
            }
            Request::Stop { grace_ms } => self.stop(after(now, Duration::from_millis(grace_ms))),
        }
    }

    fn configure(&mut self, processes: &[ServerProcess], now: Instant) {
        if self.stopping.is_some() || self.install.is_some() {
            return;
        }
        // The control plane has checked it, and would not send what cannot be read.
        if self.processes.configure(processes, now).unwrap_or(false) {
            self.running_reported = false;
        }
    }

    fn status(&self, now: Instant) -> InstanceStatus {
        InstanceStatus {
            processes: self.processes.status(now),
            usage: self.processes.cgroup().map(Cgroup::usage),
        }
    }

    /// Begins to stop, or, at a second request, stops at the earlier of the two times.
    fn stop(&mut self, kill_at: Instant) {
        match &mut self.stopping {
            Some(stopping) => stopping.kill_at = stopping.kill_at.min(kill_at),
            None => {
                let is_forced = false;
                self.stopping = Some(Stopping { kill_at, is_forced });
                signal_all(Signal::SIGTERM);
            }
        }
    }

    /// Kills everything once the grace of a stop is over.
    fn kill_overdue(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else {
            return;
        };
        if stopping.kill_at > now {
            return;
        }
        signal_all(Signal::SIGKILL);
        // Again later, should a process have been forked just then.
        stopping.kill_at = now + KILL_INTERVAL;
        if !std::mem::replace(&mut stopping.is_forced, true) {
            let names: Vec<_> = self.processes.running_names().map(str::to_owned).collect();
            for process in names {
                self.report(Event::ForceTerminated { process });
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
            let end = End {
                exit,
                is_out_of_memory: exit == Exit::Signal(Signal::SIGKILL as i32)
                    && self.memory_ran_out(),
            };
            let event = self.processes.ended(pid, end, now, &mut self.buffer);
            // While stopping, ending is what processes are meant to do.
            if let (Some(event), None) = (event, &self.stopping) {
                self.running_reported &= matches!(event, Event::ProcessStopped { .. });
                let event = match &mut self.install {
                    Some(install) => install.receive(event),
                    None => Some(event),
                };
                if let Some(event) = event {
                    self.report(event);
                }
            }
        }
    }

    /// Whether the kernel has killed a process of the instance for want of memory since this was
    /// asked last.
    fn memory_ran_out(&mut self) -> bool {
        let kills = self.processes.cgroup().map_or(0, Cgroup::oom_kills);
        let before = std::mem::replace(&mut self.oom_kills, kills);
        kills > before
    }

    fn start_due(&mut self, now: Instant) {
        let (event_log, install) = (&mut self.event_log, &mut self.install);
        self.processes.start_due(now, |processes, event| {
            let event = match install {
                Some(install) => install.receive(event),
                None => Some(event),
            };
            if let Some(event) = event {
                event_log.push(unix_ms(), processes.running(), event);
            }
        });
    }

    /// Ends an instance that was there to install: the script, when its time is over; and
    /// everything, with what the script has started, when the script has ended.
    fn end_install(&mut self, now: Instant) {
        let Some(install) = &mut self.install else {
            return;
        };
        if install.is_over() {
            let (kill_at, is_forced) = (now, true);
            self.stopping = Some(Stopping { kill_at, is_forced });
        } else if install.is_overdue(now) {
            signal_all(Signal::SIGKILL);
        }
    }

    fn report_running(&mut self, now: Instant) {
        if self.install.is_none() && !self.running_reported && self.processes.are_healthy(now) {
            self.running_reported = true;
            self.report(Event::Running);
        }
    }

    fn report(&mut self, event: Event) {
        let running = self.processes.running();
        self.event_log.push(unix_ms(), running, event);
    }

    /// When the loop has something to do even if nothing happens.
    fn next_change(&self, now: Instant) -> Option<Instant> {
        let processes = self.processes.next_change(now);
        match &self.stopping {
            // A process that is due or leaving is of no concern any more, but its output is.
            Some(stopping) => processes
                .filter(|change| *change > now)
                .into_iter()
                .chain([stopping.kill_at])
                .min(),
            None => {
                let install = self.install.as_ref().and_then(Install::deadline);
                processes.into_iter().chain(install).min()
            }
        }
    }

    /// Waits for a signal, a client, output, or the time `until`.
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
        interests.extend(self.processes.interests());
        // The kernel refuses a poll only for want of memory, which the next round may have.
        let _ = poll(&mut interests, timeout);
    }

    /// The last events, and nothing left behind.
    fn leave(mut self) {
        self.processes.collect_here();
        if let Some(event) = self.install.as_ref().and_then(Install::export) {
            self.report(event);
        }
        self.report(Event::Stopped);
        self.drain();
        if let Some(cgroup) = self.processes.cgroup() {
            cgroup.remove(&self.directory);
        }
        for name in [SOCKET, SupervisorState::NAME] {
            // A file that cannot be removed names a process that has ended, and its readers check that.
            let _ = unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir);
        }
    }

    /// Waits a moment for clients to read the last events. How an installation ended is waited for
    /// until a client has acknowledged it: else a control plane that was away would have to install again.
    fn drain(&mut self) {
        let timeout = match &self.install {
            Some(_) => install::DRAIN_TIMEOUT,
            None => DRAIN_TIMEOUT,
        };
        let deadline = Instant::now() + timeout;
        self.clients.send(&self.event_log);
        let is_over = |this: &Self| match &this.install {
            // The last one only says that there is no child any more.
            Some(_) => this.event_log.unacknowledged() <= 1,
            None => this.clients.have_all(&this.event_log),
        };
        while !is_over(self) && Instant::now() < deadline {
            self.wait(Some(deadline));
            for (request, _) in self.clients.requests() {
                match request {
                    Request::Acknowledge(seq) => self.event_log.acknowledge(seq),
                    Request::Stop { .. } => return,
                    _ => {}
                }
            }
            self.clients.send(&self.event_log);
        }
    }
}

/// Signals every process of the PID namespace but this one, which is what -1 means to its first.
fn signal_all(signal: Signal) {
    // Refused only when there is no process to signal.
    let _ = kill(Pid::from_raw(-1), signal);
}

fn reap_one() -> Reaped {
    // nix's wait fails on a child that a real-time signal killed, after the child is gone.
    match wait(WaitOptions::NOHANG) {
        Ok(None) => Reaped::NoneEnded,
        Ok(Some((pid, status))) => Reaped::Ended(
            Pid::from_raw(pid.as_raw_pid()),
            Exit::from_wait_status(status.as_raw()),
        ),
        Err(rustix::io::Errno::CHILD) => Reaped::NoneLeft,
        Err(_) => Reaped::NoneEnded,
    }
}
