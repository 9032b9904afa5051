//! `cargo xtask bpf`: compiles the data path. The object is committed, so that a machine without
//! clang can build and run Tombolo.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::command;
use crate::workspace;

const CRATE: &str = "crates/tombolo-network";

/// Compiles the object in its place, or with `check` compares it with the committed one.
///
/// # Errors
/// clang 14 is missing or refuses the source; with `check`, the bytes differ.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let folder = workspace::root().join(CRATE);
    let committed = folder.join("bpf/tombolo.o");
    if !check {
        return compile(&folder, &committed);
    }
    fs::create_dir_all(workspace::target())?;
    let compiled = workspace::target().join("tombolo.o");
    compile(&folder, &compiled)?;
    ensure!(
        read(&compiled)? == read(&committed)?,
        "{} is not what clang 14 makes of tombolo.c; run `cargo xtask bpf` and commit it",
        committed.display()
    );
    Ok(())
}

/// Compiles with paths relative to the crate, so that none of this machine gets into the object,
/// and strips debug information but BTF, which the maps' definitions are read from.
fn compile(folder: &Path, object: &Path) -> anyhow::Result<()> {
    let multiarch = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    command::run(
        Command::new("clang-14")
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
    command::run(Command::new("llvm-strip-14").arg("-g").arg(object))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}
