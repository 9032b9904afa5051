//! Networks by unmodified clients, each as two accounts: routes, security groups and EC2's own
//! peering, and what they do to packets.

use std::process::Command;

use tombolo_tests::dev::Dev;
use tombolo_tests::server::Server;
use tombolo_tests::{binary, tools};

#[test]
fn two_accounts_networks_by_boto3() {
    let server = Dev::start();
    let mut network = tools::python(&server, "python/network.py");
    tools::succeeds(network.env("TOMBOLO", binary::tombolo()));
}

#[test]
fn two_accounts_networks_by_the_aws_cli() {
    let server = Dev::start();
    let directory = server.directory();
    let mut network = tools::configured(Command::new("sh"), server.aws_config_file(), &directory);
    network
        .arg(tools::script("cli/network.sh"))
        .env("AWS", tools::program("aws"))
        .env("TOMBOLO", binary::tombolo())
        .env("PYTHON", tools::program("python"))
        .env("TICKER", tools::script("python/ticker.py"))
        .env("STUDIO_ACCOUNT", server.studio().account)
        .env("BACKEND_ACCOUNT", server.backend().account);
    tools::succeeds(&mut network);
}
