//! What the tests start in place of `tombolo`: `instance-supervisor SPEC`, and nothing else.

use std::path::Path;
use std::process::ExitCode;

use tombolo_fleet::supervisor;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [subcommand, spec] if subcommand == supervisor::SUBCOMMAND => {
            supervisor::main(Path::new(spec))
        }
        _ => {
            eprintln!("usage: node-test-support {} SPEC", supervisor::SUBCOMMAND);
            ExitCode::FAILURE
        }
    }
}
