//! Counts checks and tests for the one line at the end, and how long each took.

use std::io::{BufRead, BufReader, PipeReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use crate::command;
use crate::interrupt;
use crate::orphans;

/// How long a runner that was interrupted may take to end its tests.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(15);

/// How often it is looked whether a runner has ended, or is to end.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long what a runner has printed may still be on its way when it has ended.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(2);

/// What passed and what failed so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
    unchecked: Vec<String>,
    rows: Vec<Row>,
}

/// What one check or suite did.
#[derive(Debug)]
struct Row {
    name: String,
    took: Duration,
    passed: u64,
    failed: u64,
}

/// What a check came to that found nothing wrong.
#[derive(Debug)]
pub(crate) enum Checked {
    /// It is as it should be.
    Right,
    /// It cannot be checked on this machine, and why.
    Not(String),
}

impl Tally {
    /// Runs and counts one check.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> anyhow::Result<()>) {
        let started = Instant::now();
        let outcome = check();
        self.count(name, started.elapsed(), outcome);
    }

    /// The same for one that this machine may not be able to do. If it `must` be done, that fails.
    pub(crate) fn check_if_possible(
        &mut self,
        name: &str,
        must: bool,
        check: impl FnOnce() -> anyhow::Result<Checked>,
    ) {
        let started = Instant::now();
        match check() {
            Ok(Checked::Not(why)) if !must => {
                eprintln!("not checked: {name}: {why}");
                self.unchecked.push(format!("{name}: {why}"));
                self.row(name, started.elapsed(), 0, 0);
            }
            Ok(Checked::Not(why)) => {
                let outcome = Err(anyhow::anyhow!("not checked: {why}"));
                self.count(name, started.elapsed(), outcome);
            }
            Ok(Checked::Right) => self.count(name, started.elapsed(), Ok(())),
            Err(error) => self.count(name, started.elapsed(), Err(error)),
        }
    }

    /// Runs a test runner, shows what it prints, and counts what it says to have run. A runner
    /// that fails without naming a failed test, as when the code does not compile, counts as one.
    /// `companion` is what may run at the same time.
    pub(crate) fn runner(
        &mut self,
        name: &str,
        command: &mut Command,
        companion: Option<&Companion>,
    ) {
        let started = Instant::now();
        let (passed, failed) = (self.passed, self.failed);
        match run_counting(command, companion) {
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
        self.row(
            name,
            started.elapsed(),
            self.passed - passed,
            self.failed - failed,
        );
    }

    /// Waits for a companion to end, shows what it printed, and counts it as one check.
    pub(crate) fn companion(&mut self, companion: Companion) {
        let Companion { name, child, .. } = companion;
        let (outcome, took) = match child.and_then(Running::ended) {
            Ok((printed, took, outcome)) => {
                eprint!("{}", String::from_utf8_lossy(&printed));
                (outcome, took)
            }
            Err(error) => (Err(error), Duration::ZERO),
        };
        self.count(name, took, outcome);
    }

    /// Whether anything has failed so far.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// Prints how long everything took, names what was not checked and what failed, then prints the
    /// total line, alone. True when nothing failed.
    pub(crate) fn close(self) -> bool {
        eprintln!("\nminutes  passed  failed");
        for row in &self.rows {
            let minutes = row.took.as_secs_f64() / 60.0;
            eprintln!(
                "{minutes:7.1} {:7} {:7}  {}",
                row.passed, row.failed, row.name
            );
        }
        for unchecked in &self.unchecked {
            eprintln!("not checked: {unchecked}");
        }
        for failure in &self.failures {
            eprintln!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }

    fn count(&mut self, name: &str, took: Duration, outcome: anyhow::Result<()>) {
        self.row(name, took, outcome.is_ok().into(), outcome.is_err().into());
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => self.fail(format!("{name}: {error:#}")),
        }
    }

    fn row(&mut self, name: &str, took: Duration, passed: u64, failed: u64) {
        self.rows.push(Row {
            name: name.to_owned(),
            took,
            passed,
            failed,
        });
    }

    fn fail(&mut self, failure: String) {
        eprintln!("failed: {failure}");
        self.failed += 1;
        self.failures.push(failure);
    }
}

/// A command that runs while tests do. What it prints is shown when it has ended, or it would be among
/// what the tests print.
#[derive(Debug)]
pub(crate) struct Companion {
    name: &'static str,
    child: anyhow::Result<Running>,
}

#[derive(Debug)]
struct Running {
    id: u32,
    started: Instant,
    waiting: JoinHandle<std::io::Result<(Output, Instant)>>,
}

impl Companion {
    /// Starts a command. That it cannot be started is what [`Tally::companion`] counts.
    pub(crate) fn start(name: &'static str, mut command: Command) -> Self {
        command::show(&command);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map(|child| Running {
            id: child.id(),
            started: Instant::now(),
            // It is waited for all the time: for as long as it is a zombie, no orphan is reaped.
            waiting: thread::spawn(|| Ok((child.wait_with_output()?, Instant::now()))),
        });
        Companion {
            name,
            child: child.with_context(|| format!("starting {name}")),
        }
    }
}

impl Running {
    /// What it printed, how long it took, and whether it succeeded.
    fn ended(self) -> anyhow::Result<(Vec<u8>, Duration, anyhow::Result<()>)> {
        let Ok(waited) = self.waiting.join() else {
            bail!("the thread that waits for it panicked");
        };
        let (mut output, at) = waited.context("waiting for it")?;
        output.stdout.append(&mut output.stderr);
        let outcome = match output.status.success() {
            true => Ok(()),
            false => Err(anyhow!("ended with {}", output.status)),
        };
        Ok((output.stdout, at - self.started, outcome))
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

fn run_counting(
    command: &mut Command,
    companion: Option<&Companion>,
) -> anyhow::Result<(Counts, bool)> {
    command::show(command);
    // Both runners' streams in one pipe, or the summary of one could overtake the other's failures.
    let (reader, writer) = std::io::pipe().context("making a pipe")?;
    let mut child = command
        // Of its own group, so that what interrupts this process does not end the tests before they
        // were asked to end.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("making a pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    // The command holds the pipe's writing ends, and the pipe ends when the last one closes.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let counted = count_in_background(reader);
    let companion = companion.and_then(|one| one.child.as_ref().ok());
    let status = wait(&mut child, companion.map(|running| running.id))?;
    // Something that the tests left may hold the pipe open for ever.
    let counts = match counted.recv_timeout(OUTPUT_TIMEOUT) {
        Ok(counts) => counts?,
        Err(_) => bail!("something that the tests started still holds their output open"),
    };
    Ok((counts, status.success()))
}

/// Shows what is read, and sends the counts when there is no more.
fn count_in_background(reader: PipeReader) -> mpsc::Receiver<std::io::Result<Counts>> {
    let (sender, counted) = mpsc::channel();
    thread::spawn(move || {
        let mut counts = Counts::default();
        let read = BufReader::new(reader).split(b'\n').try_for_each(|line| {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            eprintln!("{line}");
            counts.add(&line);
            Ok(())
        });
        // The receiver may be gone after a timeout.
        let _ = sender.send(read.map(|()| counts));
    });
    counted
}

/// Waits until the runner ends. When this process is interrupted, so is the runner with all that is in
/// its group, and what does not end then is killed.
fn wait(child: &mut Child, companion: Option<u32>) -> anyhow::Result<ExitStatus> {
    let own: Vec<u32> = std::iter::once(child.id()).chain(companion).collect();
    let mut interrupted: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        orphans::reap(&own);
        let group = format!("-{}", child.id());
        let signal = |signal| Command::new("kill").args([signal, "--", &group]).status();
        match interrupted {
            None if interrupt::is_pending() => {
                eprintln!("interrupted: ending the tests");
                signal("-INT")?;
                interrupted = Some(Instant::now());
            }
            Some(since) if since.elapsed() >= INTERRUPT_TIMEOUT => {
                signal("-KILL")?;
            }
            _ => {}
        }
        thread::sleep(POLL_INTERVAL);
    }
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
    fn a_companion_is_counted_by_its_status_and_one_that_does_not_start_fails() {
        let mut tally = Tally::default();
        for program in ["true", "false", "/nothing/is/here"] {
            tally.companion(Companion::start("lints", Command::new(program)));
        }
        assert_eq!((tally.passed, tally.failed), (1, 2));
        assert_eq!(tally.rows.len(), 3);
        assert_eq!(
            tally.failures,
            [
                "lints: ended with exit status: 1",
                "lints: starting lints: No such file or directory (os error 2)"
            ]
        );
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
