//! What a development server and one for keeps have in common.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{binary, wait};

/// How long a server may take until it says that it is ready, and until it has ended.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server with a data directory.
pub trait Server {
    /// The data directory.
    fn directory(&self) -> PathBuf;

    /// A command of `tombolo` that talks to this server.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary::tombolo());
        command
            .args(arguments)
            .env("TOMBOLO_DIR", self.directory())
            .stdin(Stdio::null());
        command
    }

    /// Takes away what the server left on the machine, of which a failure is only told: a test has
    /// ended already.
    fn teardown(&self) {
        if self.directory().exists()
            && let Ok(output) = self.command(&["teardown"]).output()
            && !output.status.success()
        {
            eprintln!("teardown: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Opens a server's log, which goes on when the server is started again.
pub(crate) fn open_log(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("opening the server's log")
}

/// Asks a process to end; none if it does not.
pub(crate) fn end(child: &mut Child) -> Option<ExitStatus> {
    let pid = Pid::from_raw(child.id().try_into().expect("process ids are positive"));
    // An error means that it is gone, which the wait finds out too.
    let _ = kill(pid, Signal::SIGTERM);
    wait::within(PATIENCE, || child.try_wait().ok().flatten())
}

/// Ends a process when a test has ended, one way or the other; none if it had to be killed.
pub(crate) fn end_or_kill(mut child: Child) -> Option<ExitStatus> {
    let ended = end(&mut child);
    if ended.is_none() {
        eprintln!("the server did not end within {PATIENCE:?} of SIGTERM");
        // Nothing can be done about an error here but go on to the teardown.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}
