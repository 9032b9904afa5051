//! Fairness: what one account's calls take while somebody floods the server.
//!
//! The flood comes from a process of its own, pinned to one core and as nice as can be, so that what is
//! measured is not that two programs share a processor. The control is the same flood at a bare axum
//! that refuses every request at once, while the same calls are made of Tombolo. Both are measured in
//! turns, and the middle turn counts.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tombolo_tests::aws::Client;
use tombolo_tests::http::{Connection, Request};
use tombolo_tests::serving::Serving;
use tombolo_tests::{build, scenario};

use crate::table::{Table, Target};

/// The word after which this program is the flood, or the bare axum, and not the benchmark.
const FLOOD: &str = "flood";
const AXUM: &str = "refusing-axum";

const TURNS: usize = 5;
/// How long the flood runs before anything is measured: buckets are empty then.
const WARM_UP: Duration = Duration::from_secs(4);
const DESCRIBES: usize = 400;
const DESCRIBE_PACE: Duration = Duration::from_millis(10);
const CHANGES: usize = 40;
const CHANGE_PACE: Duration = Duration::from_millis(50);
/// Connections of the flood, each with a request under way all the time.
const FLOODERS: usize = 16;

/// Milliseconds that calls took: the middle, and the 99th of a hundred.
struct Times {
    p50: f64,
    p99: f64,
}

/// What is measured in one turn.
struct Turn {
    describes: Times,
    peerings: Times,
    fleets: Times,
    flooded: f64,
}

/// Runs what the arguments say if they are this part's own programs'.
pub(crate) fn run_program(arguments: &[String]) -> bool {
    match arguments {
        [word, target, file] if word == FLOOD => flood(target, Path::new(file)),
        [word] if word == AXUM => refuse_all(),
        _ => return false,
    }
    true
}

/// Measures all of it.
pub(crate) fn measure(table: &mut Table) {
    let server = Serving::start_plain();
    let flooder = server.account("flooder");
    let victim = Victim::prepare(&server);
    let mut axum = Program::start(&[AXUM]);
    let axum_address: SocketAddr = axum.line().parse().expect("it prints its address");
    let folder = tempfile::tempdir().expect("making a temporary directory");
    for (name, requests) in floods(&server, &flooder) {
        let file = folder.path().join("requests");
        write_requests(&file, &requests);
        let (mut ours, mut control) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            control.push(victim.turn(axum_address, &file));
            ours.push(victim.turn(flooder.server, &file));
        }
        type Part = fn(&Turn) -> &Times;
        let parts: [(&str, Part, f64); 3] = [
            ("describe", |turn| &turn.describes, 4.0 / 3.0),
            ("peering change", |turn| &turn.peerings, 1.5),
            ("fleet change", |turn| &turn.fleets, 1.5),
        ];
        for (what, part, most) in parts {
            for (quantile, of) in [
                ("p50", (|times| times.p50) as fn(&Times) -> f64),
                ("p99", |times| times.p99),
            ] {
                let turns = ours.iter().zip(&control);
                let turns = turns.map(|(ours, control)| (of(part(ours)), of(part(control))));
                let what = format!("{what} {quantile} under {name}");
                table.ratio(&what, "ms", turns.collect(), Target::AtMost(most));
            }
        }
        let turns = ours.iter().zip(&control);
        let turns = turns.map(|(ours, control)| (ours.flooded, control.flooded));
        let what = format!("replies to the flood of {name}");
        table.ratio(&what, "/s", turns.collect(), Target::None);
    }
}

/// The floods, each some requests that are sent over and over.
fn floods(server: &Serving, flooder: &Client) -> Vec<(&'static str, Vec<Request>)> {
    let signed_ec2 = |action: &str, parameters: &[(&str, &str)]| {
        let request = flooder.ec2_request(action, parameters);
        flooder.signer_for("ec2").sign(request)
    };
    let gamelift = |operation: &str, body: String| {
        let request = flooder.gamelift_request(operation, &body);
        flooder.signer.sign(request)
    };
    let vpc = scenario::vpc(flooder, "10.9.0.0/16");
    let build = import(server, "flooder");
    let fleet = scenario::active_fleet(flooder, &build, "server", "");
    let capacity = |count: usize| {
        let input = json!({ "FleetId": fleet, "DesiredInstances": count });
        gamelift("UpdateFleetCapacity", input.to_string())
    };
    let unsigned = flooder
        .gamelift_request("ListFleets", "")
        .body(vec![b' '; 1 << 20]);
    vec![
        ("unsigned bodies", vec![unsigned]),
        ("signed reads", vec![signed_ec2("DescribeVpcs", &[])]),
        (
            "signed writes",
            ["a", "b"]
                .map(|value| {
                    let tag = [
                        ("ResourceId.1", &*vpc),
                        ("Tag.1.Key", "flood"),
                        ("Tag.1.Value", value),
                    ];
                    signed_ec2("CreateTags", &tag)
                })
                .to_vec(),
        ),
        ("fleet churn", vec![capacity(1), capacity(0)]),
    ]
}

/// Imports a build for an account.
fn import(server: &Serving, account: &str) -> String {
    build::import_for(server, account, &[("server", build::IDLE)])
}

/// Whose calls are measured.
struct Victim {
    client: Client,
    describe: Request,
    vpcs: [String; 2],
    fleet: String,
}

impl Victim {
    fn prepare(server: &Serving) -> Self {
        let client = server.studio().clone();
        let vpcs = ["10.1.0.0/16", "10.2.0.0/16"].map(|cidr| scenario::vpc(&client, cidr));
        let build = import(server, "studio");
        let fleet = scenario::active_fleet(&client, &build, "server", "");
        let describe = client.ec2_request("DescribeVpcPeeringConnections", &[]);
        let describe = client.signer_for("ec2").sign(describe);
        Victim {
            client,
            describe,
            vpcs,
            fleet,
        }
    }

    /// Calls while `target` is flooded with the requests of a file.
    fn turn(&self, target: SocketAddr, requests: &Path) -> Turn {
        let requests = requests.to_str().expect("a temporary path is text");
        let flood = Program::flood(&[FLOOD, &target.to_string(), requests]);
        thread::sleep(WARM_UP);
        let describes = self.describes();
        let peerings = self.peerings();
        let fleets = self.fleets();
        let flooded = flood.stop();
        Turn {
            describes,
            peerings,
            fleets,
            flooded,
        }
    }

    /// Signed reads on a connection that is kept.
    fn describes(&self) -> Times {
        let request = self.describe.to_bytes();
        let mut connection = Connection::open(self.client.server).expect("the server listens");
        paced(DESCRIBES, DESCRIBE_PACE, |_| {
            let reply = connection.skim(&request).expect("an answer");
            assert_eq!(reply.status, 200);
        })
    }

    /// A peering of two VPCs, requested and accepted, or deleted, in turns.
    fn peerings(&self) -> Times {
        let mut made = None;
        paced(CHANGES, CHANGE_PACE, |_| match made.take() {
            None => {
                let [vpc, peer] = &self.vpcs;
                let ids = [("VpcId", &**vpc), ("PeerVpcId", &**peer)];
                let answer = self.client.ec2("CreateVpcPeeringConnection", &ids);
                let id = answer.expect("it is made").text("vpcPeeringConnectionId");
                let parameters = [("VpcPeeringConnectionId", &*id)];
                let accepted = self.client.ec2("AcceptVpcPeeringConnection", &parameters);
                accepted.expect("it is accepted");
                made = Some(id);
            }
            Some(id) => {
                let parameters = [("VpcPeeringConnectionId", &*id)];
                let deleted = self.client.ec2("DeleteVpcPeeringConnection", &parameters);
                deleted.expect("it is deleted");
            }
        })
    }

    fn fleets(&self) -> Times {
        paced(CHANGES, CHANGE_PACE, |n| {
            let input = json!({ "FleetId": self.fleet, "Description": format!("change {n}") });
            let changed = self.client.gamelift("UpdateFleetAttributes", &input);
            changed.expect("it is changed");
        })
    }
}

/// Calls so often, no faster than the pace, and times each.
fn paced(count: usize, pace: Duration, mut call: impl FnMut(usize)) -> Times {
    let mut taken: Vec<f64> = (0..count)
        .map(|n| {
            let start = Instant::now();
            call(n);
            let taken = start.elapsed();
            thread::sleep(pace.saturating_sub(taken));
            taken.as_secs_f64() * 1e3
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    Times {
        p50: taken[count / 2],
        p99: taken[(count * 99).div_ceil(100) - 1],
    }
}

/// This program in one of its other roles, ended when this is dropped.
struct Program {
    child: Child,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        Self::spawn(command.args(arguments))
    }

    /// Pinned to the last core, and nice.
    fn flood(arguments: &[&str]) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut command = Command::new("nice");
        command
            .args(["-n", "19", "taskset", "-c", &(cores - 1).to_string()])
            .arg(std::env::current_exe().expect("this program has a path"));
        Self::spawn(command.args(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command
            .spawn()
            .expect("starting a program of the benchmark");
        Program { child }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let stdout = self.child.stdout.as_mut().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// Ends its input, at which it ends, and says what it counted.
    fn stop(mut self) -> f64 {
        drop(self.child.stdin.take());
        self.line().parse().expect("replies a second")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().expect("it is this process's child");
    }
}

fn write_requests(file: &Path, requests: &[Request]) {
    let bytes: Vec<Vec<u8>> = requests.iter().map(Request::to_bytes).collect();
    let json = serde_json::to_vec(&bytes).expect("bytes are numbers");
    fs::write(file, json).expect("keeping the requests");
}

/// Sends the requests of `file` to `target` until the input ends, and prints replies a second. The
/// server may close and refuse as it likes.
fn flood(target: &str, file: &Path) {
    let target: SocketAddr = target.parse().expect("an address");
    let json = fs::read(file).expect("the requests");
    let requests: Vec<Vec<u8>> = serde_json::from_slice(&json).expect("bytes are numbers");
    let answered = AtomicU64::new(0);
    let ended = std::sync::atomic::AtomicBool::new(false);
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..FLOODERS {
            let (requests, answered, ended) = (&requests, &answered, &ended);
            scope.spawn(move || {
                let mut connection = None;
                for request in requests.iter().cycle().skip(n) {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    let Some(mut kept) =
                        connection.take().or_else(|| Connection::open(target).ok())
                    else {
                        continue;
                    };
                    if let Ok(reply) = kept.skim(request) {
                        answered.fetch_add(1, Ordering::Relaxed);
                        connection = reply.keeps.then_some(kept);
                    }
                }
            });
        }
        // Ends with the input.
        let _ = std::io::stdin().lines().count();
        ended.store(true, Ordering::Relaxed);
    });
    println!(
        "{}",
        answered.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
    );
}

/// A server that reads no body and answers everything with 403.
fn refuse_all() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        println!("{}", listener.local_addr().expect("it is bound"));
        let refuse = || async { axum::http::StatusCode::FORBIDDEN };
        let router = axum::Router::new().fallback(refuse);
        axum::serve(listener, router).await.expect("serving");
    });
}
