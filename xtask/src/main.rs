//! `cargo xtask`: the project's own tasks.
//!
//! Few dependencies, so that it is there in seconds on a fresh machine and can install the rest.

mod bench;
mod bpf;
mod command;
mod licences;
mod manual;
mod model;
mod setup;
mod tally;
mod test;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND

  test            install what the tests need, check the format, derived files and lints, run every test
  bench [PART...] measure beside moto, bare SQLite, a bare veth and a router, and print the table of ratios;
                  the parts are api, store, path, players, first-packet, fleet and scale
  setup           only install what the tests need
  bpf [--check]   compile the data path, or check that the committed object is what clang makes of it
  man [--check]   write man pages and completions, or check that the committed ones are current
  licences        check that deny.toml allows the licence of every dependency
  model [--check] derive the API models from botocore, or check that the committed ones are that
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["test"] => return test::run(),
        ["bench", ref parts @ ..] => bench::run(parts),
        ["setup"] => setup::for_tests(),
        ["bpf"] => bpf::run(false),
        ["bpf", "--check"] => bpf::run(true),
        ["man"] => manual::run(false),
        ["man", "--check"] => manual::run(true),
        ["model"] => model::run(false),
        ["model", "--check"] => model::run(true),
        ["licences"] => licences::check(),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
