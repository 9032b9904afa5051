//! The server's loops.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How are the server's loops?
#[derive(Debug, Serialize, Deserialize)]
pub struct ListTasks {}

/// How they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskList {
    /// Each, by its name.
    pub tasks: Vec<TaskDescription>,
}

/// How a loop is, or the loops of one kind together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDescription {
    /// Its name.
    pub name: String,
    /// What it does.
    pub purpose: String,
    /// How often it runs at least, in seconds; nothing for what runs whenever there is something to
    /// do.
    pub period_seconds: Option<f64>,
    /// How many loops it is.
    pub members: usize,
    /// How many of them are running.
    pub running: usize,
    /// For how long the one has run that began first, in seconds.
    pub running_for_seconds: Option<f64>,
    /// How many runs have ended since the server was started.
    pub runs: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How often in a row it has failed.
    pub failures_in_a_row: u32,
    /// The run that ended last.
    pub last: Option<LastRunDescription>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRunDescription {
    /// When it began, by the machine's clock.
    pub started: Timestamp,
    /// How long it took, in seconds.
    pub took_seconds: f64,
    /// Why it ran: `woken` by a change, since its `period` was over, or `again`.
    pub reason: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
}
