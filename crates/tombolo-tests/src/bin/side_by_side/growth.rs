//! What it costs that there is much: memory, the start, a request beside 10,000 VPCs, a peering after
//! thousands of others, and a server that has nothing to do.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tombolo_tests::aws::{CallError, Client};
use tombolo_tests::dev::Dev;
use tombolo_tests::{build, scenario};

use crate::api::{middle, resident_mib};
use crate::load::requests_per_second;
use crate::table::{Table, Target};

const TURNS: usize = 3;
const CONNECTIONS: usize = 8;
const TIME: Duration = Duration::from_secs(3);

/// As many VPCs as an account may have, and how many accounts have them.
const VPCS: usize = 1000;
const ACCOUNTS: usize = 10;
/// Peering connections of each account, and tags of each VPC.
const PEERINGS: usize = 100;
const TAGS: usize = 10;

/// Rounds of making and deleting a peering: those that are measured, and those in between.
const ROUNDS: usize = 200;
const ROUNDS_BETWEEN: usize = 4000;

const FLEETS: usize = 50;
/// How long a server is looked at that has nothing to do, after how long a rest.
const IDLE: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_secs(20);

/// Measures all of it.
pub(crate) fn measure(table: &mut Table) {
    let empty = Dev::start_simulated();
    let idle = resident_mib(empty.pid());
    table.figure("memory, idle", "MiB", idle, None, Target::AtMost(16.0));
    let start = |server: &mut Dev| {
        let times = (0..5).map(|_| {
            assert!(server.stop().success());
            let start = Instant::now();
            server.restart();
            start.elapsed().as_secs_f64() * 1e3
        });
        middle(times.collect())
    };
    let mut filled = Dev::start_simulated();
    let is_empty = start(&mut filled);
    let what = "start, empty";
    table.figure(what, "ms", is_empty, None, Target::AtMost(15.0));
    let mut with_packets = Dev::start();
    let packets = start(&mut with_packets);
    let what = "start, empty, with packets";
    table.figure(what, "ms", packets, None, Target::AtMost(200.0));
    drop(with_packets);

    let one_of_them = fill(&filled);
    let what = "memory, 10,000 VPCs, 1,000 peerings, 100,000 tags";
    let full = resident_mib(filled.pid());
    table.figure(what, "MiB", full, None, Target::AtMost(120.0));
    let is_full = start(&mut filled);
    let what = "start, 10,000 VPCs, 1,000 peerings, 100,000 tags";
    table.figure(what, "ms", is_full, Some(is_empty), Target::AtMost(80.0));
    let what = "memory after that start";
    table.figure(what, "MiB", resident_mib(filled.pid()), None, Target::None);

    let alone = scenario::vpc(&empty.studio(), "10.0.0.0/16");
    let turns = (0..TURNS).map(|_| {
        (
            describe_one(&filled.studio(), &one_of_them),
            describe_one(&empty.studio(), &alone),
        )
    });
    let what = "DescribeVpcs of an id among 10,000, over alone";
    table.ratio(what, "/s", turns.collect(), Target::AtLeast(0.9));
    drop((empty, filled));

    costs(table, idle);
    rounds(table);
    idle_cpu(table);
}

/// Has ten accounts make all of it, and gives one VPC of `studio`'s.
fn fill(server: &Dev) -> String {
    let others = (1..ACCOUNTS).map(|n| server.account(&format!("account{n}")));
    let accounts: Vec<Client> = [server.studio()].into_iter().chain(others).collect();
    thread::scope(|scope| {
        let filled: Vec<_> = accounts
            .iter()
            .map(|account| scope.spawn(|| fill_account(account)))
            .collect();
        let first = filled.into_iter().map(|filled| filled.join());
        let mut first = first.map(|vpc| vpc.expect("an account could not be filled"));
        let of_studio = first.next().expect("there are ten");
        first.for_each(drop);
        of_studio
    })
}

fn fill_account(account: &Client) -> String {
    let tags: Vec<[(String, String); 2]> = (1..=TAGS)
        .map(|n| {
            let key = (format!("Tag.{n}.Key"), format!("key-{n}"));
            [key, (format!("Tag.{n}.Value"), format!("value-{n}"))]
        })
        .collect();
    let vpcs: Vec<String> = (0..VPCS)
        .map(|n| {
            let vpc = scenario::vpc(account, &format!("10.{}.{}.0/24", n / 250, n % 250));
            let tags = tags.iter().flatten();
            let tags = tags.map(|(name, value)| (name.as_str(), value.as_str()));
            let of_vpc: Vec<_> = [("ResourceId.1", &*vpc)].into_iter().chain(tags).collect();
            account.ec2("CreateTags", &of_vpc).expect("CreateTags");
            vpc
        })
        .collect();
    for pair in vpcs.chunks_exact(2).take(PEERINGS) {
        peered(account, &pair[0], &pair[1]);
    }
    vpcs[VPCS / 2].clone()
}

/// Connects two VPCs of an account, as soon as that goes.
fn peered(account: &Client, vpc: &str, peer: &str) -> String {
    let ids = [("VpcId", vpc), ("PeerVpcId", peer)];
    let made = account.ec2("CreateVpcPeeringConnection", &ids);
    let id = made
        .expect("it is asked for")
        .text("vpcPeeringConnectionId");
    let accept = [("VpcPeeringConnectionId", &*id)];
    loop {
        match account.ec2("AcceptVpcPeeringConnection", &accept) {
            Ok(_) => return id,
            // It has not been delivered yet.
            Err(CallError::Refused(_)) => thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn describe_one(client: &Client, vpc: &str) -> f64 {
    let request = client.ec2_request("DescribeVpcs", &[("VpcId.1", vpc)]);
    let request = client.signer_for("ec2").sign(request);
    requests_per_second(client.server, &request, CONNECTIONS, TIME)
}

/// Something that an account makes much of: what it is called, how many are made, and how.
type Resource = (&'static str, usize, fn(&Client, usize));

/// What one of each kind costs: the time of the call that makes it, one caller, and its memory once the
/// server has started with them.
fn costs(table: &mut Table, idle: f64) {
    let resources: [Resource; 7] = [
        ("VPC, with what comes with it", VPCS, |client, count| {
            for n in 0..count {
                scenario::vpc(client, &format!("10.{}.{}.0/24", n / 250, n % 250));
            }
        }),
        ("subnet", 2_000, |client, count| {
            subnets(client, count);
        }),
        ("network interface", 5_000, interfaces),
        ("rule of a security group", 5_000, rules),
        ("tag", 20_000, tags),
        ("authorization", 5_000, authorizations),
        ("peering connection", 1_000, peerings),
    ];
    for (what, count, make) in resources {
        let mut server = Dev::start_simulated();
        let start = Instant::now();
        make(&server.studio(), count);
        let milliseconds = start.elapsed().as_secs_f64() * 1e3 / count as f64;
        assert!(server.stop().success());
        server.restart();
        let kib = (resident_mib(server.pid()) - idle) * 1024.0 / count as f64;
        let made = format!("{what}: making one of {count}");
        table.figure(&made, "ms", milliseconds, None, Target::None);
        let kept = format!("{what}: memory of one");
        table.figure(&kept, "KiB", kib, None, Target::None);
    }
}

/// Subnets of /28 in VPCs of 200 each, the most that one may have.
fn subnets(client: &Client, count: usize) -> Vec<String> {
    let mut vpc = String::new();
    let subnets = (0..count).map(|n| {
        let (of_vpc, n) = (n / 200, n % 200);
        if n == 0 {
            vpc = scenario::vpc(client, &format!("10.{of_vpc}.0.0/16"));
        }
        let block = format!("10.{of_vpc}.{}.{}/28", n / 16, n % 16 * 16);
        let made = client.ec2("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", &block)]);
        made.expect("CreateSubnet").text("subnetId")
    });
    subnets.collect()
}

/// Ten in each subnet.
fn interfaces(client: &Client, count: usize) {
    for subnet in subnets(client, count / 10) {
        for _ in 0..10 {
            let made = client.ec2("CreateNetworkInterface", &[("SubnetId", &subnet)]);
            made.expect("CreateNetworkInterface");
        }
    }
}

/// Fifty in each group, ten a call.
fn rules(client: &Client, count: usize) {
    let vpc = scenario::vpc(client, "10.0.0.0/16");
    for group in 0..count / 50 {
        let name = format!("group-{group}");
        let group = [
            ("GroupName", &*name),
            ("GroupDescription", "rules"),
            ("VpcId", &vpc),
        ];
        let made = client.ec2("CreateSecurityGroup", &group);
        let group = made.expect("CreateSecurityGroup").text("groupId");
        for call in 0..5 {
            let mut parameters = vec![("GroupId".to_owned(), group.clone())];
            for n in 1..=10 {
                let rule = format!("IpPermissions.{n}");
                let port = (1000 + call * 10 + n).to_string();
                let block = format!("10.{call}.{n}.0/24");
                parameters.push((format!("{rule}.IpProtocol"), "udp".to_owned()));
                parameters.push((format!("{rule}.FromPort"), port.clone()));
                parameters.push((format!("{rule}.ToPort"), port));
                parameters.push((format!("{rule}.IpRanges.1.CidrIp"), block));
            }
            call_with(client, "AuthorizeSecurityGroupIngress", &parameters);
        }
    }
}

/// Twenty for each VPC, in one call.
fn tags(client: &Client, count: usize) {
    for n in 0..count / 20 {
        let vpc = scenario::vpc(client, &format!("10.{}.{}.0/24", n / 250, n % 250));
        let mut parameters = vec![("ResourceId.1".to_owned(), vpc)];
        for tag in 1..=20 {
            parameters.push((format!("Tag.{tag}.Key"), format!("key-{tag}")));
            parameters.push((format!("Tag.{tag}.Value"), format!("value-{tag}")));
        }
        call_with(client, "CreateTags", &parameters);
    }
}

/// For accounts that need not be there.
fn authorizations(client: &Client, count: usize) {
    let vpc = scenario::vpc(client, "10.0.0.0/16");
    for account in 0..count {
        let input = json!({ "GameLiftAwsAccountId": format!("{account:012}"), "PeerVpcId": vpc });
        let made = client.gamelift("CreateVpcPeeringAuthorization", &input);
        made.expect("CreateVpcPeeringAuthorization");
    }
}

/// Of VPCs in pairs.
fn peerings(client: &Client, count: usize) {
    let vpcs: Vec<_> = (0..VPCS)
        .map(|n| scenario::vpc(client, &format!("10.{}.{}.0/24", n / 250, n % 250)))
        .collect();
    for n in 0..count {
        let (vpc, peer) = (n % (VPCS / 2), VPCS / 2 + n / 2 % (VPCS / 2));
        peered(client, &vpcs[vpc], &vpcs[(peer + n % 2) % VPCS]);
    }
}

fn call_with(client: &Client, action: &str, parameters: &[(String, String)]) {
    let parameters = parameters.iter();
    let parameters: Vec<_> = parameters
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    client.ec2(action, &parameters).expect(action);
}

/// The pace of making and deleting a peering, and what of the processor it takes, the first time and
/// after thousands.
fn rounds(table: &mut Table) {
    let server = Dev::start();
    let client = server.studio();
    let vpcs = ["10.1.0.0/16", "10.2.0.0/16"].map(|cidr| scenario::vpc(&client, cidr));
    let run = |count: usize| {
        let (start, before) = (Instant::now(), cpu_ms(server.pid()));
        for _ in 0..count {
            let id = peered(&client, &vpcs[0], &vpcs[1]);
            until(&client, &id, "active");
            let deleted = client.ec2(
                "DeleteVpcPeeringConnection",
                &[("VpcPeeringConnectionId", &id)],
            );
            deleted.expect("it is there");
            until(&client, &id, "deleted");
        }
        let count = count as f64;
        let pace = count / start.elapsed().as_secs_f64();
        (pace, (cpu_ms(server.pid()) - before) / count)
    };
    run(ROUNDS);
    let (first, first_cpu) = run(ROUNDS);
    run(ROUNDS_BETWEEN);
    let (last, last_cpu) = run(ROUNDS);
    let what = "peerings made and deleted, after 4,000 over before";
    table.ratio(what, "/s", vec![(last, first)], Target::AtLeast(0.95));
    let what = "the server's CPU for one, after 4,000 over before";
    let turns = vec![(last_cpu, first_cpu)];
    table.ratio(what, "ms", turns, Target::AtMost(1.05));
}

/// Waits until a connection has a state. Between two looks is a pause, or they would be most of what
/// the server does.
fn until(client: &Client, connection: &str, code: &str) {
    let parameters = [("VpcPeeringConnectionId.1", connection)];
    loop {
        let found = client.ec2("DescribeVpcPeeringConnections", &parameters);
        if found.expect("it is there").text("code") == code {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a server takes of a core that has VPCs and fleets, and no requests.
fn idle_cpu(table: &mut Table) {
    let server = Dev::start();
    let studio = server.studio();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleets: Vec<String> = (0..FLEETS)
        .map(|_| scenario::fleet(&studio, &build, "server", ""))
        .collect();
    for n in 0..VPCS - FLEETS {
        scenario::vpc(&studio, &format!("172.{}.{}.0/24", 16 + n / 250, n % 250));
    }
    for fleet in &fleets {
        scenario::fleet_is(&studio, fleet, "ACTIVE");
    }
    thread::sleep(REST);
    let before = cpu_ms(server.pid());
    thread::sleep(IDLE);
    let percent = (cpu_ms(server.pid()) - before) / IDLE.as_secs_f64() / 10.0;
    let what = "idle CPU with 1,000 VPCs and 50 fleets";
    table.figure(what, "%", percent, None, Target::AtMost(0.2));
}

/// The milliseconds that a process was on a processor, with threads that have ended, in whole ticks of a
/// hundredth of a second (`proc_pid_stat(5)`).
fn cpu_ms(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name is in brackets and may have blanks.
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    let fields = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = fields
        .map(|ticks| ticks.parse::<f64>().expect("times are numbers"))
        .sum();
    ticks * 10.0
}
