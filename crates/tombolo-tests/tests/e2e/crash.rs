//! `kill -9` under load, again and again: what was acknowledged is there afterwards, and no
//! connection stays half-made.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tombolo_tests::aws::{CallError, Client};
use tombolo_tests::dev::Dev;
use tombolo_tests::{build, scenario, wait};

const ROUNDS: usize = 6;
const CALLERS: usize = 4;

/// What the server said yes to, over all rounds.
#[derive(Default)]
struct Acknowledged {
    vpcs: Mutex<Vec<String>>,
    authorized: Mutex<Vec<String>>,
    connected: Mutex<Vec<String>>,
}

/// The last state in which a connection may rest.
const SETTLED: [&str; 3] = ["active", "failed", "deleted"];

#[test]
fn what_was_acknowledged_survives_kill_9_and_no_connection_stays_half_made() {
    let mut server = Dev::start();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&server.studio(), &build, "server", "");
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let acknowledged = Acknowledged::default();
    let next = AtomicU32::new(0);

    for round in 0..ROUNDS {
        let enough = acknowledged.connected.lock().unwrap().len() + 1;
        let until = Duration::from_millis(u64::from(random.next_u32() % 200));
        under_load(&mut server, &fleet, &acknowledged, &next, |server| {
            wait::until("a connection in this round", || {
                (acknowledged.connected.lock().unwrap().len() >= enough).then_some(())
            });
            // Where in its work the server is hit is up to chance; the seed only spreads it.
            wait::within(until, || None::<()>);
            server.kill();
        });
        server.restart();
        check(&server, &fleet, &acknowledged, round);
    }
    let total = acknowledged.connected.lock().unwrap().len();
    assert!(
        total >= ROUNDS,
        "only {total} connections were made under load"
    );
}

/// Calls from several threads at once while `meanwhile` runs, until no answer comes any more.
fn under_load(
    server: &mut Dev,
    fleet: &str,
    acknowledged: &Acknowledged,
    next: &AtomicU32,
    meanwhile: impl FnOnce(&mut Dev),
) {
    let (studio, backend) = (server.studio(), server.backend());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    match peer(&studio, &backend, fleet, number, acknowledged) {
                        Ok(()) | Err(CallError::Lost(_)) => {}
                        Err(CallError::Refused(refusal)) => panic!("refused: {refusal}"),
                    }
                }
            });
        }
        meanwhile(server);
        over.store(true, Ordering::Relaxed);
    });
}

/// One VPC of its own, from made to connected, noting each step that was acknowledged.
fn peer(
    studio: &Client,
    backend: &Client,
    fleet: &str,
    number: u32,
    acknowledged: &Acknowledged,
) -> Result<(), CallError> {
    let cidr = format!("10.{}.{}.0/24", number / 256, number % 256);
    let vpc = backend
        .ec2("CreateVpc", &[("CidrBlock", &cidr)])?
        .text("vpcId");
    acknowledged.vpcs.lock().unwrap().push(vpc.clone());
    let input = json!({ "GameLiftAwsAccountId": studio.account, "PeerVpcId": vpc });
    backend.gamelift("CreateVpcPeeringAuthorization", &input)?;
    acknowledged.authorized.lock().unwrap().push(vpc.clone());
    scenario::request_connection(studio, backend, fleet, &vpc)?;
    acknowledged.connected.lock().unwrap().push(vpc);
    Ok(())
}

fn check(server: &Dev, fleet: &str, acknowledged: &Acknowledged, round: usize) {
    let (studio, backend) = (server.studio(), server.backend());
    let vpcs = all_vpcs(&backend);
    for vpc in acknowledged.vpcs.lock().unwrap().iter() {
        assert!(
            vpcs.contains(vpc),
            "round {round}: {vpc} was acknowledged and is gone"
        );
    }
    let found = backend
        .gamelift("DescribeVpcPeeringAuthorizations", &json!({}))
        .unwrap();
    let authorized = peers(found["VpcPeeringAuthorizations"].as_array().unwrap());
    for vpc in acknowledged.authorized.lock().unwrap().iter() {
        assert!(
            authorized.contains(vpc),
            "round {round}: the authorization of {vpc} is gone"
        );
    }

    let mut last = Vec::new();
    let settled = wait::within(wait::TIMEOUT, || {
        last = scenario::connections(&studio, fleet);
        let mut codes = last
            .iter()
            .map(|found| scenario::text(&found["Status"]["Code"]));
        codes.all(|code| SETTLED.contains(&&*code)).then_some(())
    });
    assert!(
        settled.is_some(),
        "round {round}: some connections are half-made: {last:#?}"
    );
    let connected = peers(&last);
    for vpc in acknowledged.connected.lock().unwrap().iter() {
        assert!(
            connected.contains(vpc),
            "round {round}: the connection to {vpc} is gone"
        );
    }
}

fn all_vpcs(client: &Client) -> Vec<String> {
    let found = client.ec2("DescribeVpcs", &[]).unwrap();
    found.all("vpcId")
}

fn peers(records: &[Value]) -> Vec<String> {
    records
        .iter()
        .map(|record| scenario::text(&record["PeerVpcId"]))
        .collect()
}
