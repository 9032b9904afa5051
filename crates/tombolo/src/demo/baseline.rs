//! The same measurement between two namespaces that nothing but a veth pair joins.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;
use nix::sys::signal::Signal;
use tokio::process::Command;
use tombolo_fleet::{end_with_parent, enter};
use tombolo_network::ebpf::BaselinePair;

use super::report::Measurement;
use super::wait::{Polling, until};
use crate::server::this_executable;

const NEAR: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 99, 2, 1), 24);
const FAR: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 99, 2, 2), 24);
const PORT: u16 = 7000;

/// How long the measurement may take.
const MEASUREMENT: Polling = Polling {
    interval: Duration::from_millis(5),
    deadline: Duration::from_secs(20),
};

/// Makes the pair, measures across it, and takes everything away again.
pub(super) async fn measure() -> Result<Measurement> {
    let pair = BaselinePair::new([NEAR, FAR]).context("making a bare veth pair")?;
    let [near, far] = pair.namespaces();
    let database = format!("{}:{PORT}", FAR.addr());
    let mut server = program(&far, &["demo-database", "--listen", &database])?.spawn()?;
    let measured = until(
        "no measurement of the bare veth pair",
        MEASUREMENT,
        async || {
            // Until the database listens, there is none.
            let output = program(&near, &["demo-measure", "--database", &database])?
                .output()
                .await?;
            if output.status.success() {
                return Ok(Some(serde_json::from_slice(&output.stdout)?));
            }
            match server.try_wait()? {
                None => Ok(None),
                Some(status) => bail!("the database ended ({status})"),
            }
        },
    )
    .await;
    server.kill().await?;
    measured
}

/// `tombolo` with these arguments in a namespace.
fn program(namespace: &Path, arguments: &[&str]) -> Result<Command> {
    let binary = this_executable()?;
    let words: Vec<_> = [binary.as_os_str()]
        .into_iter()
        .chain(arguments.iter().map(OsStr::new))
        .collect();
    let mut command = enter::command_in(namespace, &words)?;
    end_with_parent(&mut command, Signal::SIGKILL);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    Ok(command)
}
