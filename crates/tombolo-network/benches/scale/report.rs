//! The table of figures, shown and kept.

use std::fs;
use std::path::PathBuf;

/// The figures so far.
#[derive(Debug)]
pub(crate) struct Report {
    lines: Vec<String>,
}

impl Report {
    pub(crate) fn new(heading: &str) -> Self {
        let mut report = Report { lines: Vec::new() };
        report.line(heading.to_owned());
        report
    }

    /// Adds a figure.
    pub(crate) fn add(&mut self, what: &str, unit: &str, figure: f64) {
        let digits = if figure < 10.0 { 2 } else { 0 };
        self.line(format!("{what:<52} {figure:>10.digits$} {unit}"));
    }

    /// Adds a line that is not a figure.
    pub(crate) fn line(&mut self, line: String) {
        eprintln!("{line}");
        self.lines.push(line);
    }

    /// Prints the table, and keeps it under `target/bench/`.
    pub(crate) fn close(self) {
        let table = self.lines.join("\n") + "\n";
        println!("{table}");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")),
            PathBuf::from,
        );
        let folder = target.join("bench");
        fs::create_dir_all(&folder).expect("making target/bench");
        fs::write(folder.join("scale.txt"), table).expect("keeping the table");
    }
}
