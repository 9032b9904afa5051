//! `tombolo dev` as a process of its own, taken away with everything it made when a test ends,
//! also when the test fails or has killed it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use serde::Deserialize;
use tempfile::TempDir;

use crate::aws::Client;
use crate::binary;
use crate::server::{PATIENCE, Server, end, end_or_kill, open_log};

/// A development server.
#[derive(Debug)]
pub struct Dev {
    root: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
    ready: Ready,
}

/// The line that `tombolo dev --json` prints when it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    endpoint: String,
    region: String,
    aws_config_file: PathBuf,
    network: String,
    accounts: Accounts,
}

#[derive(Debug, Deserialize)]
struct Accounts {
    studio: Account,
    backend: Account,
}

#[derive(Debug, Deserialize)]
struct Account {
    id: String,
    access_key_id: String,
    secret_access_key: String,
}

impl Dev {
    /// A server whose packets are real.
    pub fn start() -> Self {
        Dev::start_with(&["--network", "ebpf"])
    }

    /// A server for tests that only look at its replies; it needs no root.
    pub fn start_simulated() -> Self {
        Dev::start_with(&["--network", "simulated"])
    }

    /// A server with more arguments.
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start_with(arguments: &[&str]) -> Self {
        Dev::start_over(|_| {}, arguments)
    }

    /// A server over what `fill` puts into its data directory before it starts.
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start_over(fill: impl FnOnce(&Path), arguments: &[&str]) -> Self {
        let root = tempfile::Builder::new()
            .prefix("tmb-test-")
            .tempdir()
            .expect("making a temporary directory");
        fill(&data(root.path()));
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let (child, ready) = spawn(root.path(), &arguments);
        Dev {
            root,
            arguments,
            child: Some(child),
            ready,
        }
    }

    /// Ends the server as a power cut would, and leaves what it made where it is.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is this process's child");
            child.wait().expect("the server is this process's child");
        }
    }

    /// Starts the server again over the same data.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        let (child, ready) = spawn(self.root.path(), &self.arguments);
        self.child = Some(child);
        self.ready = ready;
    }

    /// Asks the server to end, and waits until it has.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        end(&mut child).unwrap_or_else(|| {
            child.kill().expect("the server is this process's child");
            panic!("the server did not end within {PATIENCE:?} of SIGTERM")
        })
    }

    /// Whether the process is there.
    pub fn is_alive(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// The account with the fleets.
    pub fn studio(&self) -> Client {
        self.client(&self.ready.accounts.studio)
    }

    /// The account with the VPC.
    pub fn backend(&self) -> Client {
        self.client(&self.ready.accounts.backend)
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        let address = self.ready.endpoint.strip_prefix("http://");
        let address = address.and_then(|address| address.trim_end_matches('/').parse().ok());
        address.unwrap_or_else(|| panic!("endpoint {} is no http://IP:PORT", self.ready.endpoint))
    }

    /// The URL that clients are told.
    pub fn endpoint(&self) -> &str {
        &self.ready.endpoint
    }

    /// The Region of the profiles.
    pub fn region(&self) -> &str {
        &self.ready.region
    }

    /// The engine that the server says it uses.
    pub fn network(&self) -> &str {
        &self.ready.network
    }

    /// The configuration file with the profiles `studio` and `backend`.
    pub fn aws_config_file(&self) -> &Path {
        &self.ready.aws_config_file
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// What the server logged last.
    pub fn log(&self) -> String {
        last_lines(&log(self.root.path()))
    }

    fn client(&self, account: &Account) -> Client {
        Client::new(
            self.address(),
            &self.ready.region,
            &account.id,
            &account.access_key_id,
            &account.secret_access_key,
        )
    }
}

impl Server for Dev {
    fn directory(&self) -> PathBuf {
        data(self.root.path())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        let ended = self.child.take().and_then(end_or_kill);
        // A killed server left its network and processes behind, which outlive it on purpose. One
        // that was stopped has none, and then this finds nothing to do.
        if !ended.is_some_and(|status| status.success()) {
            self.teardown();
        }
    }
}

fn data(root: &Path) -> PathBuf {
    root.join("data")
}

fn log(root: &Path) -> PathBuf {
    root.join("server.log")
}

fn spawn(root: &Path, arguments: &[String]) -> (Child, Ready) {
    let log_path = log(root);
    let mut child = Command::new(binary::tombolo())
        .args(["dev", "--json", "--listen", "127.0.0.1:0", "--dir"])
        .arg(data(root))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(open_log(&log_path))
        .spawn()
        .expect("starting tombolo");
    let stdout = child.stdout.take().expect("it is piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        // A test that does not wait any more needs no line.
        let _ = sender.send(read.map(|_| line));
    });
    let ready = receiver.recv_timeout(PATIENCE).ok().and_then(Result::ok);
    let ready = ready.and_then(|line| serde_json::from_str(&line).ok());
    let Some(ready) = ready else {
        // It may have ended by itself.
        let _ = child.kill();
        let status = child.wait();
        panic!(
            "the server did not become ready; it ended with {status:?}; its log:\n{}",
            last_lines(&log_path)
        );
    };
    (child, ready)
}

fn last_lines(path: &Path) -> String {
    const LINES: usize = 60;
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
