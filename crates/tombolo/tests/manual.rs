//! The man pages and completions in `docs/` are what the command line's definition gives.
//!
//! ```text
//! cargo xtask man             # writes them
//! cargo xtask man --check     # compares them
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use clap_mangen::Man;

const MAN: &str = "docs/man";
const COMPLETIONS: &str = "docs/completions";
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Fish, Shell::Zsh];

/// Files by their path in the workspace.
type Files = BTreeMap<PathBuf, Vec<u8>>;

#[test]
fn the_committed_pages_and_completions_are_current() {
    let (wanted, found) = (rendered(), committed());
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        for path in found.keys().filter(|path| !wanted.contains_key(*path)) {
            fs::remove_file(workspace().join(path)).unwrap();
        }
        for (path, text) in wanted {
            fs::write(workspace().join(path), text).unwrap();
        }
        return;
    }
    let changed = wanted
        .iter()
        .filter(|(path, text)| found.get(*path) != Some(*text));
    let gone = found.keys().filter(|path| !wanted.contains_key(*path));
    let stale: Vec<_> = changed.map(|(path, _)| path).chain(gone).collect();
    assert!(
        stale.is_empty(),
        "stale: {stale:?}; run `cargo xtask man` and commit the result"
    );
}

fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap()
}

fn rendered() -> Files {
    let mut files = Files::new();
    let mut command = tombolo::command_line();
    for shell in SHELLS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "tombolo", &mut text);
        files.insert(
            Path::new(COMPLETIONS).join(format!("tombolo.{shell}")),
            text,
        );
    }
    command.build();
    pages(command, &mut files);
    files
}

/// A page for the command, and one for each of its subcommands that `--help` shows.
fn pages(command: clap::Command, files: &mut Files) {
    for subcommand in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages(subcommand.clone(), files);
    }
    let page = Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text).unwrap();
    files.insert(Path::new(MAN).join(page.get_filename()), text);
}

fn committed() -> Files {
    let mut files = Files::new();
    for folder in [MAN, COMPLETIONS] {
        for entry in fs::read_dir(workspace().join(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            let path = Path::new(folder).join(name);
            let text = fs::read(workspace().join(&path)).unwrap();
            files.insert(path, text);
        }
    }
    files
}
