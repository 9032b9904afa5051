//! `cargo xtask bench`: measures side by side, in one run on one machine.

use std::process::Command;

use crate::command::{self, cargo};
use crate::{setup, workspace};

/// Builds for release, then hands over to the benchmark, which prints the table and keeps it
/// under `target/bench/`. Without `parts` it measures all.
///
/// # Errors
/// Something cannot be installed or built, or a measurement fails. A missed target is no error:
/// it is in the table.
pub(crate) fn run(parts: &[&str]) -> anyhow::Result<()> {
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
