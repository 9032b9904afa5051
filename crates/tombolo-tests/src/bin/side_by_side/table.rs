//! The table: what was to be reached, what came out, and whether that is it.

use std::fs;

use serde::Serialize;
use tombolo_tests::binary;

/// What a figure must be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Measured to be known.
    None,
}

#[derive(Debug, Serialize)]
struct Row {
    what: String,
    ours: String,
    theirs: String,
    /// Ours as a number, for who compares two revisions of it.
    measured: f64,
    measured_unit: String,
    figure: f64,
    unit: &'static str,
    target: Target,
    reached: Option<bool>,
}

/// The rows so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// A ratio of ours to theirs, both in `unit`, for each turn; the middle one counts.
    pub(crate) fn ratio(
        &mut self,
        what: &str,
        unit: &str,
        mut turns: Vec<(f64, f64)>,
        target: Target,
    ) {
        turns.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let (ours, theirs) = turns[turns.len() / 2];
        self.add(
            what,
            (ours, unit),
            Some(theirs),
            (ours / theirs, "x"),
            target,
        );
    }

    /// A figure of ours, with theirs beside it where there is one.
    pub(crate) fn figure(
        &mut self,
        what: &str,
        unit: &'static str,
        ours: f64,
        theirs: Option<f64>,
        target: Target,
    ) {
        self.add(what, (ours, unit), theirs, (ours, unit), target);
    }

    fn add(
        &mut self,
        what: &str,
        (ours, ours_unit): (f64, &str),
        theirs: Option<f64>,
        (figure, unit): (f64, &'static str),
        target: Target,
    ) {
        let shown = |value: f64| format!("{} {ours_unit}", rounded(value));
        let reached = match target {
            Target::AtLeast(least) => Some(figure >= least),
            Target::AtMost(most) => Some(figure <= most),
            Target::None => None,
        };
        let row = Row {
            what: what.to_owned(),
            ours: shown(ours),
            theirs: theirs.map(shown).unwrap_or_default(),
            measured: ours,
            measured_unit: ours_unit.to_owned(),
            figure,
            unit,
            target,
            reached,
        };
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// Prints the table, and keeps it as text and as JSON.
    pub(crate) fn close(self) {
        let lines: Vec<String> = self.rows.iter().map(line).collect();
        let table = format!("{}\n{}\n", heading(), lines.join("\n"));
        println!("{table}");
        let folder = binary::target().join("bench");
        fs::create_dir_all(&folder).expect("making target/bench");
        fs::write(folder.join("side_by_side.txt"), &table).expect("keeping the table");
        let json = serde_json::to_vec_pretty(&self.rows).expect("rows are plain");
        fs::write(folder.join("side_by_side.json"), json).expect("keeping the table");
    }
}

fn heading() -> String {
    columns(["", "Tombolo", "compared with", "figure", "target", ""])
}

fn line(row: &Row) -> String {
    let target = match row.target {
        Target::AtLeast(least) => format!(">= {}", rounded(least)),
        Target::AtMost(most) => format!("<= {}", rounded(most)),
        Target::None => String::new(),
    };
    let verdict = match row.reached {
        Some(true) => "reached",
        Some(false) => "missed",
        None => "",
    };
    let figure = format!("{} {}", rounded(row.figure), row.unit);
    columns([&row.what, &row.ours, &row.theirs, &figure, &target, verdict])
}

fn columns(cells: [&str; 6]) -> String {
    let [what, ours, theirs, figure, target, verdict] = cells;
    let line = format!("{what:<52} {ours:>15} {theirs:>15} {figure:>12} {target:>9} {verdict}");
    line.trim_end().to_owned()
}

/// Three digits that count.
fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
