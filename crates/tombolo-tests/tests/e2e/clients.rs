//! The whole scenario by unmodified clients, each as two accounts: no authorization, no connection;
//! authorized, connected, seen on both sides; disconnected; taken away.

use std::process::Command;

use tombolo_tests::dev::Dev;
use tombolo_tests::server::Server;
use tombolo_tests::{build, tools};

#[test]
fn the_story_by_boto3() {
    let server = Dev::start();
    let build = build::import(&server, &[("server", build::IDLE)]);
    tools::succeeds(accounts(
        &server,
        tools::python(&server, "python/scenario.py").arg(build),
    ));
}

#[test]
fn the_story_by_the_aws_cli() {
    let server = Dev::start();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let directory = server.directory();
    let mut scenario = tools::configured(Command::new("sh"), server.aws_config_file(), &directory);
    scenario.arg(tools::script("cli/scenario.sh")).arg(build);
    scenario.env("AWS", tools::program("aws"));
    tools::succeeds(accounts(&server, &mut scenario));
}

#[test]
fn the_story_by_the_javascript_sdk() {
    let server = Dev::start();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let mut scenario = tools::node(&server, "js/scenario.mjs");
    // A client that is told its profile takes the keys from there, and the endpoint from this one.
    scenario.arg(build).env("AWS_PROFILE", "studio");
    tools::succeeds(accounts(&server, &mut scenario));
}

fn accounts<'a>(server: &Dev, client: &'a mut Command) -> &'a mut Command {
    client
        .env("STUDIO_ACCOUNT", server.studio().account)
        .env("BACKEND_ACCOUNT", server.backend().account)
}
