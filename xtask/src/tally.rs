//! Counts checks and tests for the one line at the end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::command;

/// What passed and what failed so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Counts one check.
    pub(crate) fn check(&mut self, name: &str, outcome: anyhow::Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => self.fail(format!("{name}: {error:#}")),
        }
    }

    /// Runs a test runner, shows what it prints, and counts what it says to have run. A runner
    /// that fails without naming a failed test, as when the code does not compile, counts as one.
    pub(crate) fn runner(&mut self, name: &str, command: &mut Command) {
        match run_counting(command) {
            Ok((counts, succeeded)) => {
                self.passed += counts.passed;
                match counts.failed {
                    0 if succeeded => {}
                    0 => self.fail(format!("{name}: ended without success, see above")),
                    failed => {
                        self.failed += failed;
                        self.failures
                            .push(format!("{name}: {failed} failed, see above"));
                    }
                }
            }
            Err(error) => self.fail(format!("{name}: {error:#}")),
        }
    }

    /// Names the failures, then prints the total line, alone. True when nothing failed.
    pub(crate) fn close(self) -> bool {
        for failure in &self.failures {
            eprintln!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }

    fn fail(&mut self, failure: String) {
        eprintln!("failed: {failure}");
        self.failed += 1;
        self.failures.push(failure);
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

fn run_counting(command: &mut Command) -> anyhow::Result<(Counts, bool)> {
    command::show(command);
    // Both runners' streams in one pipe, or the summary of one could overtake the other's failures.
    let (reader, writer) = std::io::pipe().context("making a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("making a pipe")?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    // The command holds the pipe's writing ends, and the pipe ends when the last one closes.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut counts = Counts::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("reading what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        counts.add(&line);
    }
    Ok((counts, child.wait()?.success()))
}

impl Counts {
    /// Reads the closing line of `cargo test` (one a test binary) or of `cargo nextest` (one).
    fn add(&mut self, line: &str) {
        let line = line.trim_start();
        let Some(summary) = line
            .strip_prefix("test result: ")
            .or_else(|| line.strip_prefix("Summary ["))
        else {
            return;
        };
        self.passed += before(summary, "passed");
        self.failed += before(summary, "failed");
        self.failed += before(summary, "timed out");
        self.failed += before(summary, "exec failed");
    }
}

/// The number before `word`, or 0.
fn before(summary: &str, word: &str) -> u64 {
    let mut words = summary.match_indices(word).filter_map(|(at, _)| {
        let number = summary[..at].trim_end().rsplit([' ', '(']).next()?;
        number.parse().ok()
    });
    words.next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(lines: &[&str]) -> Counts {
        let mut counts = Counts::default();
        lines.iter().for_each(|line| counts.add(line));
        counts
    }

    #[test]
    fn cargo_test_closes_each_binary_with_a_line() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        assert_eq!(
            counts(&lines),
            Counts {
                passed: 13,
                failed: 2
            }
        );
    }

    #[test]
    fn nextest_closes_the_whole_run_with_a_line() {
        let line = "     Summary [   9.041s] 17 tests run: 14 passed (1 slow), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(
            counts(&[line]),
            Counts {
                passed: 14,
                failed: 3
            }
        );
    }

    #[test]
    fn other_lines_do_not_count() {
        assert_eq!(
            counts(&["test a ... ok", "12 passed, 3 failed"]),
            Counts::default()
        );
    }
}
