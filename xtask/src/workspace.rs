//! Where things are, and what cargo knows about them.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::command::cargo;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Where cargo runs it comes first: a target folder may have been copied to another checkout.
        let xtask = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        xtask.parent().map(Path::to_owned).unwrap_or(xtask)
    })
}

/// Where cargo builds, and where everything that is downloaded for the tests goes.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => env::current_dir().unwrap_or_default().join(folder),
        None => root().join("target"),
    }
}

/// The client packages that the tests run, pinned.
pub(crate) fn clients() -> PathBuf {
    root().join("crates/tombolo-tests/clients")
}

/// The workspace's packages, as `cargo metadata` has them.
///
/// # Errors
/// A `Cargo.toml` cannot be read.
pub(crate) fn packages() -> anyhow::Result<Vec<Value>> {
    let output = cargo(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .context("starting cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let mut metadata: Value = serde_json::from_slice(&output.stdout)?;
    match metadata["packages"].take() {
        Value::Array(packages) => Ok(packages),
        other => anyhow::bail!("cargo metadata has no packages but {other}"),
    }
}
