//! The example that all of this is for: a game server reads from a DynamoDB-compatible database in
//! another account's VPC, by boto3.

use std::fs;

use tombolo_tests::dev::Dev;
use tombolo_tests::probe::until_it_says_next;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::{build, story, tools};

#[test]
fn a_game_server_reads_an_item_from_the_peer_vpcs_database() {
    let server = Dev::start();
    let (studio, backend, directory) = (server.studio(), server.backend(), server.directory());
    let vpc = story::vpc_with_subnet(&backend, "10.70.0.0/24");
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let (node, python) = (text(tools::node_program()), text(tools::program("python")));
    let dynalite = text(tools::node_modules().join("dynalite/cli.js"));
    let script = text(tools::script("python/dynamodb.py"));
    let endpoint = "http://10.70.0.20:8000";

    let dynalite = [&*node, &dynalite, "--host", "0.0.0.0", "--port", "8000"];
    let database = Program::run(&server, &vpc, "10.70.0.20", &dynalite);
    database.until_it_prints("Dynalite listening");
    let put = Program::run(
        &server,
        &vpc,
        "10.70.0.21",
        &[&python, &script, "put", endpoint],
    );
    put.until_it_prints("put");

    let start = format!("#!/bin/sh\nexec {python} /local/game/dynamodb.py \"$@\"\n");
    let source = fs::read_to_string(&script).unwrap();
    let build = build::import(&server, &[("server", &start), ("dynamodb.py", &source)]);
    let fleet = story::active_fleet(&studio, &build, "server", &format!("get {endpoint}"));
    until_it_says_next(&directory, &fleet, "unreachable");

    story::authorize(&backend, &studio, &vpc);
    let connection = story::connect(&studio, &backend, &fleet, &vpc);
    until_it_says_next(&directory, &fleet, "score 1815");

    story::disconnect(&studio, &connection);
    until_it_says_next(&directory, &fleet, "unreachable");
}
