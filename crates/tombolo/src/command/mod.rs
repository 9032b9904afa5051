//! The commands, one file each.

mod access_key;
mod account;
mod build;
mod clock;
mod completions;
pub(crate) mod dev;
mod doctor;
mod fleet;
mod flows;
mod live;
mod logs;
mod peering;
mod repairs;
mod run;
mod serve;
mod status;
mod teardown;
mod top;
mod trace;

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

use crate::cli::Command;
use crate::demo;

/// Worker threads of the runtime. A request is a few dozen microseconds of work and the store has
/// a thread of its own, so more would cost memory and gain little.
const WORKERS: usize = 2;

/// Carries out a command and gives its exit code.
pub fn run(command: Command) -> Result<ExitCode> {
    let done = match command {
        Command::Run(arguments) => return runtime()?.block_on(run::run(arguments)),
        Command::Doctor(arguments) => return runtime()?.block_on(doctor::run(&arguments)),
        Command::Trace(arguments) => return runtime()?.block_on(trace::run(arguments)),
        Command::Demo(arguments) => runtime()?.block_on(demo::run(arguments)),
        Command::Dev(arguments) => runtime()?.block_on(dev::run(arguments)),
        Command::Serve(arguments) => runtime()?.block_on(serve::run(&arguments)),
        Command::Teardown(arguments) => runtime()?.block_on(teardown::run(&arguments)),
        Command::Account(command) => runtime()?.block_on(account::run(command)),
        Command::AccessKey(command) => runtime()?.block_on(access_key::run(command)),
        Command::Build(command) => runtime()?.block_on(build::run(command)),
        Command::Logs(arguments) => runtime()?.block_on(logs::run(arguments)),
        Command::Fleet(arguments) => runtime()?.block_on(fleet::run(arguments)),
        Command::Peering(command) => runtime()?.block_on(peering::run(command)),
        Command::Top(arguments) => runtime()?.block_on(top::run(arguments)),
        Command::Flows(arguments) => runtime()?.block_on(flows::run(arguments)),
        Command::Status(arguments) => runtime()?.block_on(status::run(arguments)),
        Command::Repairs(arguments) => runtime()?.block_on(repairs::run(arguments)),
        Command::Clock(command) => runtime()?.block_on(clock::run(command)),
        Command::Completions { shell } => completions::run(shell),
        Command::InstanceSupervisor(arguments) => {
            return Ok(tombolo_fleet::supervisor::main(&arguments.spec));
        }
        Command::DemoDatabase(arguments) => demo::database::run(&arguments),
        Command::DemoGameServer(arguments) => demo::game_server::run(&arguments),
        Command::DemoMeasure(arguments) => demo::measure::run(&arguments),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("starting the runtime")
}
