//! The binary under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where cargo builds.
///
/// # Panics
/// This executable is not where cargo has put it.
pub fn target() -> PathBuf {
    profile()
        .parent()
        .expect("a profile's folder is in another")
        .to_owned()
}

/// The folder of this executable's profile: it is `<target>/<profile>/deps/<test>` or
/// `<target>/<profile>/<binary>`.
fn profile() -> PathBuf {
    let executable = env::current_exe().expect("this executable has a path");
    let folder = executable.parent().expect("it is in a folder");
    match folder.ends_with("deps") {
        true => folder.parent().expect("deps is in a folder").to_owned(),
        false => folder.to_owned(),
    }
}

/// The path of `tombolo`: the one that `TOMBOLO_TEST_BINARY` names, else it is built now, in the
/// profile of this executable.
///
/// # Panics
/// It cannot be built.
pub fn tombolo() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("TOMBOLO_TEST_BINARY") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let folder = profile();
    let release = folder.ends_with("release");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "tombolo", "--target-dir"])
        .arg(target())
        .args(release.then_some("--release"))
        .current_dir(workspace())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "cargo build ended with {status}");
    folder.join("tombolo")
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("<workspace>/crates/<crate>")
}
