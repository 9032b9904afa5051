//! What the demo's game server writes to its output, one line of JSON each, and how it is read.

use serde::{Deserialize, Serialize};

/// One line of the game server's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub(crate) enum Report {
    /// The results of the probes of a short interval.
    Probes(Probes),
    /// The database answered after it had not: the way to it was measured.
    Measured(Measurement),
}

/// Datagrams to the database's echo, and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probes {
    /// When the first was sent, in microseconds since 1970.
    pub(crate) from: i64,
    /// When the first answer came, if one did.
    pub(crate) first_answer: Option<i64>,
    /// How many were sent.
    pub(crate) sent: u32,
    /// How many were answered.
    pub(crate) answered: u32,
}

/// How good the way to the database is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// What the database had under the key that was asked for.
    pub(crate) value: String,
    /// The median time of a datagram there and back, in microseconds.
    pub(crate) p50: f64,
    /// The time that 99 of 100 took at most, in microseconds.
    pub(crate) p99: f64,
    /// Bits a second by one TCP connection.
    pub(crate) throughput: f64,
}

/// The report in a line of output. Other lines, such as the supervisor's, have none.
pub(super) fn read(line: &str) -> Option<Report> {
    serde_json::from_str(line).ok()
}
