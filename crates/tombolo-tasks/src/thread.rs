//! Threads of loops that run for ever.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinSet, LocalSet};

use crate::members::{MemberPanic, message};
use crate::{Task, Tasks};

/// A thread with loops. Dropping it stops them.
pub struct TaskThread {
    /// Dropping it tells the thread to end.
    stop: oneshot::Sender<()>,
    /// Closed by the thread when it has ended.
    ended: watch::Receiver<Option<EndedTask>>,
}

/// The loops of a thread.
#[derive(Default)]
pub struct Loops {
    set: JoinSet<()>,
    names: BTreeMap<Id, &'static str>,
}

/// A loop that has ended, though it was to run for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedTask {
    /// The task.
    pub name: &'static str,
    /// What it panicked with; `None` if it returned.
    pub panic: Option<String>,
}

impl fmt::Display for EndedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EndedTask { name, panic } = self;
        match panic {
            Some(message) => write!(f, "the task {name} has panicked: {message}"),
            None => write!(f, "the task {name} has ended by itself"),
        }
    }
}

impl Loops {
    /// Adds a loop.
    pub fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + 'static) {
        let handle = self.set.spawn_local(work);
        self.names.insert(handle.id(), name);
    }

    /// Waits for one that ends, which none does unless it panics or the store is closed under it.
    async fn one_ended(&mut self) -> Option<EndedTask> {
        let error = match self.set.join_next_with_id().await? {
            Ok((id, ())) => {
                let (name, panic) = (self.name(id), None);
                return Some(EndedTask { name, panic });
            }
            Err(error) => error,
        };
        let name = self.name(error.id());
        let (name, message) = match error.try_into_panic() {
            Ok(panic) => match panic.downcast::<MemberPanic>() {
                Ok(member) => (member.name, member.message),
                Err(panic) => (name, message(&*panic)),
            },
            Err(_) => (name, String::new()),
        };
        let panic = Some(message);
        Some(EndedTask { name, panic })
    }

    fn name(&self, id: Id) -> &'static str {
        self.names.get(&id).copied().unwrap_or_default()
    }
}

impl TaskThread {
    /// Starts a thread, on which `spawn` starts loops. An error is the kernel's, that gave no thread.
    pub fn start(
        name: &'static str,
        spawn: impl FnOnce(&mut Loops) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopping) = oneshot::channel();
        let (tell, ended) = watch::channel(None);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let all = async move {
            let mut loops = Loops::default();
            spawn(&mut loops);
            tokio::select! {
                // Closed, not answered: the sender is dropped to say it.
                _ = stopping => {}
                Some(ended) = loops.one_ended() => {
                    tracing::error!(thread = name, "{ended}");
                    tell.send_replace(Some(ended));
                }
            }
            loops.set.shutdown().await;
            tell
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || drop(LocalSet::new().block_on(&runtime, all)))?;
        Ok(TaskThread { stop, ended })
    }

    /// Completes when the thread has ended. The loop, if it was one that ended first: the thread does
    /// no more of what it is for.
    pub fn ended(&self) -> impl Future<Output = Option<EndedTask>> + Send + use<> {
        let mut ended = self.ended.clone();
        async move {
            let _ = ended.wait_for(|_| false).await;
            ended.borrow().clone()
        }
    }

    /// Stops the loops and waits until they are.
    pub async fn stop(self) {
        let ended = self.ended();
        drop(self.stop);
        ended.await;
    }
}

/// Why work on a thread of its own has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// Whoever started it wants no more of it.
    Stopped,
    /// It cannot go on, and has logged why.
    Failed,
}

impl Tasks {
    /// Starts a task that is one loop which waits by blocking, on a thread of its own. It is told of in
    /// [`ended`](Tasks::ended) if it panics or fails. An error is the kernel's, that gave no thread.
    pub fn spawn_thread(
        &self,
        name: &'static str,
        purpose: &'static str,
        period: Duration,
        work: impl FnOnce(&Task) -> Returned + Send + 'static,
    ) -> io::Result<()> {
        let tasks = self.clone();
        let run = move || {
            let task = tasks.task(name, purpose, period);
            let panic = match catch_unwind(AssertUnwindSafe(|| work(&task))) {
                Ok(Returned::Stopped) => return,
                Ok(Returned::Failed) => None,
                Err(panic) => Some(message(&*panic)),
            };
            let ended = EndedTask { name, panic };
            tracing::error!("{ended}");
            tasks.ended.send_replace(Some(ended));
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_loop_that_panics_ends_its_thread_with_its_name() {
        let thread = TaskThread::start("test", |loops| {
            loops.spawn("node/builds", pending());
            loops.spawn("node/network", async { panic!("no more {}", "links") });
        });
        let ended = thread.unwrap().ended().await.unwrap();
        assert_eq!(
            ended.to_string(),
            "the task node/network has panicked: no more links"
        );
    }

    #[tokio::test]
    async fn a_loop_that_returns_is_told_of_and_a_thread_that_is_stopped_is_not() {
        let thread = TaskThread::start("test", |loops| loops.spawn("node/watch", async {}));
        let ended = thread.unwrap().ended().await.unwrap();
        assert_eq!(ended.to_string(), "the task node/watch has ended by itself");
        let thread = TaskThread::start("test", |loops| loops.spawn("node/watch", pending()));
        let thread = thread.unwrap();
        let ended = thread.ended();
        thread.stop().await;
        assert_eq!(ended.await, None);
    }
    #[tokio::test]
    async fn a_thread_that_panics_or_fails_is_told_of_and_one_that_is_stopped_is_not() {
        const PERIOD: Duration = Duration::from_secs(1);
        let start = |tasks: &Tasks, work: fn(&Task) -> Returned| {
            tasks.spawn_thread("node/flow-sweeper", "sweeps", PERIOD, work)
        };
        let tasks = Tasks::default();
        start(&tasks, |_| Returned::Stopped).unwrap();
        start(&tasks, |_| panic!("no map")).unwrap();
        let ended = tasks.ended().await.to_string();
        assert_eq!(ended, "the task node/flow-sweeper has panicked: no map");
        let tasks = Tasks::default();
        start(&tasks, |_| Returned::Failed).unwrap();
        let ended = tasks.ended().await.to_string();
        assert_eq!(ended, "the task node/flow-sweeper has ended by itself");
    }
}
