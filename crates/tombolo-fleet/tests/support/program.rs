//! The program that the tests start in place of `tombolo`.
//!
//! - `instance-supervisor SPEC` is what `tombolo` has under this name.
//! - `control-plane SPEC` starts the instance, acknowledges its first event, and prints every event
//!   as a line of JSON until it is killed.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use tombolo_fleet::{Instance, supervisor};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [subcommand, spec] if subcommand == supervisor::SUBCOMMAND => {
            supervisor::main(Path::new(spec))
        }
        [subcommand, spec] if subcommand == "control-plane" => {
            match control_plane(Path::new(spec)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!(
                "usage: fleet-test-support {}|control-plane SPEC",
                supervisor::SUBCOMMAND
            );
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn control_plane(spec: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let spec = serde_json::from_reader(File::open(spec)?)?;
    let instance = Instance::start(&std::env::current_exe()?, &spec).await?;
    let mut events = instance.events(0).await?;
    while let Some(event) = events.next().await? {
        if event.seq == 1 {
            instance.acknowledge(1).await?;
        }
        println!("{}", serde_json::to_string(&event)?);
    }
    Ok(())
}
