//! Loops that come and go, as the members of one task.

use std::any::Any;
use std::future::pending;
use std::panic::resume_unwind;

use tokio::task::{AbortHandle, JoinError, JoinSet};

/// The members of a task that are running, held by the loop that starts them. Dropping it ends them.
///
/// A member that panics ends whoever waits for one with the same panic, and so the thread, under the
/// member's name: nobody else would take over what it was for.
pub struct Members<T> {
    name: &'static str,
    running: JoinSet<T>,
}

/// A panic, on its way from the member of a task to the thread that ends with it.
pub(crate) struct MemberPanic {
    pub(crate) name: &'static str,
    pub(crate) message: String,
}

impl<T: 'static> Members<T> {
    /// The members of the task `name`, of which there are none yet.
    pub fn new(name: &'static str) -> Self {
        Members {
            name,
            running: JoinSet::new(),
        }
    }

    /// Starts one, on the thread that this is called on.
    pub fn spawn(&mut self, work: impl Future<Output = T> + 'static) -> AbortHandle {
        self.running.spawn_local(work)
    }

    /// Whether none runs, and none has ended that was not waited for.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// What one of them ended with; one that was aborted does not count. As long as there is none, it
    /// waits. Nothing is lost if the wait is given up.
    pub async fn ended(&mut self) -> T {
        loop {
            match self.running.join_next().await {
                Some(Ok(outcome)) => return outcome,
                Some(Err(error)) => self.pass_on(error),
                None => pending().await,
            }
        }
    }

    /// Ends all of them, and waits until they have.
    pub async fn shutdown(&mut self) {
        self.running.abort_all();
        while let Some(ended) = self.running.join_next().await {
            if let Err(error) = ended {
                self.pass_on(error);
            }
        }
    }

    /// Panics as the member did; nothing if it was aborted.
    fn pass_on(&self, error: JoinError) {
        let Ok(panic) = error.try_into_panic() else {
            return;
        };
        resume_unwind(match panic.downcast::<MemberPanic>() {
            // It was waiting for members of its own.
            Ok(within) => within,
            Err(panic) => Box::new(MemberPanic {
                name: self.name,
                message: message(&*panic),
            }),
        })
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this is how a test fails, and what it is about"
)]
mod tests {
    use crate::TaskThread;

    use super::*;

    /// A loop with one member, which does `work`.
    async fn holds<T: 'static>(name: &'static str, work: impl Future<Output = T> + 'static) {
        let mut members = Members::new(name);
        members.spawn(work);
        loop {
            members.ended().await;
        }
    }

    #[tokio::test]
    async fn a_member_that_panics_ends_its_thread_with_its_own_name() {
        let instance = async { panic!("no more {}", "pids") };
        let fleet = holds("node/instance", instance);
        let thread = TaskThread::start("test", |loops| {
            loops.spawn("node/fleets", holds("node/fleet", fleet));
        });
        let ended = thread.unwrap().ended().await.unwrap();
        assert_eq!(
            ended.to_string(),
            "the task node/instance has panicked: no more pids"
        );
    }

    #[tokio::test]
    async fn a_member_that_is_aborted_or_returns_ends_nothing() {
        let local = tokio::task::LocalSet::new();
        let run = local.run_until(async {
            let mut members = Members::new("node/build");
            members.spawn(pending()).abort();
            members.spawn(async { 7 });
            assert_eq!(members.ended().await, 7);
            members.spawn(pending());
            members.shutdown().await;
            assert!(members.is_empty());
        });
        run.await;
    }
}
