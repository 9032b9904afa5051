//! The example that all of this is for: a game server reads from a DynamoDB-compatible database in
//! another account's VPC, by boto3.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tombolo_tests::dev::Dev;
use tombolo_tests::probe::until_it_says_next;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::{build, scenario, tools};

/// boto3 and what it needs.
const PACKAGES: [&str; 7] = [
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "six.py",
    "urllib3",
];

#[test]
fn a_game_server_reads_an_item_from_the_peer_vpcs_database() {
    let server = Dev::start();
    let (studio, backend, directory) = (server.studio(), server.backend(), server.directory());
    let vpc = scenario::vpc_with_subnet(&backend, "10.70.0.0/24");
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

    let build = game_server(&server, script.as_ref());
    let fleet = scenario::active_fleet(&studio, &build, "server", &format!("get {endpoint}"));
    until_it_says_next(&directory, &fleet, "unreachable");

    scenario::authorize(&backend, &studio, &vpc);
    let connection = scenario::connect(&studio, &backend, &fleet, &vpc);
    until_it_says_next(&directory, &fleet, "score 1815");

    scenario::disconnect(&studio, &connection);
    until_it_says_next(&directory, &fleet, "unreachable");
}

/// A build that brings the packages which its game server needs, since it sees no others.
fn game_server(server: &Dev, script: &Path) -> String {
    let root = tempfile::tempdir().unwrap();
    let start = format!(
        "#!/bin/sh\nexport PYTHONPATH=/local/game/packages\nexec {} /local/game/dynamodb.py \"$@\"\n",
        build::PYTHON
    );
    let program = root.path().join("server");
    fs::write(&program, start).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(script, root.path().join("dynamodb.py")).unwrap();
    const FIND: &str = "import boto3, os; print(os.path.dirname(boto3.__path__[0]))";
    let found = tools::succeeds(Command::new(tools::program("python")).args(["-c", FIND]));
    let packages = root.path().join("packages");
    fs::create_dir(&packages).unwrap();
    for package in PACKAGES {
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(Path::new(found.trim()).join(package));
        tools::succeeds(copy.arg(&packages));
    }
    build::import_folder(server, root.path())
}
