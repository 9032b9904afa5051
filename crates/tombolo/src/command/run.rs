//! `tombolo run`.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::task::spawn_blocking;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{AttachProgram, AttachedProgram, DetachProgram};
use tombolo_admin::process::ProcessIdentity;
use tombolo_fleet::{end_namespace_processes, end_with_parent, enter};

use crate::cli::RunArguments;
use crate::report::OrHint;

/// How long what the command has left running may take to end after SIGTERM.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the command and gives its exit code.
///
/// This process stays, as the parent: the interface is made for it and lives as long, so that a
/// command that is killed, or this one, leaves nothing behind.
pub(super) async fn run(arguments: RunArguments) -> Result<ExitCode> {
    let server = AdminClient::new(&arguments.server.dir);
    let process = ProcessIdentity::this().context("looking at this process")?;
    let words: Vec<_> = arguments
        .command
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    // Before the interface is made, so that no signal ends this process in between.
    let mut signals = Signals::listen()?;
    let attached = server
        .send(&AttachProgram {
            account: arguments.account.account,
            vpc: arguments.vpc.clone(),
            subnet: arguments.subnet,
            address: arguments.address,
            security_groups: arguments.security_groups,
            mtu: arguments.mtu,
            process,
            command: words.join(" "),
        })
        .await?;
    eprintln!(
        "{} has {} in {} of {}",
        attached.interface, attached.address, attached.subnet, arguments.vpc
    );
    let ended = supervise(&attached, &arguments.command, &mut signals).await;
    end_what_is_left(attached.namespace).await;
    let detach = DetachProgram {
        interface: attached.interface,
        vpc: arguments.vpc,
        process,
    };
    if let Err(error) = server.send(&detach).await {
        // The server does it by itself when it sees that this process is gone.
        tracing::debug!("could not remove the network interface at once: {error:#}");
    }
    Ok(exit_code(ended?))
}

async fn supervise(
    attached: &AttachedProgram,
    words: &[OsString],
    signals: &mut Signals,
) -> Result<ExitStatus> {
    let mut command = enter::command_in(&attached.namespace, words)?;
    // This is the main thread, which lives as long as the process.
    end_with_parent(&mut command, Signal::SIGTERM);
    let mut child = Command::from(command).spawn().or_hint(
        || {
            format!(
                "cannot run {:?} in {}",
                words[0],
                attached.namespace.display()
            )
        },
        || "entering a VPC needs root; is the program there, and may it be run?".to_owned(),
    )?;
    loop {
        tokio::select! {
            status = child.wait() => return status.context("waiting for the command"),
            caught = signals.next() => caught.pass_on(&child)?,
        }
    }
}

/// Ends what the command started and did not end. The server would do it too, once it has seen that
/// this process is gone; it is logged here, on the terminal of the command.
async fn end_what_is_left(namespace: PathBuf) {
    match spawn_blocking(move || end_namespace_processes(&namespace, TERMINATION_TIMEOUT)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(ended)) => tracing::info!(ended, "ended the processes that the command left running"),
        Ok(Err(error)) => tracing::warn!("{:#}", anyhow::Error::new(error)),
        Err(error) => {
            tracing::warn!(%error, "processes that the command left running may still run")
        }
    }
}

/// As a shell tells it: a command killed by signal N has exit code 128 + N.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The signals that are the command's to deal with.
struct Signals {
    interrupt: unix::Signal,
    quit: unix::Signal,
    hangup: unix::Signal,
    terminate: unix::Signal,
}

/// A signal that this process got.
struct ReceivedSignal(Signal);

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> ReceivedSignal {
        ReceivedSignal(tokio::select! {
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.quit.recv() => Signal::SIGQUIT,
            _ = self.hangup.recv() => Signal::SIGHUP,
            _ = self.terminate.recv() => Signal::SIGTERM,
        })
    }
}

impl ReceivedSignal {
    fn pass_on(self, child: &Child) -> Result<()> {
        // A terminal sends these to the command too, and twice would mean "now" to many programs.
        let by_terminal =
            matches!(self.0, Signal::SIGINT | Signal::SIGQUIT) && io::stdin().is_terminal();
        let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else {
            return Ok(());
        };
        if by_terminal {
            return Ok(());
        }
        // The child is not waited for yet, so the pid is still its own.
        kill(Pid::from_raw(pid), self.0).context("passing a signal on to the command")
    }
}
