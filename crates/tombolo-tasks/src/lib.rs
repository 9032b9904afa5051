//! Background work that can be seen.
//!
//! Every loop of the server is a [`Task`] with a name: when it ran last, why, how long that took and
//! what came of it is kept in memory, and shown by `tombolo status` and `/metrics`. Loops that are one
//! each of many things, such as fleets, are one task with as many [members](TaskStatus::members).
//! [`TaskThread`] runs loops and tells by name which of them has ended though none should, and [`Members`]
//! has such a loop end with any of its members.
//!
//! Nothing is decided by what is kept here, and nothing of it outlives the server.

#![forbid(unsafe_code)]

mod members;
mod status;
mod thread;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tombolo_domain::error_chain;

pub use members::Members;
pub use status::{LastRun, TaskStatus, Trouble};
pub use thread::{EndedTask, Loops, Returned, TaskThread};

/// The tasks of a server.
#[derive(Clone, Default)]
pub struct Tasks {
    kinds: Arc<Mutex<BTreeMap<&'static str, Kind>>>,
    /// The first task with a thread of its own that ended, though it was to run for ever.
    ended: watch::Sender<Option<EndedTask>>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}

/// What is known of a task.
struct Kind {
    purpose: &'static str,
    period: Option<Duration>,
    counts: Counts,
    /// The number of the next member.
    next: u64,
    members: BTreeMap<u64, Member>,
}

/// What all members have done together.
#[derive(Default)]
struct Counts {
    runs: u64,
    failures: u64,
    last: Option<Finished>,
}

/// One of the loops that are a task together.
struct Member {
    /// When it was last heard of: it began, went on, or ended a run.
    heard: Instant,
    running: Option<(Instant, Reason)>,
    failures_in_a_row: u32,
    /// Why the last run failed, if it did.
    error: Option<String>,
}

/// A run that has ended.
struct Finished {
    started: Instant,
    took: Duration,
    reason: Reason,
    error: Option<String>,
}

/// Why a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Something that it looks at has changed.
    Woken,
    /// It is time again.
    Period,
    /// The last run failed, or left something to do.
    Again,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Woken => "woken",
            Reason::Period => "period",
            Reason::Again => "again",
        })
    }
}

impl Tasks {
    /// A task that is one loop. It runs at least once a `period`; one without runs whenever there is
    /// something to do.
    pub fn task(
        &self,
        name: &'static str,
        purpose: &'static str,
        period: impl Into<Option<Duration>>,
    ) -> Task {
        self.declare(name, purpose, period);
        self.member(name)
    }

    /// A task that is as many loops as there are [members](Tasks::member).
    pub fn declare(
        &self,
        name: &'static str,
        purpose: &'static str,
        period: impl Into<Option<Duration>>,
    ) {
        let period = period.into();
        self.kinds().entry(name).or_insert_with(|| Kind {
            purpose,
            period,
            counts: Counts::default(),
            next: 0,
            members: BTreeMap::new(),
        });
    }

    /// One loop more of the task `name`, which was declared; it is one less when this is dropped.
    pub fn member(&self, name: &'static str) -> Task {
        let mut number = 0;
        if let Some(kind) = self.kinds().get_mut(name) {
            number = kind.next;
            kind.next += 1;
            let member = Member {
                heard: Instant::now(),
                running: None,
                failures_in_a_row: 0,
                error: None,
            };
            kind.members.insert(number, member);
        }
        Task {
            tasks: self.clone(),
            name,
            number,
        }
    }

    /// Completes when a task [with a thread of its own](Tasks::spawn_thread) has ended by itself. It
    /// does no more of what it is for.
    pub fn ended(&self) -> impl Future<Output = EndedTask> + Send + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            loop {
                let found = ended.borrow_and_update().clone();
                if let Some(task) = found {
                    return task;
                }
                if ended.changed().await.is_err() {
                    // Nobody is left who could tell.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<&'static str, Kind>> {
        // Each change is whole, so a panic elsewhere leaves no half-made state.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One loop, which tells when it runs and what comes of it.
pub struct Task {
    tasks: Tasks,
    name: &'static str,
    number: u64,
}

impl Task {
    /// Runs `work` once. Its outcome is the run's, and logged if it is an error.
    pub async fn run<T, E: Error + 'static>(
        &self,
        reason: Reason,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.begin(reason);
        let outcome = work.await;
        self.end(
            outcome
                .as_ref()
                .err()
                .map(|error| error as &(dyn Error + 'static)),
        );
        outcome
    }

    /// As [`run`](Task::run), for work that blocks.
    pub fn run_blocking<T, E: Error + 'static>(
        &self,
        reason: Reason,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin(reason);
        let outcome = work();
        let error = outcome.as_ref().err();
        self.end(error.map(|error| error as &(dyn Error + 'static)));
        outcome
    }

    /// Tells that a run begins.
    pub fn begin(&self, reason: Reason) {
        self.with(|_, member| {
            let now = Instant::now();
            member.heard = now;
            member.running = Some((now, reason));
        });
    }

    /// Tells that a run that takes long goes on.
    pub fn progress(&self) {
        self.with(|_, member| member.heard = Instant::now());
    }

    /// Tells that the run has ended, and logs the error that it ended with.
    pub fn end(&self, error: Option<&(dyn Error + 'static)>) {
        if let Some(error) = error {
            tracing::error!(task = self.name, error, "a task has failed, and runs again");
        }
        let error = error.map(error_chain);
        self.with(|counts, member| {
            let now = Instant::now();
            let (started, reason) = member.running.take().unwrap_or((now, Reason::Woken));
            member.heard = now;
            counts.runs += 1;
            match error {
                Some(_) => {
                    counts.failures += 1;
                    member.failures_in_a_row = member.failures_in_a_row.saturating_add(1);
                }
                None => member.failures_in_a_row = 0,
            }
            member.error.clone_from(&error);
            counts.last = Some(Finished {
                started,
                took: now.duration_since(started),
                reason,
                error,
            });
        });
    }

    fn with(&self, change: impl FnOnce(&mut Counts, &mut Member)) {
        let mut kinds = self.tasks.kinds();
        if let Some(kind) = kinds.get_mut(self.name)
            && let Some(member) = kind.members.get_mut(&self.number)
        {
            change(&mut kind.counts, member);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(kind) = self.tasks.kinds().get_mut(self.name) {
            kind.members.remove(&self.number);
        }
    }
}

/// Waits for a reason to run: a wake-up, or that `pause` is over.
pub async fn reason_to_run(wakes: &mut watch::Receiver<()>, pause: Duration) -> Reason {
    match timeout(pause, wakes.changed()).await {
        Ok(Ok(())) => Reason::Woken,
        // Nobody is left who could wake it, so it is the time that is left.
        Ok(Err(_)) => {
            tokio::time::sleep(pause).await;
            Reason::Period
        }
        Err(_) => Reason::Period,
    }
}
