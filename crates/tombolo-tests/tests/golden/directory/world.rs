//! What a data directory is recorded from: at least one record of every kind, in every state that is
//! stored. It takes root, since some records are only written where packets flow.

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::http::{self, Request, Response};
use tombolo_tests::scenario::text;
use tombolo_tests::server::Server;
use tombolo_tests::workload::Workload;
use tombolo_tests::xml::Xml;
use tombolo_tests::{build, scenario, tools, wait};

/// Where players come in, in the recording and in each replay.
pub(super) const PLAYERS: &[&str] = &["--players", "198.51.100.77"];

/// The address of a program that runs in a VPC.
pub(super) const PROGRAM: &str = "10.1.0.10";

/// What the server process of the fleet is started with that is just coming when the server is killed.
pub(crate) const COMING: &str = "--map dunes";

/// How often the clock is moved by ten years before anything is made: the day that this comes to is the
/// last one on which the directory can be replayed.
const DECADES: usize = 8;

/// Makes the world and kills its server; when that was, by its own clock.
pub(super) fn make() -> (Dev, Timestamp) {
    let mut server = Dev::start_with(&[&["--network", "ebpf"], PLAYERS].concat());
    for _ in 0..DECADES {
        advance(&server, "87648h");
    }
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc_with_subnet(&backend, "10.1.0.0/16");
    what_ends_by_itself(&server, &studio, &backend);
    accounts(&server);
    network(&backend, &vpc);
    let workload = Workload::start(&server, "backend", &vpc, PROGRAM.parse().unwrap());
    let others = peerings(&studio, &backend, &vpc);
    security_groups(&studio, &backend, &vpc, &others);
    let going = fleets(&server, &studio, &backend, &vpc);
    objects(&server, &studio);
    builds(&studio);
    repair(&server, &workload);

    // In the middle of something: a fleet that comes, one that goes.
    let ready = build::import(&server, &[("server", build::IDLE)]);
    let clock = tools::succeeds(&mut server.command(&["clock", "show", "--json"]));
    let going = studio.gamelift("DeleteFleet", &json!({ "FleetId": going }));
    going.expect("DeleteFleet");
    scenario::fleet(&studio, &ready, "server", COMING);
    server.kill();
    let clock: Value = serde_json::from_str(&clock).unwrap();
    (server, text(&clock["now"]).parse().unwrap())
}

fn advance(server: &Dev, by: &str) {
    tools::succeeds(&mut server.command(&["clock", "advance", by]));
}

/// A request that nobody accepts in its seven days, an authorization that is over, and one that was
/// taken back, each so late that it is still known.
fn what_ends_by_itself(server: &Dev, studio: &Client, backend: &Client) {
    let here = scenario::vpc(backend, "10.200.0.0/24");
    let there = scenario::vpc(studio, "10.200.1.0/24");
    request(backend, &here, studio, &there, "pending-acceptance");
    advance(server, "144h");
    scenario::authorize(backend, studio, &here);
    let taken_back = scenario::vpc(backend, "10.200.2.0/24");
    advance(server, "23h");
    scenario::authorize(backend, studio, &taken_back);
    let pair = json!({ "GameLiftAwsAccountId": studio.account, "PeerVpcId": taken_back });
    gamelift(backend, "DeleteVpcPeeringAuthorization", &pair);
    advance(server, "1h 30m");
}

fn gamelift(client: &Client, operation: &str, input: &Value) -> Value {
    client.gamelift(operation, input).expect(operation)
}

fn ec2(client: &Client, action: &str, parameters: &[(&str, &str)]) -> Xml {
    client.ec2(action, parameters).expect(action)
}

/// Beside the two accounts, one with two users.
fn accounts(server: &Dev) {
    tools::succeeds(&mut server.command(&["account", "create", "--name", "auditor"]));
    for user in ["admin", "ci"] {
        let key = [
            "access-key",
            "create",
            "--account",
            "auditor",
            "--user",
            user,
        ];
        tools::succeeds(&mut server.command(&key));
    }
}

fn network(backend: &Client, vpc: &str) {
    let ec2 = |action: &str, parameters: &[(&str, &str)]| ec2(backend, action, parameters);
    ec2(
        "AssociateVpcCidrBlock",
        &[("VpcId", vpc), ("CidrBlock", "10.2.0.0/20")],
    );
    let hostnames = [("VpcId", vpc), ("EnableDnsHostnames.Value", "true")];
    ec2("ModifyVpcAttribute", &hostnames);
    let subnet = [
        ("VpcId", vpc),
        ("CidrBlock", "10.2.1.0/24"),
        ("AvailabilityZone", "us-west-2b"),
    ];
    let subnet = ec2("CreateSubnet", &subnet).text("subnetId");
    let interface = [
        ("SubnetId", &*subnet),
        ("Description", "spare"),
        ("PrivateIpAddress", "10.2.1.9"),
    ];
    let interface = ec2("CreateNetworkInterface", &interface).text("networkInterfaceId");
    let table = ec2("CreateRouteTable", &[("VpcId", vpc)]).text("routeTableId");
    ec2(
        "AssociateRouteTable",
        &[("RouteTableId", &table), ("SubnetId", &subnet)],
    );
    let tags = [
        ("ResourceId.1", vpc),
        ("ResourceId.2", &*subnet),
        ("ResourceId.3", &*table),
        ("ResourceId.4", &*interface),
        ("Tag.1.Key", "Name"),
        ("Tag.1.Value", "backend & \"database\""),
        ("Tag.2.Key", "stage"),
        ("Tag.2.Value", ""),
    ];
    ec2("CreateTags", &tags);
    scenario::vpc(&backend.in_region("eu-west-1"), "10.1.0.0/16");
}

/// Asks for a peering between two VPCs, and waits until it has the state.
fn request(from: &Client, vpc: &str, to: &Client, peer: &str, state: &str) -> String {
    let asked = [
        ("VpcId", vpc),
        ("PeerVpcId", peer),
        ("PeerOwnerId", &*to.account),
    ];
    let made = ec2(from, "CreateVpcPeeringConnection", &asked);
    let id = made.text("vpcPeeringConnectionId");
    peering_is(from, &id, state);
    id
}

fn peering_is(client: &Client, id: &str, state: &str) {
    wait::until(&format!("{id} to be {state}"), || {
        let asked = [("VpcPeeringConnectionId.1", id)];
        let found = ec2(client, "DescribeVpcPeeringConnections", &asked);
        (found.text("code") == state).then_some(())
    });
}

/// VPCs of the studio's that the backend's is, and was, peered with.
struct Others {
    peered: String,
    no_longer: Ended,
}

/// A peering that is to end.
struct Ended {
    vpc: String,
    connection: String,
}

/// Between VPCs of both accounts: rejected, waiting, failed, active, and one that
/// [`security_groups`] ends.
fn peerings(studio: &Client, backend: &Client, vpc: &str) -> Others {
    let rejected = scenario::vpc(studio, "10.10.0.0/24");
    let one = request(backend, vpc, studio, &rejected, "pending-acceptance");
    let id = [("VpcPeeringConnectionId", &*one)];
    ec2(studio, "RejectVpcPeeringConnection", &id);
    request(backend, vpc, studio, &rejected, "pending-acceptance");
    let overlapping = scenario::vpc(studio, "10.1.64.0/24");
    request(backend, vpc, studio, &overlapping, "failed");
    let accepted = |cidr| {
        let other = scenario::vpc(studio, cidr);
        let one = request(backend, vpc, studio, &other, "pending-acceptance");
        let id = [("VpcPeeringConnectionId", &*one)];
        ec2(studio, "AcceptVpcPeeringConnection", &id);
        peering_is(backend, &one, "active");
        (other, one)
    };
    let (no_longer, ended) = accepted("10.11.0.0/24");
    let (peered, connection) = accepted("10.12.0.0/24");
    let tables = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc)];
    let table = ec2(backend, "DescribeRouteTables", &tables).text("routeTableId");
    for (cidr, connection) in [("10.11.0.0/24", &ended), ("10.12.0.0/24", &connection)] {
        let route = [
            ("RouteTableId", &*table),
            ("DestinationCidrBlock", cidr),
            ("VpcPeeringConnectionId", connection),
        ];
        ec2(backend, "CreateRoute", &route);
    }
    let hostnames = [("VpcId", &*peered), ("EnableDnsHostnames.Value", "true")];
    ec2(studio, "ModifyVpcAttribute", &hostnames);
    let options = [
        ("VpcPeeringConnectionId", &*connection),
        (
            "RequesterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc",
            "true",
        ),
    ];
    ec2(backend, "ModifyVpcPeeringConnectionOptions", &options);
    Others {
        peered,
        no_longer: Ended {
            vpc: no_longer,
            connection: ended,
        },
    }
}

/// A rule: protocol, ports, and whom it lets through.
type Rule<'r> = (&'r str, &'r str, &'r str, &'r [(&'r str, &'r str)]);

/// A group with every kind of rule. One names a group of a VPC whose peering then ends: it is stale,
/// and the route there a black hole.
fn security_groups(studio: &Client, backend: &Client, vpc: &str, others: &Others) {
    let group = |client: &Client, vpc: &str, name: &str| {
        let made = [
            ("GroupName", name),
            ("GroupDescription", "of a recording"),
            ("VpcId", vpc),
        ];
        ec2(client, "CreateSecurityGroup", &made).text("groupId")
    };
    let database = group(backend, vpc, "database");
    let beside = group(backend, vpc, "beside");
    let peered = group(studio, &others.peered, "peered");
    let stale = group(studio, &others.no_longer.vpc, "no longer peered");
    const BLOCK: &str = "IpPermissions.1.IpRanges.1.CidrIp";
    const NOTE: &str = "IpPermissions.1.IpRanges.1.Description";
    const GROUP: &str = "IpPermissions.1.Groups.1.GroupId";
    const OWNER: &str = "IpPermissions.1.Groups.1.UserId";
    let account = &*studio.account;
    let inbound: [Rule<'_>; 7] = [
        (
            "tcp",
            "5432",
            "5432",
            &[(BLOCK, "10.0.0.0/8"), (NOTE, "fleets")],
        ),
        ("udp", "1000", "2000", &[(BLOCK, "192.0.2.7/32")]),
        ("icmp", "8", "-1", &[(BLOCK, "0.0.0.0/0")]),
        ("-1", "-1", "-1", &[(GROUP, &database)]),
        ("tcp", "22", "22", &[(GROUP, &beside)]),
        ("tcp", "6379", "6379", &[(GROUP, &peered), (OWNER, account)]),
        ("tcp", "6380", "6380", &[(GROUP, &stale), (OWNER, account)]),
    ];
    let outbound: [Rule<'_>; 1] = [(
        "udp",
        "53",
        "53",
        &[(BLOCK, "10.1.0.2/32"), (NOTE, "names")],
    )];
    let add = |action: &str, (protocol, from, to, whom): Rule<'_>| {
        let rule = [
            ("GroupId", &*database),
            ("IpPermissions.1.IpProtocol", protocol),
            ("IpPermissions.1.FromPort", from),
            ("IpPermissions.1.ToPort", to),
        ];
        ec2(backend, action, &[&rule[..], whom].concat());
    };
    for rule in inbound {
        add("AuthorizeSecurityGroupIngress", rule);
    }
    for rule in outbound {
        add("AuthorizeSecurityGroupEgress", rule);
    }
    let Ended { connection, .. } = &others.no_longer;
    let id = [("VpcPeeringConnectionId", &**connection)];
    ec2(studio, "DeleteVpcPeeringConnection", &id);
    peering_is(backend, connection, "deleted");
}

/// Fleets in most statuses, and the one that is to go in the last moment.
fn fleets(server: &Dev, studio: &Client, backend: &Client, vpc: &str) -> String {
    let ready = build::import(server, &[("server", build::IDLE)]);
    let fleet = the_fleet_with_everything(studio, &ready);
    // Its peerings: one active, one that was ended, one that failed.
    scenario::authorize(backend, studio, vpc);
    scenario::connect(studio, backend, &fleet, vpc);
    let ended = scenario::vpc(backend, "10.20.0.0/24");
    scenario::authorize(backend, studio, &ended);
    let connection = scenario::connect(studio, backend, &fleet, &ended);
    scenario::disconnect(studio, &connection);
    let mut events = scenario::events(studio, &fleet).into_iter();
    let created = events.find(|event| event.starts_with("FLEET_CREATED"));
    let created = created.unwrap();
    let (_, block) = created.rsplit_once("CIDR block ").unwrap();
    let overlapping = scenario::vpc(backend, block.trim_end_matches('.'));
    scenario::authorize(backend, studio, &overlapping);
    let requested = scenario::request_connection(studio, backend, &fleet, &overlapping);
    requested.expect("CreateVpcPeeringConnection");
    scenario::connection_is(studio, &fleet, &overlapping, "failed");

    let failing = scenario::fleet(studio, &ready, "no-such-program", "");
    scenario::fleet_is(studio, &failing, "ERROR");
    let gone = scenario::active_fleet(studio, &ready, "server", "");
    gamelift(studio, "DeleteFleet", &json!({ "FleetId": gone }));
    scenario::fleet_is(studio, &gone, "TERMINATED");
    let anywhere = json!({
        "Name": "office",
        "ComputeType": "ANYWHERE",
        "Locations": [{ "Location": "custom-office" }],
        "AnywhereConfiguration": { "Cost": "10" },
    });
    gamelift(studio, "CreateFleet", &anywhere);
    scenario::active_fleet(studio, &ready, "server", "--map lagoon")
}

fn instances_are(studio: &Client, fleet: &str, count: usize) {
    wait::until(&format!("{count} instances"), || {
        let found = gamelift(studio, "DescribeInstances", &json!({ "FleetId": fleet }));
        let found = found["Instances"].as_array().unwrap();
        let are_active = found.iter().all(|one| one["Status"] == "ACTIVE");
        (are_active && found.len() == count).then_some(())
    });
}

/// Everything that a fleet can have, and one instance where there were two.
fn the_fleet_with_everything(studio: &Client, ready: &str) -> String {
    let input = json!({
        "Name": "arena",
        "Description": "two teams, one ball",
        "BuildId": ready,
        "EC2InstanceType": "c5.large",
        "FleetType": "SPOT",
        "EC2InboundPermissions": [
            { "FromPort": 7777, "ToPort": 7778, "IpRange": "0.0.0.0/0", "Protocol": "UDP" },
            { "FromPort": 8000, "ToPort": 8000, "IpRange": "10.0.0.0/8", "Protocol": "TCP" },
        ],
        "NewGameSessionProtectionPolicy": "FullProtection",
        "ResourceCreationLimitPolicy": { "NewGameSessionsPerCreator": 3, "PolicyPeriodInMinutes": 15 },
        "MetricGroups": ["arena"],
        "LogPaths": ["/local/game/logs"],
        "RuntimeConfiguration": {
            "ServerProcesses": [{
                "LaunchPath": "/local/game/server",
                "Parameters": "--map islands",
                "ConcurrentExecutions": 1,
            }],
            "MaxConcurrentGameSessionActivations": 2,
            "GameSessionActivationTimeoutSeconds": 60,
        },
        "Tags": [
            { "Key": "team", "Value": "arena" },
            { "Key": "tombolo:internet", "Value": "allowed" },
        ],
    });
    let made = gamelift(studio, "CreateFleet", &input);
    let fleet = text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(studio, &fleet, "ACTIVE");
    let capacity = json!({ "FleetId": fleet, "MinSize": 1, "MaxSize": 3, "DesiredInstances": 2 });
    gamelift(studio, "UpdateFleetCapacity", &capacity);
    instances_are(studio, &fleet, 2);
    // Of two, one or the other would be started again first by the next server.
    let capacity = json!({ "FleetId": fleet, "MinSize": 1, "DesiredInstances": 1 });
    gamelift(studio, "UpdateFleetCapacity", &capacity);
    instances_are(studio, &fleet, 1);
    let stopped = json!({ "FleetId": fleet, "Actions": ["AUTO_SCALING"] });
    gamelift(studio, "StopFleetActions", &stopped);
    let policy = json!({
        "FleetId": fleet,
        "Name": "free / 12.5 %",
        "PolicyType": "TargetBased",
        "MetricName": "PercentAvailableGameSessions",
        "TargetConfiguration": { "TargetValue": 12.5 },
    });
    gamelift(studio, "PutScalingPolicy", &policy);
    fleet
}

/// Asks S3, and is content only with success.
fn s3(
    client: &Client,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let hash = hex::encode(Sha256::digest(body));
    let mut request = Request::new(method, target)
        .header("host", &client.server.to_string())
        .header("x-amz-content-sha256", &hash)
        .body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let signed = client.signer_for("s3").sign_with(request, &hash);
    let response = http::send(client.server, &signed).expect("the server answers");
    assert!(
        response.status < 300,
        "{method} {target}: {}",
        response.text()
    );
    response
}

fn objects(server: &Dev, studio: &Client) {
    s3(studio, "PUT", "/games", &[], "");
    let described = [
        ("content-type", "text/plain"),
        ("x-amz-meta-team", "arena"),
        ("x-amz-checksum-crc32", "DUoRhQ=="),
    ];
    s3(
        studio,
        "PUT",
        "/games/maps/islands.txt",
        &described,
        "hello world",
    );
    s3(studio, "PUT", "/games/arena.zip", &[], "this is no archive");

    let upload = begin(studio, "/games/parts", &[]);
    let target = format!("/games/parts?partNumber=1&uploadId={upload}");
    let part = s3(studio, "PUT", &target, &[], "whole");
    let complete = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         </CompleteMultipartUpload>",
        part.header("etag").unwrap()
    );
    let target = format!("/games/parts?uploadId={upload}");
    s3(studio, "POST", &target, &[], &complete);

    let described = [
        ("content-type", "application/zip"),
        ("x-amz-meta-version", "7"),
    ];
    let upload = begin(studio, "/games/under-way.zip", &described);
    for (number, content) in [(1, "first"), (2, "second"), (7, "seventh")] {
        let target = format!("/games/under-way.zip?partNumber={number}&uploadId={upload}");
        s3(studio, "PUT", &target, &[], content);
    }

    // A folder in the place of an object's file cannot be removed as a file is, so that the record of
    // an unused blob stays.
    let files = server.directory().join("objects");
    let before = names(&files);
    s3(studio, "PUT", "/games/gone", &[], "gone");
    let after = names(&files);
    let blob = after.iter().find(|name| !before.contains(name));
    let blob = files.join(blob.expect("a new file"));
    fs::remove_file(&blob).unwrap();
    fs::create_dir(&blob).unwrap();
    s3(studio, "DELETE", "/games/gone", &[], "");
}

/// Begins a multipart upload; its id.
fn begin(studio: &Client, target: &str, headers: &[(&str, &str)]) -> String {
    let begun = s3(studio, "POST", &format!("{target}?uploads="), headers, "");
    Xml(begun.text()).text("UploadId")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Beside those of the fleets: one that waits for its files, with credentials to upload them, and one
/// whose files are none.
fn builds(studio: &Client) {
    let waiting = json!({
        "Name": "waiting",
        "Version": "2.0",
        "OperatingSystem": "AMAZON_LINUX_2023",
        "ServerSdkVersion": "5.1.2",
        "Tags": [{ "Key": "stage", "Value": "test" }],
    });
    gamelift(studio, "CreateBuild", &waiting);
    let role = format!("arn:aws:iam::{}:role/build", studio.account);
    let location = json!({ "Bucket": "games", "Key": "arena.zip", "RoleArn": role });
    let broken = json!({
        "Name": "broken",
        "OperatingSystem": "AMAZON_LINUX_2023",
        "StorageLocation": location,
    });
    let made = gamelift(studio, "CreateBuild", &broken);
    let build = json!({ "BuildId": made["Build"]["BuildId"] });
    wait::until("the build to be refused", || {
        let found = gamelift(studio, "DescribeBuild", &build);
        (found["Build"]["Status"] == "FAILED").then_some(())
    });
}

/// Takes a workload's link away, and waits until that has been put right, which is looked at every
/// 15 s.
fn repair(server: &Dev, workload: &Workload) {
    workload.within(|| {
        let deleted = Command::new("ip").args(["link", "delete", "eth0"]).status();
        assert!(deleted.unwrap().success());
    });
    wait::until("the repair", || {
        let told = tools::succeeds(&mut server.command(&["repairs", "--json"]));
        (told.trim() != "[]").then_some(())
    });
}
