//! What happens to the server processes of an instance.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An event with its place in the supervisor's sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedEvent {
    /// 1 for the supervisor's first event, and one more for each after it. It starts again at 1
    /// with the next supervisor, which [`Instance::incarnation`](crate::Instance::incarnation)
    /// tells apart.
    pub seq: u64,
    /// When it happened by the machine's clock, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// How many events between the one sent before and this one were dropped because no client
    /// acknowledged any; 0 unless the control plane stayed away for a thousand events.
    #[serde(default)]
    pub lost: u64,
    /// How many server processes run after it, without those that were sent SIGTERM.
    #[serde(default)]
    pub running: u32,
    /// What happened.
    pub event: Event,
}

/// What the supervisor reports. `process` is the process's name, `PROGRAM-N`: the last component
/// of its launch path and its slot, from 1, among all processes of the instance; it stays the
/// same over restarts and names the log, `PROGRAM-N.log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A server process was started.
    ProcessStarted {
        /// The process's name.
        process: String,
        /// Its process id inside the instance's PID namespace.
        pid: i32,
    },
    /// The launch path is no file of the build. The process is not tried again, since builds do
    /// not change.
    LaunchPathNotFound {
        /// The process's name.
        process: String,
        /// What was asked for.
        launch_path: String,
    },
    /// The program is there and could not be started: not executable, no such interpreter, no
    /// memory.
    LaunchFailed {
        /// The process's name.
        process: String,
        /// What the kernel said, with the launch path.
        error: String,
        /// When it is tried again, in milliseconds; `None` when trying again cannot help.
        restart_in_ms: Option<u64>,
    },
    /// The process ended before it was healthy.
    ExitedAtOnce(Ended),
    /// The process had been healthy, and ended. An exit code of 0 counts too: a server process
    /// does not end by itself.
    Crashed(Ended),
    /// The process ended as a new runtime configuration, which no longer names it, required.
    ProcessStopped {
        /// The process's name.
        process: String,
    },
    /// The process did not end within its grace after SIGTERM and was killed, by a new runtime
    /// configuration or with the instance.
    ForceTerminated {
        /// The process's name.
        process: String,
    },
    /// Every server process is healthy. Sent again when all are again after one was not, and when
    /// they are others.
    Running,
    /// The build's `install.sh` succeeded, and what it changed is kept.
    Installed,
    /// The build's `install.sh` failed, or took too long. Nothing of it is kept.
    InstallFailed(Ended),
    /// The build's `install.sh` succeeded, and what it changed could not be kept.
    InstallNotKept {
        /// Which file, and why.
        error: String,
    },
    /// All processes are gone and the supervisor is about to exit: the last event.
    Stopped,
}

/// How a server process ended, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The process's name.
    pub process: String,
    /// Its exit code or signal.
    pub exit: Exit,
    /// How long it ran, in milliseconds.
    pub ran_ms: u64,
    /// The last lines it wrote in this run, oldest first: at most 20, and at most 4 KiB in all.
    pub last_lines: Vec<String>,
    /// When it is started again, in milliseconds; 0 for an installer, which is not.
    pub restart_in_ms: u64,
    /// Whether the kernel killed it because the instance had used up its memory.
    #[serde(default)]
    pub out_of_memory: bool,
    /// Whether it was killed because it took too long, as an installer may.
    #[serde(default)]
    pub out_of_time: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// The exit in a status of `wait(2)`.
    pub(crate) fn from_wait_status(status: libc::c_int) -> Self {
        if libc::WIFSIGNALED(status) {
            Exit::Signal(libc::WTERMSIG(status))
        } else {
            Exit::Code(libc::WEXITSTATUS(status))
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(number) => match nix::sys::signal::Signal::try_from(number) {
                Ok(signal) => write!(f, "signal {number} ({signal})"),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_told_by_name() {
        assert_eq!(Exit::from_wait_status(3 << 8).to_string(), "exit code 3");
        assert_eq!(Exit::from_wait_status(9).to_string(), "signal 9 (SIGKILL)");
        // A real-time signal, which has no name.
        assert_eq!(Exit::from_wait_status(40).to_string(), "signal 40");
    }

    #[test]
    fn an_event_is_one_json_object() {
        let event = NumberedEvent {
            seq: 7,
            unix_ms: 1_795_000_000_000,
            lost: 0,
            running: 2,
            event: Event::Crashed(Ended {
                process: "server-1".into(),
                exit: Exit::Signal(11),
                ran_ms: 5000,
                last_lines: vec!["oh".into()],
                restart_in_ms: 80,
                out_of_memory: false,
                out_of_time: false,
            }),
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            r#"{"seq":7,"unix_ms":1795000000000,"lost":0,"running":2,"event":{"crashed":{"process":"server-1","exit":{"signal":11},"ran_ms":5000,"last_lines":["oh"],"restart_in_ms":80,"out_of_memory":false,"out_of_time":false}}}"#
        );
        assert_eq!(serde_json::from_str::<NumberedEvent>(&line).unwrap(), event);
    }
}
