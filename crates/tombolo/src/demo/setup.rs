//! What the demo happens on: a `tombolo dev` of its own, in a directory of its own.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tombolo_admin::client::AdminClient;
use tombolo_fleet::end_with_parent;

use crate::aws::{AccessKey, AwsClient};
use crate::cli::NetworkChoice;
use crate::command::dev::{Profile, Ready};
use crate::server::this_executable;

/// How long a program may take to end when asked: the server ends instances one after another.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(30);

/// How many lines of the log a failure shows.
const LAST_LINES: usize = 5;

/// A server for the demo, and what runs with it.
pub(super) struct Setup {
    /// What the server said when it was ready.
    pub(super) ready: Ready,
    /// The demo's own directory.
    directory: TempDir,
    binary: PathBuf,
    server: Child,
    programs: Vec<Child>,
}

impl Setup {
    /// Starts the server.
    pub(super) async fn make(network: NetworkChoice) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("tombolo-demo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        let binary = this_executable()?;
        let network = match network {
            NetworkChoice::Auto => "auto",
            NetworkChoice::Ebpf => "ebpf",
            NetworkChoice::Simulated => "simulated",
        };
        let mut command = Command::new(&binary);
        command
            .args([
                "dev",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--network",
                network,
                "--dir",
            ])
            .arg(directory.path().join("server"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log_of(directory.path()))?);
        // A terminal's Ctrl-C is for the demo, which ends the server in order.
        command.process_group(0);
        let mut server = spawn(command).context("starting a server")?;
        let stdout = server
            .stdout
            .take()
            .context("reading what the server says")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let Some(line) = line else {
            let status = server.wait().await?;
            let log = fs::read_to_string(log_of(directory.path())).unwrap_or_default();
            bail!("the server did not start ({status}):\n{}", log.trim_end());
        };
        let ready = serde_json::from_str(&line).context("understanding what the server says")?;
        Ok(Setup {
            ready,
            directory,
            binary,
            server,
            programs: Vec::new(),
        })
    }

    /// This account's caller.
    pub(super) fn client(&self, profile: &Profile) -> Result<AwsClient> {
        let key = AccessKey {
            id: profile.access_key_id.to_string(),
            secret: profile.secret_access_key.clone(),
        };
        AwsClient::new(&self.ready.endpoint, self.ready.region.as_str(), key)
    }

    /// The server's admin socket.
    pub(super) fn admin(&self) -> AdminClient {
        AdminClient::new(&self.server_directory())
    }

    /// The server's data directory.
    pub(super) fn server_directory(&self) -> PathBuf {
        self.directory.path().join("server")
    }

    /// The demo's own directory.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// This program's file.
    pub(super) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Starts `tombolo` with these arguments; it ends with the setup. Its output goes to the log.
    pub(super) fn start(&mut self, arguments: &[&str]) -> Result<()> {
        let log = File::options()
            .append(true)
            .open(log_of(self.directory.path()))?;
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("TOMBOLO_DIR", self.server_directory())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        self.programs
            .push(spawn(command).context("starting tombolo")?);
        Ok(())
    }

    /// What the server and the programs have written; an error if one has ended, as none should.
    pub(super) fn log(&mut self) -> Result<String> {
        let log = fs::read_to_string(log_of(self.directory.path()))?;
        for program in self.programs.iter_mut().chain([&mut self.server]) {
            if let Some(status) = program.try_wait()? {
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
                bail!(
                    "a program of the demo ended ({status}):\n{}",
                    last.join("\n")
                );
            }
        }
        Ok(log)
    }

    /// Ends everything; the server takes its network and processes away.
    pub(super) async fn teardown(mut self) -> Result<()> {
        for program in &mut self.programs {
            end(program).await?;
        }
        let status = end(&mut self.server).await?;
        ensure!(
            status.success(),
            "the server did not end well ({status}): {}",
            {
                let kept = self.directory.keep();
                format!("its log is {}", log_of(&kept).display())
            }
        );
        Ok(())
    }
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("tombolo.log")
}

fn spawn(mut command: Command) -> Result<Child> {
    // This is the main thread, which lives as long as the process.
    end_with_parent(command.as_std_mut(), Signal::SIGTERM);
    Ok(command.spawn()?)
}

/// Asks a program to end and waits until it has.
async fn end(program: &mut Child) -> Result<ExitStatus> {
    if let Some(pid) = program.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It was not waited for yet, so the pid is still its own.
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    }
    match tokio::time::timeout(TERMINATION_TIMEOUT, program.wait()).await {
        Ok(status) => Ok(status?),
        Err(_) => {
            program.kill().await?;
            bail!(
                "a program did not end within {} seconds and was killed",
                TERMINATION_TIMEOUT.as_secs()
            )
        }
    }
}
