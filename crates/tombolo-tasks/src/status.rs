//! How tasks stand.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::{Counts, Kind, Member, Reason, Tasks};

/// A task that fails this often in a row is in trouble.
const FAILURES: u32 = 10;
/// So many periods, and [`SLACK`], after it was last heard of a task is late.
const PERIODS: u32 = 10;
const SLACK: Duration = Duration::from_secs(60);

/// How a task stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub purpose: &'static str,
    /// How often it runs at least; `None`: whenever there is something to do.
    pub period: Option<Duration>,
    /// How many loops are this task.
    pub members: usize,
    /// How many of them are running.
    pub running: usize,
    /// For how long the one has run that began first.
    pub running_for: Option<Duration>,
    /// How many runs have ended.
    pub runs: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How often in a row the member failed that failed most.
    pub failures_in_a_row: u32,
    /// The run that ended last.
    pub last: Option<LastRun>,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// How long ago it began.
    pub started_ago: Duration,
    /// How long it took.
    pub took: Duration,
    /// Why it ran.
    pub reason: Reason,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// What is wrong with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It has failed again and again.
    Failing {
        /// How often in a row.
        times: u32,
        /// With what, the last time.
        error: String,
    },
    /// Nothing was heard of it for much longer than its period.
    Late {
        /// For how long.
        silent_for: Duration,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Failing { times, error } => {
                write!(f, "has failed {times} times in a row, last with: {error}")
            }
            Trouble::Late { silent_for } => {
                write!(f, "was not heard of for {} s", silent_for.as_secs())
            }
        }
    }
}

impl Tasks {
    /// How all tasks stand, by their names.
    pub fn statuses(&self) -> Vec<TaskStatus> {
        let now = Instant::now();
        let kinds = self.kinds();
        let kinds = kinds.iter();
        kinds.map(|(name, kind)| kind.status(name, now)).collect()
    }
}

impl Kind {
    fn status(&self, name: &'static str, now: Instant) -> TaskStatus {
        let Counts {
            runs,
            failures,
            last,
        } = &self.counts;
        let members = self.members.values();
        let running = members.clone().filter_map(|member| member.running);
        let running: Vec<Instant> = running.map(|(since, _)| since).collect();
        let last = last.as_ref().map(|last| LastRun {
            started_ago: now.duration_since(last.started),
            took: last.took,
            reason: last.reason,
            error: last.error.clone(),
        });
        let worst = members.max_by_key(|member| member.failures_in_a_row);
        TaskStatus {
            name,
            purpose: self.purpose,
            period: self.period,
            members: self.members.len(),
            running: running.len(),
            running_for: running.iter().min().map(|since| now.duration_since(*since)),
            runs: *runs,
            failures: *failures,
            failures_in_a_row: worst.map_or(0, |member| member.failures_in_a_row),
            last,
            trouble: worst.and_then(Member::failing).or_else(|| self.late(now)),
        }
    }

    fn late(&self, now: Instant) -> Option<Trouble> {
        let allowed = self.period?.saturating_mul(PERIODS).saturating_add(SLACK);
        let silent = self
            .members
            .values()
            .map(|member| now.duration_since(member.heard));
        let silent_for = silent.max()?;
        (silent_for > allowed).then_some(Trouble::Late { silent_for })
    }
}

impl Member {
    fn failing(&self) -> Option<Trouble> {
        let error = self.error.clone()?;
        (self.failures_in_a_row >= FAILURES).then_some(Trouble::Failing {
            times: self.failures_in_a_row,
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;

    use tokio::time::advance;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn status(tasks: &Tasks) -> TaskStatus {
        let mut statuses = tasks.statuses();
        assert_eq!(statuses.len(), 1);
        statuses.remove(0)
    }

    async fn fail(task: &crate::Task) {
        let refused = async { Err::<(), _>(io::Error::other("no disk")) };
        assert!(task.run(Reason::Again, refused).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_tells_why_it_ran_how_long_it_took_and_what_came_of_it() {
        let tasks = Tasks::default();
        let task = tasks.task("node/network", "makes the network", PERIOD);
        assert_eq!((status(&tasks).runs, status(&tasks).last), (0, None));

        task.begin(Reason::Woken);
        advance(Duration::from_secs(2)).await;
        let now = status(&tasks);
        assert_eq!(
            (now.running, now.running_for),
            (1, Some(Duration::from_secs(2)))
        );
        task.end(None);
        advance(Duration::from_secs(3)).await;
        let now = status(&tasks);
        assert_eq!(
            (now.running, now.runs, now.failures, now.trouble),
            (0, 1, 0, None)
        );
        let last = LastRun {
            started_ago: Duration::from_secs(5),
            took: Duration::from_secs(2),
            reason: Reason::Woken,
            error: None,
        };
        assert_eq!(now.last, Some(last));

        fail(&task).await;
        let now = status(&tasks);
        assert_eq!((now.runs, now.failures, now.failures_in_a_row), (2, 1, 1));
        assert_eq!(now.last.unwrap().error.unwrap(), "no disk");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_is_in_trouble_after_ten_failures_in_a_row_until_it_succeeds() {
        let tasks = Tasks::default();
        let task = tasks.task("node/network", "makes the network", PERIOD);
        for _ in 0..9 {
            fail(&task).await;
        }
        assert_eq!(status(&tasks).trouble, None);
        fail(&task).await;
        let trouble = status(&tasks).trouble.unwrap();
        assert_eq!(
            trouble.to_string(),
            "has failed 10 times in a row, last with: no disk"
        );
        let well = async { Ok::<(), Infallible>(()) };
        task.run(Reason::Again, well).await.unwrap();
        assert_eq!(status(&tasks).trouble, None);
        assert_eq!(status(&tasks).failures, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_is_late_after_ten_periods_and_a_minute_unless_it_reports_progress() {
        let tasks = Tasks::default();
        let task = tasks.task("node/network", "makes the network", PERIOD);
        let allowed = PERIOD * 10 + Duration::from_secs(60);
        task.begin(Reason::Period);
        advance(allowed).await;
        assert_eq!(status(&tasks).trouble, None);
        task.progress();
        advance(allowed).await;
        assert_eq!(status(&tasks).trouble, None);
        advance(Duration::from_secs(1)).await;
        let late = status(&tasks).trouble.unwrap();
        assert_eq!(late.to_string(), "was not heard of for 211 s");
        // One that runs whenever there is something to do may be idle for ever.
        let tasks = Tasks::default();
        let _task = tasks.task("node/watch", "follows the store", None);
        advance(Duration::from_secs(100_000)).await;
        assert_eq!(status(&tasks).trouble, None);
    }

    #[tokio::test(start_paused = true)]
    async fn members_are_counted_and_the_worst_one_is_told_of() {
        let tasks = Tasks::default();
        tasks.declare("node/fleet", "makes a fleet so", PERIOD);
        let (good, bad) = (tasks.member("node/fleet"), tasks.member("node/fleet"));
        for _ in 0..10 {
            fail(&bad).await;
            good.begin(Reason::Woken);
            good.end(None);
        }
        let now = status(&tasks);
        assert_eq!((now.members, now.failures_in_a_row), (2, 10));
        assert!(matches!(
            now.trouble,
            Some(Trouble::Failing { times: 10, .. })
        ));
        drop(bad);
        let now = status(&tasks);
        assert_eq!((now.members, now.failures, now.trouble), (1, 10, None));
    }
}
