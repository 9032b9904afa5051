//! `cargo xtask bench`: measures side by side, in one run on one machine.

mod against;
mod sample;

use std::process::Command;

use anyhow::ensure;

use crate::command::{self, cargo};
use crate::flags::Bench;
use crate::{setup, workspace};

/// What can be measured.
const PARTS: [&str; 9] = [
    "api",
    "store",
    "path",
    "players",
    "first-packet",
    "fleet",
    "fairness",
    "growth",
    SCALE,
];

/// How often each of two revisions is measured.
const ROUNDS: usize = 10;

/// The part that needs no other program beside: a benchmark of the network crate's own.
const SCALE: &str = "scale";

/// Builds for release, then hands over to the benchmarks, which print their tables and keep them
/// under `target/bench/`. Without parts it measures all.
///
/// # Errors
/// A part has no such name, something cannot be installed or built, a measurement fails, or
/// something is worse than in the revision that it is compared with. A missed target is no error:
/// it is in the table.
pub(crate) fn run(arguments: &Bench) -> anyhow::Result<()> {
    let parts = &arguments.part;
    for part in parts {
        ensure!(
            PARTS.contains(&part.as_str()),
            "there is no part {part}, but {}",
            PARTS.join(", ")
        );
    }
    if let Some(revision) = &arguments.against {
        return against::run(revision, arguments.rounds.unwrap_or(ROUNDS), parts);
    }
    ensure!(arguments.rounds.is_none(), "rounds are for --against");
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
