//! A server's process, its folder and its log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{binary, wait};

/// How long a server may take until it says that it is ready, and until it has ended.
pub(crate) const DAEMON_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that runs, or that did. It is ended when this is dropped, and what it made is taken
/// away, also when a test has failed or has killed it.
#[derive(Debug)]
pub(crate) struct Daemon {
    root: TempDir,
    child: Option<Child>,
    /// Whether what it made is meant to outlive it.
    leaves: bool,
}

impl Daemon {
    /// `tombolo dev`, which takes away what it made when it ends, in a new folder whose name begins
    /// with `prefix`. It does not run yet.
    pub(crate) fn dev(prefix: &str) -> Self {
        Self::new(prefix, false)
    }

    /// `tombolo serve`, likewise; what it made outlives it.
    pub(crate) fn serve(prefix: &str) -> Self {
        Self::new(prefix, true)
    }

    fn new(prefix: &str, leaves: bool) -> Self {
        let root = tempfile::Builder::new().prefix(prefix).tempdir();
        Daemon {
            root: root.expect("making a temporary directory"),
            child: None,
            leaves,
        }
    }

    /// A file or folder beside the server's data.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.path("data")
    }

    /// Starts the server by its command, and gives its output if that is piped.
    ///
    /// # Panics
    /// It runs already.
    pub(crate) fn spawn(&mut self, command: &mut Command) -> Option<ChildStdout> {
        assert!(self.child.is_none(), "the server still runs");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("server.log"));
        let mut child = command
            .stdin(Stdio::null())
            .stderr(log.expect("opening the server's log"))
            .spawn()
            .expect("starting tombolo");
        let stdout = child.stdout.take();
        self.child = Some(child);
        stdout
    }

    /// Ends the server as a power cut would, and leaves what it made where it is.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is this process's child");
            child.wait().expect("the server is this process's child");
        }
    }

    /// Asks the server to end, and waits until it has.
    ///
    /// # Panics
    /// It does not end in time.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        end(&mut child).unwrap_or_else(|| {
            child.kill().expect("the server is this process's child");
            panic!("the server did not end within {DAEMON_TIMEOUT:?} of SIGTERM")
        })
    }

    /// Whether the process is there.
    pub(crate) fn is_alive(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// What the server logged last.
    pub(crate) fn log(&self) -> String {
        const LINES: usize = 60;
        let text = fs::read_to_string(self.path("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Takes away what the server left on the machine, of which a failure is only told: a test has
    /// ended already.
    fn teardown(&self) {
        let mut teardown = command(&self.directory(), &["teardown"]);
        if self.directory().exists()
            && let Ok(output) = teardown.output()
            && !output.status.success()
        {
            eprintln!("teardown: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        let ended = self.child.take().and_then(end_or_kill);
        // A killed server left its network and processes behind, which outlive it on purpose. One
        // that has ended orderly may have none, and then this finds nothing to do.
        if self.leaves || !ended.is_some_and(|status| status.success()) {
            self.teardown();
        }
    }
}

/// A command of `tombolo` that talks to the server of a data directory.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary::tombolo());
    command
        .args(arguments)
        .env("TOMBOLO_DIR", directory)
        .stdin(Stdio::null());
    command
}

/// Asks a process to end; none if it does not.
fn end(child: &mut Child) -> Option<ExitStatus> {
    let pid = Pid::from_raw(child.id().try_into().expect("process ids are positive"));
    // An error means that it is gone, which the wait finds out too.
    let _ = kill(pid, Signal::SIGTERM);
    wait::within(DAEMON_TIMEOUT, || child.try_wait().ok().flatten())
}

/// Ends a process when a test has ended, one way or the other; none if it had to be killed.
fn end_or_kill(mut child: Child) -> Option<ExitStatus> {
    let ended = end(&mut child);
    if ended.is_none() {
        eprintln!("the server did not end within {DAEMON_TIMEOUT:?} of SIGTERM");
        // Nothing can be done about an error here but go on to the teardown.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}
