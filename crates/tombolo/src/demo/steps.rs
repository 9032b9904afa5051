//! Showing the steps of the demo: a spinner while one is going on, a line when it is done.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner turns.
const SPINNER_INTERVAL: Duration = Duration::from_millis(80);

/// Carries out a step: `what` it is for people, `call` the AWS call or command that does it.
pub(super) async fn step<T>(
    what: &str,
    call: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let started = Instant::now();
    let spinner = spinner(what, call);
    let outcome = work.await;
    spinner.finish_and_clear();
    let mark = if outcome.is_ok() { "ok  " } else { "FAIL" };
    let took = started.elapsed().as_secs_f64() * 1e3;
    eprintln!("{mark} {what:<58} {took:>7.0} ms  {call}");
    outcome
}

fn spinner(what: &str, call: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    // The template is a constant, which a wrong one would show in every run.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        spinner.set_style(style);
    }
    spinner.set_message(format!("{what}  {call}"));
    spinner.enable_steady_tick(SPINNER_INTERVAL);
    spinner
}
