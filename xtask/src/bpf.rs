//! `cargo xtask bpf`: compiles the data path. The object is committed, so that a machine without
//! clang can build and run Tombolo.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::command::{self, installed};
use crate::tally::Checked;
use crate::workspace;

const CRATE: &str = "crates/tombolo-network";
const OBJECT: &str = "bpf/tombolo.o";

/// Another clang makes other bytes of the same source.
const CLANG: &str = "clang-14";
const STRIP: &str = "llvm-strip-14";

/// Compiles the object in its place, if clang 14 is there.
///
/// # Errors
/// clang refuses the source.
pub(crate) fn make() -> anyhow::Result<Checked> {
    if let Some(why) = missing() {
        return Ok(Checked::Not(why));
    }
    let folder = workspace::root().join(CRATE);
    compile(&folder, &folder.join(OBJECT))?;
    Ok(Checked::Right)
}

/// Compares the committed object with what clang 14 makes, if that is there.
///
/// # Errors
/// clang refuses the source; the bytes differ.
pub(crate) fn check() -> anyhow::Result<Checked> {
    if let Some(why) = missing() {
        return Ok(Checked::Not(why));
    }
    let folder = workspace::root().join(CRATE);
    let committed = folder.join(OBJECT);
    fs::create_dir_all(workspace::target())?;
    let compiled = workspace::target().join("tombolo.o");
    compile(&folder, &compiled)?;
    ensure!(
        read(&compiled)? == read(&committed)?,
        "{} is not what clang 14 makes of tombolo.c; run `cargo xtask bpf` and commit it",
        committed.display()
    );
    Ok(Checked::Right)
}

/// Which tool is missing, and what to do about it.
fn missing() -> Option<String> {
    let missing = [CLANG, STRIP].into_iter().find(|tool| !installed(tool))?;
    Some(format!(
        "{missing} is missing; `cargo xtask setup` installs it"
    ))
}

/// Compiles with paths relative to the crate, so that none of this machine gets into the object,
/// and strips debug information but BTF, which the maps' definitions are read from.
fn compile(folder: &Path, object: &Path) -> anyhow::Result<()> {
    let multiarch = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    command::run(
        Command::new(CLANG)
            .args([
                "-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3",
            ])
            .arg("-fdebug-compilation-dir=.")
            // <asm/types.h> is under the machine's own triple, where the target bpf does not look.
            .args(["-idirafter", &multiarch])
            .args(["-c", "bpf/tombolo.c", "-o"])
            .arg(object)
            .current_dir(folder),
    )?;
    command::run(Command::new(STRIP).arg("-g").arg(object))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}
