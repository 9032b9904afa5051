//! `cargo xtask check` and `cargo xtask test`: every check, and one plain total line.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};

use crate::command::{self, cargo, installed};
use crate::leftovers::{self, Run};
use crate::suites::{self, Suite, Tests, Tier};
use crate::tally::{Companion, Tally};
use crate::{bpf, deny, interrupt, model, rust_version, setup, workspace};

/// `cargo xtask check`.
pub(crate) fn check() -> ExitCode {
    closed(|tally| {
        static_checks(tally, is_ci());
        let mut suites = found(tally);
        suites.retain(|suite| suite.tier == Tier::Unprivileged);
        if is_built(tally, &suites) {
            // Tests wait for the disk and for each other, and clippy has a use for that time.
            let clippy = Companion::start("cargo clippy", clippy());
            // All at once: one after the other takes twice the time, and there is nothing to compare.
            let (documentation, others): (Vec<&Suite>, Vec<&Suite>) = suites
                .iter()
                .partition(|suite| matches!(suite.tests, Tests::Documentation));
            run(
                tally,
                &[("unprivileged", others), ("documentation", documentation)],
                Some(clippy),
                &leftovers::in_memory(),
            );
        }
    })
}

/// `cargo xtask test` without a name. It goes on after failures, so that one run names them all.
pub(crate) fn everything() -> ExitCode {
    closed(|tally| {
        tally.check("running as root", root);
        let mut ready = false;
        tally.check("installing what the tests need", || {
            setup::for_tests()?;
            ready = true;
            Ok(())
        });
        static_checks(tally, true);
        tally.check("cargo clippy", || command::run(&mut clippy()));
        tally.check_if_possible("the oldest compiler", true, rust_version::check_compiles);
        // The one check that takes a network beyond the registries.
        tally.check_if_possible("advisories", false, || deny::check_advisories(true));
        let mut suites = found(tally);
        // Without the clients every end-to-end test would fail for the one reason that is known.
        suites.retain(|suite| ready || suite.tier != Tier::Clients);
        if is_built(tally, &suites) {
            run(tally, &one_by_one(&suites), None, &env::temp_dir());
        }
    })
}

/// `cargo xtask test NAME`.
pub(crate) fn some(names: &[String]) -> ExitCode {
    let suites = match suites::all().and_then(|all| suites::named(all, names)) {
        Ok(suites) => suites,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    closed(|tally| {
        if suites.iter().any(|suite| suite.tier != Tier::Unprivileged) {
            tally.check("running as root", root);
        }
        if suites.iter().any(|suite| suite.tier == Tier::Clients) {
            tally.check("installing what the tests need", setup::for_tests);
        }
        if !tally.has_failed() && is_built(tally, &suites) {
            run(tally, &one_by_one(&suites), None, &env::temp_dir());
        }
    })
}

/// The total line is the last one, whatever happened before.
fn closed(work: impl FnOnce(&mut Tally)) -> ExitCode {
    let mut tally = Tally::default();
    if let Err(error) = interrupt::note() {
        // Then Ctrl-C ends this process, as it does without.
        eprintln!("cannot handle signals: {error}");
    }
    work(&mut tally);
    match tally.close() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What is checked without running anything of Tombolo. Where a derived file cannot be checked
/// because its tool is missing, that fails if it `must` be.
fn static_checks(tally: &mut Tally, must: bool) {
    tally.check("cargo fmt", || {
        command::run(&mut cargo(["fmt", "--all", "--check"]))
    });
    tally.check_if_possible("the committed data path", must, bpf::check);
    tally.check_if_possible("the committed API models", must, || model::check(must));
    tally.check("one rust-version", rust_version::check_stated);
    tally.check_if_possible("the dependencies", must, || deny::check(must));
}

fn clippy() -> Command {
    cargo([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])
}

/// Every suite; none if that cannot be found out.
fn found(tally: &mut Tally) -> Vec<Suite> {
    let mut suites = Vec::new();
    tally.check("finding the suites", || {
        suites = suites::all()?;
        Ok(())
    });
    suites
}

/// Builds the suites all at once, which keeps every processor busy, and so that what takes long to
/// compile is not taken for a slow suite. If it does not compile, none can run.
fn is_built(tally: &mut Tally, suites: &[Suite]) -> bool {
    let mut is_built = false;
    tally.check("building the tests", || {
        command::run(&mut suites::build(suites))?;
        is_built = true;
        Ok(())
    });
    is_built
}

/// Suites to run together, and what to call them.
type Batch<'a> = (&'a str, Vec<&'a Suite>);

fn one_by_one(suites: &[Suite]) -> Vec<Batch<'_>> {
    suites
        .iter()
        .map(|suite| (suite.name.as_str(), vec![suite]))
        .collect()
}

/// Runs the batches one after the other, the first of them beside `companion`, with temporary files in a
/// directory in `temporary`, and looks after each what it left.
fn run(tally: &mut Tally, batches: &[Batch], mut companion: Option<Companion>, temporary: &Path) {
    let mut this_run = match Run::begin(temporary) {
        Ok(run) => run,
        Err(error) => {
            companion.into_iter().for_each(|one| tally.companion(one));
            return tally.check("looking at this machine", || Err(error));
        }
    };
    let nextest = installed("cargo-nextest");
    let mut left = Vec::new();
    for (name, suites) in batches {
        if interrupt::is_pending() {
            break;
        }
        let mut command = suites::command(suites, nextest);
        command.env(
            "TOMBOLO_TEST_BINARY",
            workspace::target().join("debug/tombolo"),
        );
        this_run.contains(&mut command);
        if suites.iter().all(|suite| suite.tier == Tier::Unprivileged) {
            without_capabilities(&mut command);
        }
        tally.runner(name, &mut command, companion.as_ref());
        // What is still running would be taken for something that the tests left.
        companion
            .take()
            .into_iter()
            .for_each(|one| tally.companion(one));
        if let Err(error) = this_run.check() {
            eprintln!("{error:#}");
            left.push(format!("after {name}, {error:#}"));
        }
    }
    tally.check("nothing is left on this machine", || {
        ensure!(left.is_empty(), "{}", left.join("\n"));
        Ok(())
    });
    if interrupt::is_pending() {
        tally.check("running every suite", || bail!("interrupted"));
    }
}

/// Has root's tests run without what makes it root, so that one that needs it fails also where
/// everything is run as root, as in CI.
fn without_capabilities(command: &mut Command) {
    if !setup::is_root() || !installed("setpriv") {
        return;
    }
    let Ok(host) = host() else {
        return;
    };
    let runner = "setpriv --securebits=+noroot --inh-caps=-all --bounding-set=-all";
    let host = host.to_uppercase().replace('-', "_");
    command.env(format!("CARGO_TARGET_{host}_RUNNER"), runner);
}

/// The target that this machine's compiler compiles for.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names its host")
}

fn root() -> anyhow::Result<()> {
    ensure!(
        setup::is_root(),
        "the network tests make namespaces and load eBPF programs, so they fail without root; \
         run `sudo --preserve-env=PATH,HOME {} xtask test`, or `cargo xtask check` for what needs no root",
        env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
    );
    Ok(())
}

/// Whether this is a CI, as every one of them says.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value != "false" && value != "0" && !value.is_empty())
}
