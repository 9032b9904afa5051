//! `cargo xtask`: the project's own tasks.

mod bench;
mod bpf;
mod command;
mod deny;
mod flags;
mod interrupt;
mod leftovers;
mod manual;
mod model;
mod operations;
mod orphans;
mod rust_version;
mod setup;
mod suites;
mod tally;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::bail;

use crate::flags::{Xtask, XtaskCmd};
use crate::tally::Checked;

fn main() -> ExitCode {
    let command = match Xtask::from_env() {
        Ok(flags) => flags.subcommand,
        Err(error) if error.is_help() => {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\nhint: `cargo xtask help` explains every command");
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        XtaskCmd::Help(help) => return explain(help.command.as_deref()),
        XtaskCmd::Check(_) => return test::check(),
        XtaskCmd::Test(test) if test.suite.is_empty() => return test::everything(),
        XtaskCmd::Test(test) => return test::some(&test.suite),
        XtaskCmd::Bench(bench) => bench::run(&bench),
        XtaskCmd::Setup(_) => setup::for_tests(),
        XtaskCmd::Bpf(bpf) if bpf.check => bpf::check().and_then(right),
        XtaskCmd::Bpf(_) => bpf::make().and_then(right),
        XtaskCmd::Man(man) => manual::run(man.check),
        XtaskCmd::Deny(_) => dependencies(),
        XtaskCmd::Model(model) if model.check => model::check(true).and_then(right),
        XtaskCmd::Model(_) => model::make(),
        XtaskCmd::Operations(operations) => operations::run(operations.check),
        XtaskCmd::Derive(_) => derive(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Makes everything that is derived, the lists and models first: what else is compiled has them. The
/// data path comes last, so that a missing compiler for it keeps nothing else from being made.
fn derive() -> anyhow::Result<()> {
    operations::run(false)?;
    model::make()?;
    manual::run(false)?;
    match bpf::make()? {
        Checked::Not(why) if test::is_ci() => bail!("the committed data path is not made: {why}"),
        Checked::Not(why) => eprintln!("not made: the committed data path: {why}"),
        Checked::Right => {}
    }
    Ok(())
}

fn dependencies() -> anyhow::Result<()> {
    deny::check(true).and_then(right)?;
    if let Checked::Not(why) = deny::check_advisories(true)? {
        eprintln!("advisories are not checked: {why}");
    }
    Ok(())
}

fn explain(command: Option<&str>) -> ExitCode {
    match Xtask::help(command) {
        Some(help) => {
            print!("{help}");
            if command == Some("test")
                && let Ok(suites) = suites::all()
            {
                print!("\n{}", suites::list(&suites));
            }
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("error: there is no command {}", command.unwrap_or_default());
            ExitCode::from(2)
        }
    }
}

/// The outcome of a command for one check: that it cannot be made is a failure, then.
fn right(checked: Checked) -> anyhow::Result<()> {
    match checked {
        Checked::Right => Ok(()),
        Checked::Not(why) => bail!("not done: {why}"),
    }
}
