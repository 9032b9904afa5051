//! `rust-version`: the oldest compiler that Tombolo builds with.
//!
//! There is no rust-toolchain.toml, since rustup would fetch a toolchain that a machine has under another
//! name. Instead every crate states the version, this holds that it is one, and the code is compiled by
//! that very version: by the compiler of this run, or by one that rustup has beside it. clippy's
//! `incompatible_msrv` names what is newer, without that compiler.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::command;
use crate::tally::Checked;
use crate::workspace;

/// Every crate has the workspace's version.
///
/// # Errors
/// Names the crates that have none or another.
pub(crate) fn check_stated() -> anyhow::Result<()> {
    let wanted = stated()?;
    let mut others = BTreeSet::new();
    for package in workspace::packages()? {
        if package["rust_version"].as_str() != Some(&*wanted) {
            others.insert(package["name"].to_string());
        }
    }
    ensure!(
        others.is_empty(),
        "the crates {others:?} are not of rust-version {wanted}: write `rust-version.workspace = true` \
         in their Cargo.toml"
    );
    Ok(())
}

/// Everything compiles with that version.
///
/// # Errors
/// It does not.
pub(crate) fn check_compiles() -> anyhow::Result<Checked> {
    let wanted = stated()?;
    let running = said(Command::new("rustc").arg("--version"))?;
    let running = running
        .split(' ')
        .nth(1)
        .context("rustc names its version")?
        .to_owned();
    if is_of(&running, &wanted) {
        // This run compiles everything with it.
        return Ok(Checked::Right);
    }
    let toolchains = said(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    let names = toolchains.lines().filter_map(|line| line.split(' ').next());
    let mut fitting = names.filter(|name| is_of(name.split('-').next().unwrap_or(name), &wanted));
    let Some(toolchain) = fitting.next() else {
        return Ok(Checked::Not(format!(
            "this is Rust {running}, and there is no {wanted}; `rustup toolchain install {wanted}`"
        )));
    };
    let mut check = Command::new("rustup");
    check
        .args([
            "run",
            toolchain,
            "cargo",
            "check",
            "--locked",
            "--workspace",
            "--all-targets",
        ])
        .args(["--target-dir", "target/rust-version"])
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .current_dir(workspace::root());
    command::run(&mut check)?;
    Ok(Checked::Right)
}

/// What the workspace's Cargo.toml says.
fn stated() -> anyhow::Result<String> {
    let path = workspace::root().join("Cargo.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let value = value.context("the workspace's Cargo.toml has no rust-version")?;
    Ok(value.trim().trim_matches('"').to_owned())
}

/// Whether `version`, as in 1.95.0, is the `wanted` one, as in 1.95.
fn is_of(version: &str, wanted: &str) -> bool {
    version == wanted
        || version
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with('.'))
}

fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("starting the compiler")?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert!(is_of("1.95.0", "1.95"));
        assert!(is_of("1.95.1", "1.95"));
        assert!(is_of("1.95", "1.95"));
        assert!(!is_of("1.950.0", "1.95"));
        assert!(!is_of("1.96.0", "1.95"));
        assert!(!is_of("stable", "1.95"));
    }
}
