//! The `tombolo` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use tombolo::cli::{Cli, Command};
use tombolo::{command, log, report};

fn main() -> ExitCode {
    let cli = Cli::parse();

    // The supervisor becomes the first process of an instance: it forks, which only a process
    // without threads may do, so nothing that makes one comes before it.
    if let Command::InstanceSupervisor(arguments) = &cli.command {
        return tombolo_fleet::supervisor::main(&arguments.spec);
    }

    log::start(&cli.log);
    match command::run(cli.command) {
        Ok(code) => code,
        Err(error) => report::failure(&error),
    }
}
