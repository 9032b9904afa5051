//! Commands, shown before they run.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::{interrupt, workspace};

/// The cargo that started this.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace::root());
    command
}

/// Runs to the end.
///
/// # Errors
/// The command cannot be started, or ends with anything but success; this process was interrupted.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    ensure!(
        !interrupt::is_pending(),
        "interrupted before {}",
        name(command)
    );
    show(command);
    let status = command
        .status()
        .with_context(|| format!("starting {}", name(command)))?;
    ensure!(status.success(), "{} ended with {status}", name(command));
    Ok(())
}

/// Prints a command as a person would type it.
pub(crate) fn show(command: &Command) {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    eprintln!("$ {} {}", name(command), words.join(" "));
}

/// Whether a program of this name can be found.
pub(crate) fn installed(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn name(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    name.to_string_lossy().into_owned()
}
