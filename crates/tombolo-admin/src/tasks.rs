//! How the server's loops are.

use anyhow::Result;
use tombolo_tasks::{LastRun, TaskStatus};

use crate::message::{LastRunDescription, ListTasks, TaskDescription, TaskList};
use crate::server_clock::real_now;
use crate::service::AdminService;

impl AdminService {
    /// How all loops are, by their names.
    pub async fn list_tasks(&self, _: ListTasks) -> Result<TaskList> {
        let tasks = self.tasks.statuses().into_iter();
        Ok(TaskList {
            tasks: tasks.map(reading).collect(),
        })
    }
}

fn reading(task: TaskStatus) -> TaskDescription {
    TaskDescription {
        name: task.name.to_owned(),
        purpose: task.purpose.to_owned(),
        period_seconds: task.period.map(|period| period.as_secs_f64()),
        members: task.members,
        running: task.running,
        running_for_seconds: task.running_for.map(|running| running.as_secs_f64()),
        runs: task.runs,
        failures: task.failures,
        failures_in_a_row: task.failures_in_a_row,
        last: task.last.map(last_run),
        trouble: task.trouble.map(|trouble| trouble.to_string()),
    }
}

fn last_run(run: LastRun) -> LastRunDescription {
    let started = real_now() - run.started_ago;
    LastRunDescription {
        started,
        took_seconds: run.took.as_secs_f64(),
        reason: run.reason.to_string(),
        error: run.error,
    }
}
