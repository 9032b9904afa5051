//! `cargo xtask bench --against REV`: this tree and another revision, in turns.
//!
//! Both are built for release. What is measured through the binary is measured by this tree's benchmark,
//! so that both are asked the same; what is measured through a library is each one's own benchmark.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::sample::{Change, Sample, confidence};
use super::{PARTS, SCALE};
use crate::command::{self, cargo};
use crate::{setup, workspace};

/// The parts that are a crate's own benchmark: the crate and the benchmark.
const OWN: [(&str, &str, &str); 2] = [
    ("store", "tombolo-store", "group_commit"),
    (SCALE, "tombolo-network", SCALE),
];

/// A figure's name and unit.
type Name = (String, String);

/// One of the two.
struct Tree {
    name: String,
    folder: PathBuf,
    target: PathBuf,
    /// The benchmarks that are of the tree's own, by their part.
    benches: BTreeMap<&'static str, PathBuf>,
    figures: BTreeMap<Name, Sample>,
}

/// Measures `parts`, or all, for `rounds` rounds.
///
/// # Errors
/// Something cannot be built or measured, or a figure is worse than it was.
pub(super) fn run(revision: &str, rounds: usize, parts: &[String]) -> anyhow::Result<()> {
    ensure!(rounds > 0, "no round measures nothing");
    let parts: Vec<&str> = match parts.is_empty() {
        true => PARTS.to_vec(),
        false => parts.iter().map(String::as_str).collect(),
    };
    if parts
        .iter()
        .any(|part| !OWN.iter().any(|own| own.0 == *part))
    {
        setup::for_bench()?;
    }
    let checkout = Checkout::of(revision)?;
    let mut trees = [
        Tree::here()?,
        Tree::new(&checkout.revision, &checkout.folder, checkout.target()),
    ];
    for tree in &mut trees {
        tree.build(&parts)?;
    }
    for round in 0..rounds {
        for part in &parts {
            // What comes second finds the machine warmer; neither always does.
            for index in [round % 2, (round + 1) % 2] {
                let tree = &mut trees[index];
                eprintln!("round {} of {rounds}: {part} of {}", round + 1, tree.name);
                tree.measure(part)?;
            }
        }
    }
    let [here, there] = &trees;
    compare(here, there, rounds)
}

impl Tree {
    fn here() -> anyhow::Result<Tree> {
        Ok(Tree::new(
            "this tree",
            workspace::root(),
            workspace::target(),
        ))
    }

    fn new(name: &str, folder: &Path, target: PathBuf) -> Tree {
        Tree {
            name: name.to_owned(),
            folder: folder.to_owned(),
            target,
            benches: BTreeMap::new(),
            figures: BTreeMap::new(),
        }
    }

    fn build(&mut self, parts: &[&str]) -> anyhow::Result<()> {
        for (part, package, bench) in OWN {
            if parts.contains(&part) {
                let built = self.build_bench(package, bench)?;
                self.benches.insert(part, built);
            }
        }
        if parts.iter().all(|part| self.benches.contains_key(part)) {
            return Ok(());
        }
        let mut build = self.cargo(&["build", "--release", "--package", "tombolo"]);
        if self.folder == workspace::root() {
            build.args(["--package", "tombolo-tests"]);
        }
        command::run(&mut build)
    }

    /// Builds a benchmark, and gives its path.
    fn build_bench(&self, package: &str, bench: &str) -> anyhow::Result<PathBuf> {
        let mut build = self.cargo(&["bench", "--no-run", "--package", package, "--bench", bench]);
        build
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit());
        command::show(&build);
        let output = build.output().context("starting cargo")?;
        ensure!(
            output.status.success(),
            "cargo bench ended with {}",
            output.status
        );
        let messages = String::from_utf8(output.stdout)?;
        let mut messages = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        messages
            .find_map(|message| match message["target"]["name"].as_str() {
                Some(name) if name == bench => message["executable"].as_str().map(PathBuf::from),
                _ => None,
            })
            .with_context(|| format!("cargo has built no benchmark {bench}"))
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = cargo(arguments);
        cargo
            .current_dir(&self.folder)
            .arg("--target-dir")
            .arg(&self.target);
        cargo
    }

    fn measure(&mut self, part: &str) -> anyhow::Result<()> {
        let measured = match self.benches.get(part) {
            Some(bench) => self.own(part, bench)?,
            None => self.beside(part)?,
        };
        for (name, value) in measured {
            self.figures.entry(name).or_default().add(value);
        }
        Ok(())
    }

    /// By a benchmark of the tree's own, which prints a figure a line: as JSON, or in columns.
    fn own(&self, part: &str, bench: &Path) -> anyhow::Result<Vec<(Name, f64)>> {
        let output = Command::new(bench)
            .arg("--bench")
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .stderr(Stdio::null())
            .output()
            .with_context(|| format!("starting {}", bench.display()))?;
        ensure!(
            output.status.success(),
            "{part} ended with {}",
            output.status
        );
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().filter_map(figure).collect())
    }

    /// By this tree's benchmark of the binary.
    fn beside(&self, part: &str) -> anyhow::Result<Vec<(Name, f64)>> {
        let target = workspace::target();
        let benchmark = target.join("release/side_by_side");
        let status = Command::new(&benchmark)
            .arg(part)
            .env("TOMBOLO_TEST_BINARY", self.target.join("release/tombolo"))
            .current_dir(workspace::root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .with_context(|| format!("starting {}", benchmark.display()))?;
        ensure!(
            status.success(),
            "measuring {part} of {} ended with {status}; `cargo xtask bench {part}` shows why",
            self.name
        );
        let path = target.join("bench/side_by_side.json");
        let rows = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let rows: Vec<Value> = serde_json::from_slice(&rows)?;
        let figures = rows.iter().map(|row| {
            let text = |key: &str| row[key].as_str().map(str::to_owned);
            let name = text("what").zip(text("measured_unit"));
            name.zip(row["measured"].as_f64())
        });
        let figures: Option<Vec<_>> = figures.collect();
        figures.with_context(|| format!("{} has a row without a figure", path.display()))
    }
}

/// One line of a benchmark: JSON with name, value and unit, or columns of the same.
fn figure(line: &str) -> Option<(Name, f64)> {
    if let Ok(value) = serde_json::from_str::<Value>(line) {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        return Some(((text("name")?, text("unit")?), value["value"].as_f64()?));
    }
    let (what, rest) = line.trim_end().split_once("  ")?;
    let (value, unit) = rest.trim().split_once(' ')?;
    Some((
        (what.trim().to_owned(), unit.trim().to_owned()),
        value.parse().ok()?,
    ))
}

/// Prints the table, keeps it, and fails if a figure is worse.
fn compare(here: &Tree, there: &Tree, rounds: usize) -> anyhow::Result<()> {
    let mut lines = vec![
        format!(
            "{rounds} rounds; each interval holds the median with {:.1} %",
            100.0 * confidence(rounds)
        ),
        columns(["", &here.name, "", &there.name, "", "change", ""]),
    ];
    let mut worse = Vec::new();
    for ((what, unit), now) in &here.figures {
        let Some(before) = there.figures.get(&(what.clone(), unit.clone())) else {
            lines.push(format!("{what}: {} does not measure it", there.name));
            continue;
        };
        let verdict = match now.since(before, more_is_better(unit)) {
            Change::Worse => "worse",
            Change::Better => "better",
            Change::None => "",
        };
        if verdict == "worse" {
            worse.push(what.as_str());
        }
        let change = 100.0 * (now.median() / before.median() - 1.0);
        lines.push(columns([
            &format!("{what}, {unit}"),
            &rounded(now.median()),
            &range(now),
            &rounded(before.median()),
            &range(before),
            &format!("{change:+.1} %"),
            verdict,
        ]));
    }
    let table = lines.join("\n") + "\n";
    println!("{table}");
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("against.txt"), &table)?;
    if !worse.is_empty() {
        bail!("worse than {}: {}", there.name, worse.join("; "));
    }
    Ok(())
}

/// Rates are to be high; times and memory, which everything else is, low.
fn more_is_better(unit: &str) -> bool {
    unit.ends_with("/s") || unit == "x"
}

fn range(sample: &Sample) -> String {
    let (low, high) = sample.interval();
    format!("{}..{}", rounded(low), rounded(high))
}

fn columns(cells: [&str; 7]) -> String {
    let [what, here, range, there, other, change, verdict] = cells;
    let line =
        format!("{what:<58} {here:>10} {range:<19} {there:>10} {other:<19} {change:>8} {verdict}");
    line.trim_end().to_owned()
}

/// Four digits that count.
fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Another revision's files, which go when this does. What was built of them stays, for the next time.
struct Checkout {
    revision: String,
    folder: PathBuf,
}

impl Checkout {
    fn of(revision: &str) -> anyhow::Result<Checkout> {
        let parse = ["rev-parse", "--verify", "--short", "--end-of-options"];
        let output = git()
            .args(parse)
            .arg(format!("{revision}^{{commit}}"))
            .output()?;
        ensure!(output.status.success(), "there is no revision {revision}");
        let revision = String::from_utf8(output.stdout)?.trim().to_owned();
        let folder = workspace::target().join("against").join(&revision);
        if folder.exists() {
            remove(&folder);
        }
        let mut add = git();
        add.args(["worktree", "add", "--force", "--detach"])
            .arg(&folder)
            .arg(&revision);
        command::run(&mut add)?;
        Ok(Checkout { revision, folder })
    }

    fn target(&self) -> PathBuf {
        workspace::target().join("against/target")
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// What is left of it, the next run removes.
fn remove(folder: &Path) {
    let _ = git()
        .args(["worktree", "remove", "--force"])
        .arg(folder)
        .output();
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.current_dir(workspace::root());
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_from_json_and_from_columns() {
        let json = r#"{"name":"store.writes","value":1200.5,"unit":"/s"}"#;
        let columns = "applying one new interface                               3.21 ms";
        let of = |what: &str, unit: &str, value| Some(((what.to_owned(), unit.to_owned()), value));
        assert_eq!(figure(json), of("store.writes", "/s", 1200.5));
        assert_eq!(
            figure(columns),
            of("applying one new interface", "ms", 3.21)
        );
        assert_eq!(figure("10000 VPCs, 5000 peerings"), None);
        assert_eq!(figure(""), None);
    }
}
