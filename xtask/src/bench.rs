//! `cargo xtask bench`: measures side by side, in one run on one machine.

use crate::command::{self, cargo};
use crate::{setup, workspace};

/// Builds for release, then hands over to the benchmark, which prints the table and keeps it
/// under `target/bench/`.
///
/// # Errors
/// Something cannot be installed or built, or a measurement fails. A missed target is no error:
/// it is in the table.
pub(crate) fn run() -> anyhow::Result<()> {
    setup::for_bench()?;
    command::run(&mut cargo(["build", "--release", "--package", "tombolo"]))?;
    let binary = workspace::target().join("release/tombolo");
    let bench = [
        "bench",
        "--package",
        "tombolo-tests",
        "--bench",
        "side_by_side",
    ];
    command::run(cargo(bench).env("TOMBOLO_TEST_BINARY", binary))
}
