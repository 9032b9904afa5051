//! The control protocol between the control plane and a supervisor.
//!
//! A Unix stream socket, `control.sock` in the instance's directory, mode 0600. Both sides send
//! one JSON value a line. The client sends requests:
//!
//! ```text
//! {"resume_after":41}          send every event with seq > 41 that is still kept, then follow
//! {"acknowledge":57}           events up to 57 are safe with me and need not be kept
//! {"stop":{"grace_ms":5000}}   SIGTERM to every process, SIGKILL after the grace, then exit
//! ```
//!
//! The supervisor answers only the first, with one [`NumberedEvent`](crate::NumberedEvent) a line.
//! Acknowledging and stopping have no reply of their own: the supervisor closes its side once the
//! client has closed its own and everything before was done. A line that is not a request closes
//! the connection.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The socket's name in the instance's directory.
pub(crate) const SOCKET: &str = "control.sock";

/// The longest request, in bytes; every real one is far shorter.
pub(crate) const LONGEST_REQUEST: usize = 4096;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Send the events after this one.
    ResumeAfter(u64),
    /// Keep the events up to this one no longer.
    Acknowledge(u64),
    /// End the instance.
    Stop { grace_ms: u64 },
}

impl Request {
    /// The request as a line of the protocol.
    pub(crate) fn line(self) -> String {
        match self {
            Request::ResumeAfter(seq) => format!("{{\"resume_after\":{seq}}}\n"),
            Request::Acknowledge(seq) => format!("{{\"acknowledge\":{seq}}}\n"),
            Request::Stop { grace_ms } => format!("{{\"stop\":{{\"grace_ms\":{grace_ms}}}}}\n"),
        }
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
        for request in [
            Request::ResumeAfter(41),
            Request::Acknowledge(u64::MAX),
            Request::Stop { grace_ms: 5000 },
        ] {
            assert_eq!(
                serde_json::from_str::<Request>(&request.line()).unwrap(),
                request
            );
        }
    }
}
