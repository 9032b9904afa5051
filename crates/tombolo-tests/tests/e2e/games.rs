//! Games that nobody here wrote: packed by the scripts in `examples/`, uploaded by the AWS CLI, and
//! played from outside.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tombolo_testkit::site::{ROUTED, Site};
use tombolo_tests::dev::Dev;
use tombolo_tests::leftovers::processes_with;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::{binary, scenario, tools, wait};

/// How long a game may take to notice that its database is gone, and to come back.
const GAME: Duration = Duration::from_secs(120);

/// A server on the test's own machine that lets players in.
fn server() -> Dev {
    Dev::start_with(&["--network", "ebpf", "--players", &ROUTED.to_string()])
}

/// Uploads a packed game as a studio would, and gives the build's id once it is READY.
#[track_caller]
fn upload(server: &Dev, game: &str) -> String {
    let root = binary::target().join("games").join(game).join("build");
    assert!(
        root.is_dir(),
        "{game} is not packed; run `cargo xtask setup`"
    );
    let mut aws = Command::new(tools::program("aws"));
    aws.args([
        "gamelift",
        "upload-build",
        "--profile",
        "studio",
        "--name",
        game,
    ])
    .args([
        "--build-version",
        "1",
        "--operating-system",
        "AMAZON_LINUX_2023",
    ])
    .arg("--build-root")
    .arg(root);
    let mut aws = tools::configured(aws, server.aws_config_file(), &server.directory());
    let printed = tools::succeeds(&mut aws);
    let (_, build) = printed
        .rsplit_once("Build ID: ")
        .expect("upload-build says the id");
    let build = build.trim().to_owned();
    let studio = server.studio();
    wait::until(&format!("build {build} of {game} to be READY"), || {
        let found = studio
            .gamelift("DescribeBuild", &json!({ "BuildId": build }))
            .unwrap();
        let status = scenario::text(&found["Build"]["Status"]);
        assert_ne!(status, "FAILED", "{found}");
        (status == "READY").then_some(())
    });
    build
}

/// CreateFleet's input for `/local/game/start.sh` with each of these parameters, and UDP ports that
/// players reach.
fn fleet_input(build: &str, parameters: &[&str], ports: (u16, u16)) -> Value {
    let processes: Vec<Value> = parameters
        .iter()
        .map(|parameters| {
            json!({
                "LaunchPath": "/local/game/start.sh",
                "Parameters": parameters,
                "ConcurrentExecutions": 1,
            })
        })
        .collect();
    json!({
        "Name": "games",
        "BuildId": build,
        "EC2InstanceType": "c5.large",
        "EC2InboundPermissions": [{
            "FromPort": ports.0, "ToPort": ports.1, "IpRange": "0.0.0.0/0", "Protocol": "UDP",
        }],
        "RuntimeConfiguration": { "ServerProcesses": processes },
    })
}

/// The port of the public address for each port of each of a fleet's instances, as `tombolo fleet`
/// shows them.
#[track_caller]
fn reachable(server: &Dev, fleet: &str) -> BTreeMap<(String, u16), u16> {
    let shown = tools::succeeds(&mut server.command(&["fleet", fleet, "--once", "--json"]));
    let shown: Value = serde_json::from_str(&shown).expect("--json prints JSON");
    let instances = shown["instances"].as_array().expect("instances are a list");
    let ports = instances.iter().flat_map(|instance| {
        let id = scenario::text(&instance["id"]);
        let ports = instance["ports"].as_array().expect("ports are a list");
        ports.iter().map(move |mapped| {
            let number = |name: &str| mapped[name].as_u64().and_then(|port| port.try_into().ok());
            let number = |name| number(name).expect("a port");
            ((id.clone(), number("port")), number("public_port"))
        })
    });
    ports.collect()
}

/// What a Teeworlds server says of itself to a player outside; none while it does not answer.
fn ask(site: &Site, port: u16) -> Option<String> {
    let script = binary::workspace().join("examples/teeworlds/ask.py");
    let mut player = Command::new(tools::program("python"));
    player
        .arg(script)
        .arg(ROUTED.to_string())
        .arg(port.to_string());
    let output = site.among_players(|| player.output());
    let output = output.expect("starting a player's client");
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(printed)
}

#[test]
fn teeworlds_on_two_instances_answers_players_and_comes_back_when_it_is_killed() {
    let site = Site::enter();
    let server = server();
    let studio = server.studio();
    let build = upload(&server, "teeworlds");
    let mark = format!("arena{}", std::process::id());
    let (first, second) = (format!("8303 {mark}a"), format!("8304 {mark}b"));
    let made = studio
        .gamelift(
            "CreateFleet",
            &fleet_input(&build, &[&first, &second], (8303, 8304)),
        )
        .unwrap();
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    let capacity = json!({ "FleetId": fleet, "DesiredInstances": 2, "MaxSize": 2 });
    studio.gamelift("UpdateFleetCapacity", &capacity).unwrap();
    scenario::fleet_is(&studio, &fleet, "ACTIVE");

    let ports = reachable(&server, &fleet);
    assert_eq!(
        ports.len(),
        4,
        "two servers on each of two instances: {ports:?}"
    );
    for ((instance, own), public) in &ports {
        let letter = if *own == 8303 { 'a' } else { 'b' };
        let said = wait::until(&format!("an answer of port {own} of {instance}"), || {
            ask(&site, *public)
        });
        assert!(said.starts_with(&format!("{mark}{letter}: dm1")), "{said}");
    }
    let shown = studio
        .gamelift("DescribeInstances", &json!({ "FleetId": fleet }))
        .unwrap();
    for instance in shown["Instances"].as_array().unwrap() {
        assert_eq!(instance["IpAddress"], ROUTED.to_string());
        assert_eq!(instance["Status"], "ACTIVE");
    }

    let servers = || processes_with(&format!("sv_name {mark}"));
    let running = servers();
    assert_eq!(running.len(), 4);
    for pid in &running {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
    }
    let again = wait::until("four other servers", || {
        let now = servers();
        (now.len() == 4 && now.iter().all(|pid| !running.contains(pid))).then_some(now)
    });
    assert_eq!(again.len(), 4);
    for public in ports.values() {
        wait::until("an answer of a server that was killed", || {
            ask(&site, *public)
        });
    }
    wait::until("an event for each crash", || {
        let crashed = scenario::events(&studio, &fleet).into_iter();
        let crashed = crashed.filter(|event| event.starts_with("SERVER_PROCESS_CRASHED"));
        (crashed.count() == 4).then_some(())
    });
    scenario::fleet_is(&studio, &fleet, "ACTIVE");
}

/// PostgreSQL with Luanti's world, at an address of the backend's VPC.
struct Database {
    folder: TempDir,
    _program: Program,
}

impl Database {
    #[track_caller]
    fn start(server: &Dev, vpc: &str, address: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tmb-world-")
            .tempdir()
            .unwrap();
        // PostgreSQL runs as a user of its own, which has to get there.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let script = binary::workspace().join("examples/luanti/database.sh");
        let (script, data) = (script.to_string_lossy(), folder.path().join("world"));
        let program = Program::run(server, vpc, address, &[&script, &data.to_string_lossy()]);
        let database = Database {
            folder,
            _program: program,
        };
        wait::until("the database", || database.query("postgres", "SELECT 1"));
        database
    }

    /// How many blocks the world has in the database; none before there is one.
    fn blocks(&self) -> Option<u64> {
        let count = self.query("world", "SELECT count(*) FROM blocks")?;
        count.parse().ok()
    }

    /// How often a block of the world was written; none before there is one.
    fn changes(&self) -> Option<u64> {
        const WRITES: &str = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables \
                              WHERE relname = 'blocks'";
        self.query("world", WRITES)?.parse().ok()
    }

    /// The first value that a query gives, as its superuser; none if it gives none, or fails.
    fn query(&self, database: &str, query: &str) -> Option<String> {
        let output = Command::new("psql")
            .arg("--host")
            .arg(self.folder.path().join("world"))
            .args(["--username", "postgres", "--no-align", "--tuples-only"])
            .args(["--command", query, database])
            .output()
            .expect("starting psql");
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !printed.is_empty()).then_some(printed)
    }

    /// Waits until the world changes again.
    #[track_caller]
    fn changes_again(&self, why: &str) {
        let before = self.changes().unwrap_or(0);
        let changed = wait::within(GAME, || self.changes().filter(|&now| now > before));
        assert!(
            changed.is_some(),
            "the world does not change any more: {why}"
        );
    }
}

#[test]
fn luanti_keeps_its_world_in_a_database_of_the_peer_vpc() {
    let _site = Site::enter();
    let server = server();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc_with_subnet(&backend, "10.80.1.0/24");
    let database = Database::start(&server, &vpc, "10.80.1.10");
    let build = upload(&server, "luanti");
    let mut input = fleet_input(&build, &["30000 10.80.1.10"], (30000, 30000));

    // Without the peering the server cannot start, and the fleet says why.
    let made = studio.gamelift("CreateFleet", &input).unwrap();
    let alone = scenario::text(&made["FleetAttributes"]["FleetId"]);
    let why = scenario::event(&studio, &alone, "SERVER_PROCESS_CRASHED");
    assert!(why.contains("PostgreSQL database error"), "{why}");
    assert!(why.contains("10.80.1.10"), "{why}");
    assert_eq!(database.blocks(), None, "nobody has written a world");
    let deleted = studio.gamelift("DeleteFleet", &json!({ "FleetId": alone }));
    deleted.unwrap();

    // With it the world is in the database.
    scenario::authorize(&backend, &studio, &vpc);
    input["PeerVpcAwsAccountId"] = backend.account.clone().into();
    input["PeerVpcId"] = vpc.clone().into();
    let made = studio.gamelift("CreateFleet", &input).unwrap();
    let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(&studio, &fleet, "ACTIVE");
    let blocks = wait::within(GAME, || database.blocks().filter(|&blocks| blocks > 0));
    assert!(blocks.is_some(), "no block of the world is in the database");
    database.changes_again("with the peering");

    // With the connection deleted the server loses it.
    let connection = scenario::connection_is(&studio, &fleet, &vpc, "active");
    scenario::disconnect(&studio, &connection);
    let lost = wait::within(GAME, || {
        let mut events = scenario::events(&studio, &fleet).into_iter();
        events.find(|event| event.starts_with("SERVER_PROCESS_CRASHED"))
    });
    let lost = lost.expect("the server ends when its database is gone");
    assert!(lost.contains("PostgreSQL database error"), "{lost}");

    // Made again, it recovers.
    scenario::connect(&studio, &backend, &fleet, &vpc);
    database.changes_again("with the peering made again");
    scenario::fleet_is(&studio, &fleet, "ACTIVE");
}
