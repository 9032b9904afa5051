//! Renders every page and every shell's completions.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::workspace;

const MAN: &str = "docs/man";
const COMPLETIONS: &str = "docs/completions";
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Fish, Shell::Zsh];

/// Files by their path in the workspace.
type Files = BTreeMap<PathBuf, Vec<u8>>;

pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let wanted = rendered()?;
    let found = committed()?;
    if check {
        let stale: Vec<_> = wanted
            .iter()
            .filter(|(path, text)| found.get(*path) != Some(*text))
            .map(|(path, _)| path)
            .chain(found.keys().filter(|path| !wanted.contains_key(*path)))
            .map(|path| path.display().to_string())
            .collect();
        let stale = stale.join(", ");
        ensure!(
            stale.is_empty(),
            "stale: {stale}; run `cargo xtask man` and commit the result"
        );
        return Ok(());
    }
    for path in found.keys().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(workspace::root().join(path))?;
    }
    for (path, text) in wanted {
        let path = workspace::root().join(path);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn rendered() -> anyhow::Result<Files> {
    let mut files = Files::new();
    let mut command = tombolo::command_line();
    for shell in SHELLS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "tombolo", &mut text);
        files.insert(
            PathBuf::from(COMPLETIONS).join(format!("tombolo.{shell}")),
            text,
        );
    }
    command.build();
    pages(command, &mut files)?;
    Ok(files)
}

/// A page for the command, and one for each of its subcommands that `--help` shows.
fn pages(command: clap::Command, files: &mut Files) -> anyhow::Result<()> {
    for subcommand in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages(subcommand.clone(), files)?;
    }
    let page = Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    files.insert(PathBuf::from(MAN).join(page.get_filename()), text);
    Ok(())
}

fn committed() -> anyhow::Result<Files> {
    let mut files = Files::new();
    for folder in [MAN, COMPLETIONS] {
        let path = workspace::root().join(folder);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        for entry in fs::read_dir(&path).with_context(|| format!("reading {folder}"))? {
            let entry = entry?;
            files.insert(
                PathBuf::from(folder).join(entry.file_name()),
                fs::read(entry.path())?,
            );
        }
    }
    Ok(files)
}
