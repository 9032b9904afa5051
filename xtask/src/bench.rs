//! `cargo xtask bench`: measures side by side, in one run on one machine.

use std::process::Command;

use crate::command::{self, cargo};
use crate::{setup, workspace};

/// The part that needs no other program beside: a benchmark of the network crate's own.
const SCALE: &str = "scale";

/// Builds for release, then hands over to the benchmarks, which print their tables and keep them
/// under `target/bench/`. Without `parts` it measures all.
///
/// # Errors
/// Something cannot be installed or built, or a measurement fails. A missed target is no error:
/// it is in the table.
pub(crate) fn run(parts: &[String]) -> anyhow::Result<()> {
    let beside: Vec<&String> = parts.iter().filter(|part| *part != SCALE).collect();
    if parts.is_empty() || !beside.is_empty() {
        side_by_side(&beside)?;
    }
    if parts.is_empty() || beside.len() < parts.len() {
        let scale = ["bench", "--package", "tombolo-network", "--bench", SCALE];
        command::run(&mut cargo(scale))?;
    }
    Ok(())
}

fn side_by_side(parts: &[&String]) -> anyhow::Result<()> {
    setup::for_bench()?;
    let build = [
        "build",
        "--release",
        "--package",
        "tombolo",
        "--package",
        "tombolo-tests",
    ];
    command::run(&mut cargo(build))?;
    let release = workspace::target().join("release");
    command::run(
        Command::new(release.join("side_by_side"))
            .args(parts)
            .env("TOMBOLO_TEST_BINARY", release.join("tombolo"))
            .current_dir(workspace::root()),
    )
}
