//! `cargo xtask test`: every check, and one plain total line.

use std::env;
use std::process::ExitCode;

use anyhow::ensure;

use crate::command::{self, cargo, installed};
use crate::tally::Tally;
use crate::{bpf, licences, model, setup, workspace};

/// Runs everything and goes on after failures, so that one run names them all.
fn checks(tally: &mut Tally) {
    tally.check("running as root", root());
    let set_up = setup::for_tests();
    let ready = set_up.is_ok();
    tally.check("installing what the tests need", set_up);

    tally.check(
        "cargo fmt",
        command::run(&mut cargo(["fmt", "--all", "--check"])),
    );
    tally.check("the committed data path", bpf::run(true));
    tally.check("the committed API models", model::run(true));
    tally.check("the licences of all dependencies", licences::check());
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    tally.check("cargo clippy", command::run(&mut cargo(clippy)));
    // Without the clients every end-to-end test would fail for the one reason that is known.
    if ready {
        tests(tally);
    }
}

/// The command: the total line is the last one, whatever happened before.
pub(crate) fn run() -> ExitCode {
    let mut tally = Tally::default();
    checks(&mut tally);
    match tally.close() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn root() -> anyhow::Result<()> {
    ensure!(
        setup::is_root(),
        "the network tests make namespaces and load eBPF programs, so they fail without root; \
         run `sudo --preserve-env=PATH,HOME {} xtask test`",
        env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
    );
    Ok(())
}

fn tests(tally: &mut Tally) {
    let binary = workspace::target().join("debug/tombolo");
    if installed("cargo-nextest") {
        let all = ["nextest", "run", "--workspace", "--no-fail-fast"];
        tally.runner("tests", cargo(all).env("TOMBOLO_TEST_BINARY", &binary));
        // nextest leaves the examples in the documentation out.
        tally.runner(
            "documentation tests",
            &mut cargo(["test", "--workspace", "--doc"]),
        );
    } else {
        let all = ["test", "--workspace", "--no-fail-fast"];
        tally.runner("tests", cargo(all).env("TOMBOLO_TEST_BINARY", &binary));
    }
}
