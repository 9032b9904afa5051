//! The server processes of an instance: those that are wanted, and those that there are.

use std::fmt::Display;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::PollFd;
use nix::unistd::Pid;

use super::children::in_child;
use super::launch::Command;
use super::log_collection::{self, Collected, Collection};
use super::output::Outputs;
use super::process::{End, Process};
use super::usage;
use crate::api::event::{Event, Exit};
use crate::api::spec::{InstanceSpec, PROCESS_SLOTS, RestartPolicy, ServerProcess, SpecError};
use crate::api::status::ProcessStatus;
use crate::cgroup::Cgroup;
use crate::sandbox::Sandbox;

/// How long an instance that ends may take to keep files of its processes: less than a control
/// plane waits for it.
const LAST_COLLECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// All server processes, in the order in which they start.
pub(super) struct Processes {
    /// One for each concurrent execution, in the order of the runtime configuration.
    wanted: Vec<Command>,
    /// In the same order; then those that are not wanted any more.
    all: Vec<Process>,
    sandbox: Sandbox,
    outputs: Outputs,
    log_paths: Vec<String>,
    policy: RestartPolicy,
}

impl Processes {
    /// None yet; the first configuration brings them.
    pub(super) fn new(spec: &InstanceSpec, outputs: Outputs, sandbox: Sandbox) -> Self {
        Processes {
            wanted: Vec::new(),
            all: Vec::new(),
            sandbox,
            outputs,
            log_paths: spec.log_paths.clone(),
            policy: spec.restart.clone(),
        }
    }

    /// Takes note of what is to run from now on, and returns whether that changes anything.
    pub(super) fn configure(
        &mut self,
        processes: &[ServerProcess],
        now: Instant,
    ) -> Result<bool, SpecError> {
        let mut wanted = Vec::new();
        for process in processes {
            let command = Command {
                launch_path: process.launch_path.clone(),
                arguments: process.arguments()?,
            };
            let executions = process.concurrent_executions as usize;
            wanted.extend(std::iter::repeat_n(command, executions));
        }
        let is_new = wanted != self.wanted;
        self.wanted = wanted;
        self.arrange(now);
        Ok(is_new)
    }

    /// Lets every wanted command have a process: one that is there, else a new one, if there is a
    /// slot for it. Processes that the configuration does not name any more are sent SIGTERM.
    fn arrange(&mut self, now: Instant) {
        let mut there = std::mem::take(&mut self.all);
        there.retain(|process| !process.is_gone());
        let mut arranged: Vec<Option<Process>> = Vec::new();
        for command in &self.wanted {
            let at = there.iter().position(|process| process.serves(command));
            arranged.push(at.map(|at| there.remove(at)));
        }
        for process in &mut there {
            if !process.is_leaving() {
                process.leave(now, self.policy.grace());
            }
        }
        there.retain(|process| !process.is_gone());

        let taken: Vec<_> = arranged.iter().flatten().chain(&there).collect();
        let taken: Vec<_> = taken.into_iter().map(Process::slot).collect();
        let mut free = (1..=PROCESS_SLOTS).filter(|slot| !taken.contains(slot));
        for (command, process) in self.wanted.iter().zip(arranged) {
            // Without a slot it has to wait until a process that is leaving has left.
            let new = || {
                let slot = free.next()?;
                let (user, outputs) = (self.sandbox.user(slot), &self.outputs);
                Some(Process::new(command.clone(), slot, user, outputs, now))
            };
            self.all.extend(process.or_else(new));
        }
        self.all.extend(there);
        let current = self.all.iter().map(Process::name).collect();
        if let Err(error) = self.outputs.forget_old(&current) {
            // The disk is not full yet, and the next configuration tries again.
            eprintln!("removing logs of earlier processes: {error}");
        }
    }

    /// Starts those that are due, in order.
    pub(super) fn start_due(&mut self, now: Instant, mut report: impl FnMut(&Self, Event)) {
        for at in 0..self.all.len() {
            if let Some(event) = self.all[at].start_if_due(now, &self.policy, &self.sandbox) {
                report(self, event);
            }
        }
    }

    /// Kills those whose grace is over.
    pub(super) fn kill_overdue(&mut self, now: Instant) -> Vec<Event> {
        let all = self.all.iter_mut();
        all.filter_map(|process| process.kill_if_overdue(now))
            .collect()
    }

    /// Takes note that process `pid` ended; whether that is an event.
    pub(super) fn ended(
        &mut self,
        pid: Pid,
        end: End,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<Event> {
        for process in &mut self.all {
            if process.is(pid) {
                return process.ended(now, &self.policy, end, buffer);
            }
            if process.is_collected_by(pid) {
                let collected = match end.exit {
                    Exit::Code(code) => Collected::from_code(code),
                    Exit::Signal(_) => None,
                };
                let collected = collected.ok_or(&"see supervisor.log" as &dyn Display);
                process.collected(collected);
            }
        }
        None
    }

    /// Has the files kept of those that have ended, and lets others have their slots.
    pub(super) fn settle(&mut self, now: Instant) {
        let (log_paths, outputs) = (&self.log_paths, &self.outputs);
        for process in &mut self.all {
            let Some(leftovers) = process.take_leftovers() else {
                continue;
            };
            if log_paths.is_empty() {
                continue;
            }
            if process.is_being_collected() {
                // A process that ends so often writes little that is new.
                process.note(&format!(
                    "files of its log paths, of the run that ended at {}, are not kept: those of an \
                     earlier run are still being copied",
                    leftovers.run
                ));
                continue;
            }
            let name = process.name().to_owned();
            let root = leftovers.folders.root();
            let collect = || {
                let collection = Collection {
                    root,
                    log_paths,
                    outputs,
                    process: &name,
                    run: &leftovers.run,
                    deadline: Instant::now() + log_collection::MAX_DURATION,
                };
                match collection.collect() {
                    Ok(collected) => collected.code(),
                    Err(error) => {
                        eprintln!("keeping files of {name}: {error}");
                        1
                    }
                }
            };
            match in_child(&[root, outputs.as_fd()], collect) {
                Ok(pid) => process.collecting(pid),
                Err(errno) => process.collected(Err(&errno)),
            }
        }
        if self.all.iter().any(Process::is_gone) {
            self.arrange(now);
        }
    }

    /// Keeps the files of those that have ended, in this process: for an instance that is at its
    /// own end.
    pub(super) fn collect_here(&mut self) {
        let deadline = Instant::now() + LAST_COLLECTION_TIMEOUT;
        for process in &mut self.all {
            let Some(leftovers) = process.take_leftovers() else {
                continue;
            };
            if self.log_paths.is_empty() {
                continue;
            }
            let collection = Collection {
                root: leftovers.folders.root(),
                log_paths: &self.log_paths,
                outputs: &self.outputs,
                process: process.name(),
                run: &leftovers.run,
                deadline,
            };
            let collected = collection.collect();
            match &collected {
                Ok(collected) => process.collected(Ok(*collected)),
                Err(error) => process.collected(Err(error)),
            }
        }
    }

    /// Moves some of what they have written into their logs: of each as much as of any other.
    pub(super) fn read_output(&mut self, now: Instant, buffer: &mut [u8]) {
        for process in &mut self.all {
            process.read_output(now, buffer);
        }
    }

    /// What they use together; `None` where nothing is limited.
    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.sandbox.cgroup()
    }

    /// What to wait for.
    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.all.iter().filter_map(Process::interest)
    }

    /// When one of them changes without anything happening to it.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let all = self.all.iter();
        all.filter_map(|process| process.next_change(now, &self.policy))
            .min()
    }

    /// Whether everything that is wanted runs, and has for long enough.
    pub(super) fn are_healthy(&self, now: Instant) -> bool {
        let mut staying = self.all.iter().filter(|process| !process.is_leaving());
        let count = staying.clone().count();
        count == self.wanted.len() && staying.all(|process| process.is_healthy(now, &self.policy))
    }

    /// How many run and are to stay.
    pub(super) fn running(&self) -> u32 {
        let staying = self.all.iter().filter(|process| !process.is_leaving());
        let running = staying.filter(|process| process.is_running());
        running.count().try_into().unwrap_or(u32::MAX)
    }

    /// The names of those that run.
    pub(super) fn running_names(&self) -> impl Iterator<Item = &str> {
        let running = self.all.iter().filter(|process| process.is_running());
        running.map(Process::name)
    }

    /// What each of them is doing, and uses.
    pub(super) fn status(&self, now: Instant) -> Vec<ProcessStatus> {
        let measured = usage::measure();
        let status = |process: &Process| {
            let mut status = process.status(now, &self.policy);
            for usage in measured.iter().filter(|usage| process.owns(usage)) {
                status.cpu_usec += usage.cpu_usec;
                status.memory_bytes += usage.memory_bytes;
            }
            status
        };
        self.all.iter().map(status).collect()
    }
}
