//! The control protocol between the control plane and a supervisor.
//!
//! A Unix stream socket, `control.sock` in the instance's directory, mode 0600. Both sides send
//! one JSON value a line. The client sends requests:
//!
//! ```text
//! {"resume_after":41}          send every event with seq > 41 that is still kept, then follow
//! {"acknowledge":57}           events up to 57 are safe with me and need not be kept
//! {"configure":[PROCESS,…]}    run these server processes and no others
//! "status"                     send what runs and what it uses
//! {"stop":{"grace_ms":5000}}   SIGTERM to every process, SIGKILL after the grace, then exit
//! ```
//!
//! `PROCESS` is a [`ServerProcess`]. The supervisor leaves alone what runs and is wanted still,
//! starts what is missing, and ends what is no longer wanted: SIGTERM, and SIGKILL after
//! [`RestartPolicy::grace_ms`](crate::RestartPolicy::grace_ms). At the same request twice, it does
//! nothing the second time.
//!
//! The supervisor answers `resume_after` with one [`NumberedEvent`](crate::NumberedEvent) a line
//! and `status` with one line, an [`InstanceStatus`](crate::InstanceStatus). The others have no
//! reply of their own: the supervisor closes its side once the client has closed its own and
//! everything before was done. A line that is not a request closes the connection.
//!
//! A supervisor may be of an earlier release than the control plane that finds it. It says in
//! `supervisor.json` which version of the protocol it speaks, and a client sends nothing that this
//! version does not have:
//!
//! | version | what it has |
//! | --- | --- |
//! | 0 | all of the above; said by a `supervisor.json` that names no version |
//! | 1 | the same, and its version is said |

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::spec::ServerProcess;

/// The version of the protocol that this release speaks, and the newest that it understands.
pub(crate) const PROTOCOL: u32 = 1;

/// The socket's name in the instance's directory.
pub(crate) const SOCKET: &str = "control.sock";

/// The longest request, in bytes: [`MAX_PROCESSES`](crate::MAX_PROCESSES) entries of a launch path
/// and parameters, 1024 characters each, every one of them escaped.
pub(crate) const MAX_REQUEST_BYTES: usize = 1 << 20;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Send the events after this one.
    ResumeAfter(u64),
    /// Keep the events up to this one no longer.
    Acknowledge(u64),
    /// Run these from now on.
    Configure(Vec<ServerProcess>),
    /// Tell what runs.
    Status,
    /// End the instance.
    Stop { grace_ms: u64 },
}

impl Request {
    /// The request as a line of the protocol.
    pub(crate) fn line(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

/// A path to the open `directory`, good for as long as it is open: also in another mount
/// namespace, and short enough for what is in it to fit into the 108 bytes of a socket address.
pub(crate) fn path_of(directory: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// A path to the control socket in the open `directory`.
pub(crate) fn socket_path(directory: &File) -> PathBuf {
    path_of(directory).join(SOCKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_protocol_says() {
        let process = ServerProcess {
            launch_path: "/local/game/server".into(),
            parameters: "-port 4000".into(),
            concurrent_executions: 2,
        };
        for (request, line) in [
            (Request::ResumeAfter(41), r#"{"resume_after":41}"#),
            (Request::Acknowledge(57), r#"{"acknowledge":57}"#),
            (
                Request::Configure(vec![process]),
                r#"{"configure":[{"launch_path":"/local/game/server","parameters":"-port 4000","concurrent_executions":2}]}"#,
            ),
            (Request::Status, r#""status""#),
            (
                Request::Stop { grace_ms: 5000 },
                r#"{"stop":{"grace_ms":5000}}"#,
            ),
        ] {
            assert_eq!(request.line().unwrap(), format!("{line}\n"));
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        }
    }
}
