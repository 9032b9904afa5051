//! A fleet whose game server needs a server in the peer VPC, and says how it goes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::Program;
use crate::server::Server;
use crate::{build, tools, wait};

/// The port that the server in the peer VPC listens on.
pub const PORT: &str = "9000";

/// A build whose `/local/game/probe HOST PORT` tries to reach a ticker there, forever.
pub fn build(server: &impl Server) -> String {
    build::import(
        server,
        &files()
            .each_ref()
            .map(|(name, text)| (*name, text.as_str())),
    )
}

/// The files of that build.
pub fn files() -> [(&'static str, String); 2] {
    let python = build::PYTHON;
    let start = format!("#!/bin/sh\nexec {python} /local/game/probe.py \"$@\"\n");
    let source = tools::script("python/probe.py");
    let source = fs::read_to_string(source).expect("reading a script of this crate");
    [("probe", start), ("probe.py", source)]
}

/// The parameters of a probe that looks for a ticker at `address`. They end with [`mark`].
pub fn parameters(directory: &Path, address: &str) -> String {
    format!("{address} {PORT} {}", mark(directory))
}

/// A text that only the command lines of one server's probes have.
pub fn mark(directory: &Path) -> String {
    let root = directory.parent().and_then(Path::file_name);
    let root = root.expect("a data directory of a test is in another");
    format!("probe-of-{}", root.display())
}

/// A server at `address` of the backend's VPC, which sends a line ten times a second.
pub fn ticker(server: &impl Server, vpc: &str, address: &str) -> Program {
    let python = tools::program("python");
    let script = tools::script("python/ticker.py");
    let command = [python, script].map(|path| path.to_string_lossy().into_owned());
    let ticker = Program::run(server, vpc, address, &[&command[0], &command[1], PORT]);
    ticker.until_it_prints("listening");
    ticker
}

/// What the server processes of a fleet wrote, read from the files, which needs no server.
pub fn output(directory: &Path, fleet: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files_under(&directory.join("logs").join(fleet)) {
        let text = fs::read(&file).expect("reading a log");
        lines.extend(
            String::from_utf8_lossy(&text)
                .lines()
                .map(ToOwned::to_owned),
        );
    }
    lines
}

/// Waits until a fleet's game server writes a line that begins with `start`, later than the ones
/// it has written already.
#[track_caller]
pub fn until_it_says_next(directory: &Path, fleet: &str, start: &str) {
    let matching = || {
        let lines = output(directory, fleet).into_iter();
        lines.filter(|line| line.starts_with(start)).count()
    };
    let before = matching();
    let said = wait::within(wait::TIMEOUT, || (matching() > before).then_some(()));
    if said.is_none() {
        let lines = output(directory, fleet);
        let last = &lines[lines.len().saturating_sub(20)..];
        panic!("the game server did not say {start:?} again; its last lines: {last:#?}");
    }
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .flat_map(|path| match path.is_dir() {
            true => files_under(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}
