//! The API beside moto's: requests, the life of a peering, the start, and memory.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::{binary, build, scenario, wait};

use crate::load::requests_per_second;
use crate::moto::{Moto, free_address, is_healthy};
use crate::table::{Table, Target};

const TURNS: usize = 3;
const CONNECTIONS: usize = 8;
const TIME: Duration = Duration::from_secs(3);
const CYCLES: usize = 20;

/// Measures all of it.
pub(crate) fn measure(table: &mut Table) {
    let (ours, theirs): (Vec<f64>, Vec<f64>) = (0..5).map(|_| (start_ours(), start_moto())).unzip();
    table.figure(
        "start to healthy",
        "ms",
        middle(ours),
        Some(middle(theirs)),
        Target::AtMost(50.0),
    );

    let (server, moto) = (Dev::start(), Moto::start());
    let memory = Some(resident_mib(moto.pid()));
    table.figure(
        "idle memory",
        "MiB",
        resident_mib(server.pid()),
        memory,
        Target::AtMost(20.0),
    );

    let fleet = peered(&server);
    peered_in_moto(&moto);
    let turns = (0..TURNS).map(|_| (describe(&server.backend()), describe(&moto.client())));
    let what = "EC2 DescribeVpcPeeringConnections, signed";
    table.ratio(what, "/s", turns.collect(), Target::AtLeast(100.0));
    let turns = (0..TURNS).map(|_| {
        (
            describe_gamelift(&server.studio()),
            describe(&moto.client()),
        )
    });
    let what = "GameLift DescribeVpcPeeringConnections, signed";
    table.ratio(what, "/s", turns.collect(), Target::AtLeast(100.0));

    let turns = (0..TURNS).map(|_| (cycles(&server, &fleet), cycles_in_moto(&moto)));
    table.ratio(
        "authorize, connect until active, delete until deleted",
        "/s",
        turns.collect(),
        Target::None,
    );
}

fn describe(client: &Client) -> f64 {
    let request = client.ec2_request("DescribeVpcPeeringConnections", &[]);
    let request = client.signer_for("ec2").sign(request);
    requests_per_second(client.server, &request, CONNECTIONS, TIME)
}

fn describe_gamelift(client: &Client) -> f64 {
    let request = client.gamelift_request("DescribeVpcPeeringConnections", "{}");
    requests_per_second(
        client.server,
        &client.signer.sign(request),
        CONNECTIONS,
        TIME,
    )
}

/// One connection to describe, and a fleet to make more with.
fn peered(server: &Dev) -> String {
    let (studio, backend) = (server.studio(), server.backend());
    let build = build::import(server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&studio, &build, "server", "");
    let vpc = scenario::vpc(&backend, "10.1.0.0/16");
    scenario::authorize(&backend, &studio, &vpc);
    scenario::connect(&studio, &backend, &fleet, &vpc);
    fleet
}

fn peered_in_moto(moto: &Moto) -> String {
    let client = moto.client();
    let [a, b] = ["10.1.0.0/16", "10.2.0.0/16"].map(|cidr| scenario::vpc(&client, cidr));
    let made = client.ec2(
        "CreateVpcPeeringConnection",
        &[("VpcId", &a), ("PeerVpcId", &b)],
    );
    let id = made.expect("moto makes it").text("vpcPeeringConnectionId");
    client
        .ec2(
            "AcceptVpcPeeringConnection",
            &[("VpcPeeringConnectionId", &id)],
        )
        .expect("accepts");
    id
}

/// Lives of a peering per second, one after the other, and each state waited for.
fn cycles(server: &Dev, fleet: &str) -> f64 {
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc(&backend, "10.2.0.0/16");
    let start = Instant::now();
    for _ in 0..CYCLES {
        scenario::authorize(&backend, &studio, &vpc);
        scenario::request_connection(&studio, &backend, fleet, &vpc).expect("it is authorized");
        let connection = until(&studio, fleet, &vpc, "active");
        let input = json!({ "FleetId": fleet, "VpcPeeringConnectionId": connection });
        studio
            .gamelift("DeleteVpcPeeringConnection", &input)
            .expect("it is authorized");
        until_gone(&studio, fleet, &connection);
    }
    let rate = CYCLES as f64 / start.elapsed().as_secs_f64();
    backend
        .ec2("DeleteVpc", &[("VpcId", &vpc)])
        .expect("nothing is in it");
    rate
}

/// Asks without a pause, which would be most of what is measured.
fn until(studio: &Client, fleet: &str, vpc: &str, code: &str) -> String {
    loop {
        let mut found = scenario::connections(studio, fleet).into_iter();
        let found = found.find(|one| one["PeerVpcId"] == vpc && one["Status"]["Code"] == code);
        if let Some(found) = found {
            return scenario::text(&found["VpcPeeringConnectionId"]);
        }
    }
}

fn until_gone(studio: &Client, fleet: &str, connection: &str) {
    let is_gone = || {
        let mut found = scenario::connections(studio, fleet).into_iter();
        found.any(|one| {
            one["VpcPeeringConnectionId"] == connection && one["Status"]["Code"] == "deleted"
        })
    };
    while !is_gone() {}
}

fn cycles_in_moto(moto: &Moto) -> f64 {
    let client = moto.client();
    let start = Instant::now();
    for _ in 0..CYCLES {
        let id = peered_in_moto(moto);
        client
            .ec2(
                "DeleteVpcPeeringConnection",
                &[("VpcPeeringConnectionId", &id)],
            )
            .expect("it is there");
    }
    CYCLES as f64 / start.elapsed().as_secs_f64()
}

/// Milliseconds from starting the process, over an empty directory, to the first answer.
fn start_ours() -> f64 {
    let root = tempfile::tempdir().expect("making a temporary directory");
    let address = free_address();
    let start = Instant::now();
    let mut child = Command::new(binary::tombolo())
        .args(["dev", "--json", "--listen", &address.to_string(), "--dir"])
        .arg(root.path().join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starting tombolo");
    while !is_healthy(address, "/health") {
        assert!(start.elapsed() < wait::TIMEOUT, "tombolo does not answer");
    }
    let elapsed = start.elapsed();
    let pid = Pid::from_raw(child.id().try_into().expect("process ids are positive"));
    kill(pid, Signal::SIGTERM).expect("it runs");
    child.wait().expect("it is this process's child");
    elapsed.as_secs_f64() * 1e3
}

fn start_moto() -> f64 {
    let start = Instant::now();
    let _moto = Moto::start();
    start.elapsed().as_secs_f64() * 1e3
}

/// The memory of a process that is there.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    let kib: f64 = kib.expect("the kernel tells VmRSS in kB");
    kib / 1024.0
}

/// The middle one.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
