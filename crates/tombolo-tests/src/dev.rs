//! `tombolo dev` as a process of its own, taken away with everything it made when a test ends,
//! also when the test fails or has killed it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use serde::Deserialize;

use crate::aws::Client;
use crate::binary;
use crate::daemon::{DAEMON_TIMEOUT, Daemon};
use crate::server::Server;

/// A development server.
#[derive(Debug)]
pub struct Dev {
    daemon: Daemon,
    arguments: Vec<String>,
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
        let mut daemon = Daemon::dev("tmb-test-");
        fill(&daemon.directory());
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let ready = spawn(&mut daemon, &arguments);
        Dev {
            daemon,
            arguments,
            ready,
        }
    }

    /// Ends the server as a power cut would, and leaves what it made where it is.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts the server again over the same data.
    pub fn restart(&mut self) {
        self.ready = spawn(&mut self.daemon, &self.arguments);
    }

    /// Asks the server to end, and waits until it has.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        self.daemon.stop()
    }

    /// Whether the process is there.
    pub fn is_alive(&mut self) -> bool {
        self.daemon.is_alive()
    }

    /// The account with the fleets.
    pub fn studio(&self) -> Client {
        self.client(&self.ready.accounts.studio)
    }

    /// The account with the VPC.
    pub fn backend(&self) -> Client {
        self.client(&self.ready.accounts.backend)
    }

    /// Makes an account with an access key.
    ///
    /// # Panics
    /// There is one of that name.
    pub fn account(&self, name: &str) -> Client {
        self.new_account(self.address(), &self.ready.region, name)
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
        self.daemon.pid()
    }

    /// What the server logged last.
    pub fn log(&self) -> String {
        self.daemon.log()
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
        self.daemon.directory()
    }
}

fn spawn(daemon: &mut Daemon, arguments: &[String]) -> Ready {
    let mut command = Command::new(binary::tombolo());
    command
        .args(["dev", "--json", "--listen", "127.0.0.1:0", "--dir"])
        .arg(daemon.directory())
        .args(arguments)
        .stdout(Stdio::piped());
    let stdout = daemon.spawn(&mut command).expect("it is piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        // A test that does not wait any more needs no line.
        let _ = sender.send(read.map(|_| line));
    });
    let ready = receiver
        .recv_timeout(DAEMON_TIMEOUT)
        .ok()
        .and_then(Result::ok);
    let ready = ready.and_then(|line| serde_json::from_str(&line).ok());
    ready.expect("the server becomes ready; its log says why it has not")
}
