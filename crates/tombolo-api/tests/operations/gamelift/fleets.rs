//! CreateFleet, DescribeFleetAttributes and ListFleets.

use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;
use tombolo_store::keys;
use tombolo_testkit::gamelift::{anywhere, fleet_input};

use crate::account::assert_refused;
use crate::document::{list, text, with};
use crate::server::{AWAY, HOME, STRANGER, STUDIO, Server};

const UNKNOWN: &str = "fleet-00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn a_fleet_starts_as_new_and_shows_its_attributes() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let created = studio.call("CreateFleet", fleet_input(&build)).await;
    let shown = &created["FleetAttributes"];
    let id = text(&shown["FleetId"]);
    assert_eq!(
        *shown,
        json!({
            "FleetId": id,
            "FleetArn": format!("arn:aws:gamelift:{HOME}:{STUDIO}:fleet/{id}"),
            "Name": "islands",
            "Description": null,
            "CreationTime": 1_795_348_800.489,
            "TerminationTime": null,
            "Status": "NEW",
            "ComputeType": "EC2",
            "FleetType": "ON_DEMAND",
            "InstanceType": "c5.large",
            "BuildId": build,
            "BuildArn": format!("arn:aws:gamelift:{HOME}:{STUDIO}:build/{build}"),
            "OperatingSystem": "AMAZON_LINUX_2023",
            "ServerLaunchPath": null,
            "ServerLaunchParameters": null,
            "LogPaths": null,
            "StoppedActions": null,
            "NewGameSessionProtectionPolicy": "NoProtection",
            "ResourceCreationLimitPolicy": null,
            "MetricGroups": ["default"],
            "CertificateConfiguration": {"CertificateType": "DISABLED"},
            "AnywhereConfiguration": null,
        })
    );
    assert_eq!(
        created["LocationStates"],
        json!([{"Location": HOME, "Status": "NEW"}])
    );
    for name in [&shown["FleetId"], &shown["FleetArn"]] {
        assert_eq!(studio.attributes(name.as_str().unwrap()).await, *shown);
    }
}

#[tokio::test]
async fn a_fleet_hides_a_vpc_with_one_subnet_from_the_shared_address_space() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let vpc = studio.hidden_vpc(&fleet).await;
    assert_eq!(vpc.cidr.to_string(), "100.64.0.0/24");
    assert_eq!(vpc.fleet.as_ref().unwrap().as_str(), fleet);

    let mut tx = server.transaction();
    let subnets = tx.peek(&keys::subnets(&studio.scope())).await.unwrap();
    assert_eq!(subnets.len(), 1);
    assert_eq!((&subnets[0].vpc, subnets[0].cidr), (&vpc.id, vpc.cidr));
    let tables = tx.peek(&keys::route_tables_of(&vpc.scope, &vpc.id)).await;
    assert_eq!(tables.unwrap().len(), 1);

    // Nobody can authorize a peering with it, not even its owner.
    let input = json!({"GameLiftAwsAccountId": STUDIO, "PeerVpcId": vpc.id});
    let refusal = studio.refusal("CreateVpcPeeringAuthorization", input).await;
    assert_refused(
        &refusal,
        "NotFoundException",
        &format!(
            "VPC {} was not found in account {STUDIO} and Region {HOME}.",
            vpc.id
        ),
    );
}

#[tokio::test]
async fn what_was_asked_for_is_kept() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let asked = json!({
        "Name": "islands",
        "Description": "for the weekend",
        "BuildId": format!("arn:aws:gamelift:{HOME}::build/{build}"),
        "EC2InstanceType": "c5.large",
        "FleetType": "SPOT",
        "ServerLaunchPath": "/local/game/server",
        "ServerLaunchParameters": "-port 1935",
        "LogPaths": ["/local/game/log"],
        "MetricGroups": ["weekend"],
        "NewGameSessionProtectionPolicy": "FullProtection",
        "ResourceCreationLimitPolicy": {"NewGameSessionsPerCreator": 3, "PolicyPeriodInMinutes": 15},
        "CertificateConfiguration": {"CertificateType": "DISABLED"},
        "EC2InboundPermissions":
            [{"FromPort": 1935, "ToPort": 1935, "IpRange": "0.0.0.0/0", "Protocol": "UDP"}],
        "Locations": [{"Location": HOME}],
        "PlayerGatewayMode": "DISABLED",
    });
    let fleet = studio.fleet_with(asked.clone()).await;
    let shown = studio.attributes(&fleet).await;
    for member in [
        "Description",
        "FleetType",
        "ServerLaunchPath",
        "ServerLaunchParameters",
        "LogPaths",
        "MetricGroups",
        "NewGameSessionProtectionPolicy",
        "ResourceCreationLimitPolicy",
    ] {
        assert_eq!(shown[member], asked[member], "{member}");
    }
    let stored = server.fleet(&fleet).await;
    let managed = stored.managed().expect("an EC2 fleet");
    let permission = &managed.inbound_permissions[0];
    assert_eq!((permission.from_port, permission.to_port), (1935, 1935));
    let process = &managed.runtime.server_processes[0];
    assert_eq!(process.launch_path, "/local/game/server");
    assert_eq!(process.parameters.as_deref(), Some("-port 1935"));
    assert_eq!(process.concurrent_executions, 1);
}

/// Clients fill in these limits by themselves, and there are no game sessions to limit.
#[tokio::test]
async fn limits_on_game_session_activations_may_be_given() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let mut input = fleet_input(&build);
    input["RuntimeConfiguration"]["MaxConcurrentGameSessionActivations"] = json!(1);
    input["RuntimeConfiguration"]["GameSessionActivationTimeoutSeconds"] = json!(600);
    studio.fleet_with(input).await;
}

#[tokio::test]
async fn an_anywhere_fleet_is_active_at_once_and_has_no_vpc() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let protection = "NewGameSessionProtectionPolicy";
    let input = with(anywhere(), protection, json!("FullProtection"));
    let created = studio.call("CreateFleet", input).await;
    let shown = &created["FleetAttributes"];
    assert_eq!(shown["Status"], "ACTIVE");
    assert_eq!(shown[protection], "FullProtection");
    assert_eq!(shown["ComputeType"], "ANYWHERE");
    assert_eq!(shown["AnywhereConfiguration"], json!({"Cost": "10"}));
    assert_eq!(shown["BuildId"], Value::Null);
    assert_eq!(
        created["LocationStates"],
        json!([{"Location": "custom-office", "Status": "ACTIVE"}])
    );
    let mut tx = server.transaction();
    assert_eq!(tx.peek(&keys::all_vpcs()).await.unwrap(), []);
}

#[tokio::test]
async fn requests_that_cannot_be_are_refused_with_the_reason() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let ec2 = || fleet_input(&build);
    let permission = |from: u16, to: u16, range: &str| json!([{"FromPort": from, "ToPort": to, "IpRange": range, "Protocol": "TCP"}]);
    let processes = |path: &str, count: u64| json!({"ServerProcesses": [{"LaunchPath": path, "ConcurrentExecutions": count}]});
    let forced = |cidr: &str| json!([{"Key": "tombolo:fleet-cidr", "Value": cidr}]);
    let refused = [
        (
            with(ec2(), "BuildId", Value::Null),
            "A fleet of compute type EC2 needs BuildId.",
        ),
        (
            with(ec2(), "EC2InstanceType", Value::Null),
            "A fleet of compute type EC2 needs EC2InstanceType.",
        ),
        (
            with(ec2(), "RuntimeConfiguration", Value::Null),
            "A fleet of compute type EC2 needs RuntimeConfiguration with at least one of \
             ServerProcesses.",
        ),
        (
            with(ec2(), "ServerLaunchPath", json!("/local/game/server")),
            "ServerLaunchPath is the older form of RuntimeConfiguration; give one of them.",
        ),
        (
            with(ec2(), "RuntimeConfiguration", processes("/bin/sh", 1)),
            "RuntimeConfiguration: the launch path \"/bin/sh\" is not under /local/game/, where \
             the build's files are.",
        ),
        (
            with(
                ec2(),
                "RuntimeConfiguration",
                processes("/local/game/../sh", 1),
            ),
            "RuntimeConfiguration: the launch path \"/local/game/../sh\" is not under \
             /local/game/, where the build's files are.",
        ),
        (
            with(
                ec2(),
                "RuntimeConfiguration",
                processes("/local/game/s", 51),
            ),
            "RuntimeConfiguration: the runtime configuration asks for 51 server processes an \
             instance; the most is 50.",
        ),
        (
            with(
                ec2(),
                "RuntimeConfiguration",
                processes("/local/game/s", 2_147_483_647),
            ),
            "RuntimeConfiguration: the runtime configuration asks for 2147483647 server processes \
             an instance; the most is 50.",
        ),
        (
            with(
                ec2(),
                "RuntimeConfiguration",
                processes("/local/game/s", u64::MAX),
            ),
            "1 validation error detected: Value '18446744073709551615' at \
             'runtimeConfiguration.serverProcesses.1.member.concurrentExecutions' failed to satisfy \
             constraint: Member must have value less than or equal to 2147483647",
        ),
        (
            with(
                ec2(),
                "EC2InboundPermissions",
                permission(2000, 1999, "0.0.0.0/0"),
            ),
            "EC2InboundPermissions: FromPort 2000 is greater than ToPort 1999.",
        ),
        (
            with(
                ec2(),
                "EC2InboundPermissions",
                permission(2000, 2000, "10.0.0.0/33"),
            ),
            "EC2InboundPermissions: IpRange '10.0.0.0/33' is not a valid CIDR block (such as \
             0.0.0.0/0).",
        ),
        (
            with(ec2(), "ScriptId", json!("script-1")),
            "ScriptId: Realtime scripts are not served by Tombolo; leave it out.",
        ),
        (
            with(ec2(), "InstanceRoleArn", json!("arn:aws:iam::1:role/r")),
            "InstanceRoleArn: credentials of IAM roles on instances are not served by Tombolo; \
             leave it out.",
        ),
        (
            with(
                ec2(),
                "CertificateConfiguration",
                json!({"CertificateType": "GENERATED"}),
            ),
            "CertificateConfiguration: generated TLS certificates are not served by Tombolo; leave \
             it out or give DISABLED.",
        ),
        (
            with(ec2(), "PlayerGatewayMode", json!("REQUIRED")),
            "PlayerGatewayMode: player gateways are not served by Tombolo; leave it out or give \
             DISABLED.",
        ),
        (
            with(
                ec2(),
                "PlayerGatewayConfiguration",
                json!({"GameServerIpProtocolSupported": "IPv4"}),
            ),
            "PlayerGatewayConfiguration: player gateways are not served by Tombolo; leave it out.",
        ),
        (
            with(ec2(), "ServerLaunchParameters", json!("-port 1935")),
            "ServerLaunchParameters are the arguments of ServerLaunchPath, which is missing; \
             arguments of ServerProcesses are their Parameters.",
        ),
        (
            with(ec2(), "AnywhereConfiguration", json!({"Cost": "1"})),
            "AnywhereConfiguration works with fleets of compute type ANYWHERE; this fleet is to \
             have compute type EC2.",
        ),
        (
            with(ec2(), "Tags", forced("10.0.0.0/15")),
            "The tag tombolo:fleet-cidr asks for a block: 10.0.0.0/15 is not between a /16 and a \
             /28.",
        ),
        (
            with(ec2(), "Tags", forced("ten")),
            "The tag tombolo:fleet-cidr asks for a block: \"ten\" is not a valid CIDR block (such \
             as 10.0.0.0/16).",
        ),
        (
            with(anywhere(), "Locations", Value::Null),
            "A fleet of compute type ANYWHERE needs Locations with at least one custom location, \
             such as custom-office.",
        ),
        (
            with(anywhere(), "Locations", json!([{"Location": HOME}])),
            "Location us-west-2 is not a custom location: the name of one starts with custom-.",
        ),
        (
            with(
                anywhere(),
                "RuntimeConfiguration",
                processes("/local/game/server", 1),
            ),
            "RuntimeConfiguration works with fleets of compute type EC2; this fleet is to have \
             compute type ANYWHERE.",
        ),
        (
            with(anywhere(), "ServerLaunchPath", json!("/local/game/server")),
            "ServerLaunchPath works with fleets of compute type EC2; this fleet is to have compute \
             type ANYWHERE.",
        ),
        (
            with(anywhere(), "ServerLaunchParameters", json!("-port 1935")),
            "ServerLaunchParameters works with fleets of compute type EC2; this fleet is to have \
             compute type ANYWHERE.",
        ),
        (
            with(anywhere(), "BuildId", json!(build)),
            "BuildId works with fleets of compute type EC2; this fleet is to have compute type \
             ANYWHERE.",
        ),
        (
            with(anywhere(), "PeerVpcId", json!("vpc-0123456789abcdef0")),
            "PeerVpcId works with fleets of compute type EC2; this fleet is to have compute type \
             ANYWHERE.",
        ),
        (
            with(anywhere(), "Tags", forced("10.0.0.0/24")),
            "tombolo:fleet-cidr works with fleets of compute type EC2; this fleet is to have \
             compute type ANYWHERE.",
        ),
    ];
    for (input, message) in refused {
        let refusal = studio.refusal("CreateFleet", input).await;
        assert_refused(&refusal, "InvalidRequestException", message);
    }

    let remote = with(
        ec2(),
        "Locations",
        json!([{"Location": HOME}, {"Location": AWAY}]),
    );
    assert_refused(
        &studio.refusal("CreateFleet", remote).await,
        "UnsupportedRegionException",
        "Location eu-west-1 is not served: a fleet has instances in its home Region us-west-2 only.",
    );
}

/// All that a server process can write to.
#[tokio::test]
async fn log_paths_are_folders_that_server_processes_write_to() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let with_paths = |paths: &[&str]| with(fleet_input(&build), "LogPaths", json!(paths));
    let good = [
        "/local/game/logs",
        "/local/game/a/b/",
        "/tmp",
        "/tmp/x",
        "/local/home",
        "/local/home/.game",
    ];
    let fleet = studio.fleet_with(with_paths(&good)).await;
    assert_eq!(studio.attributes(&fleet).await["LogPaths"], json!(good));

    for bad in [
        "/local/game",
        "/local/game/",
        "/local/games",
        "/local/game/../../etc",
        "/tmp/./x",
        "/tmp//x",
        "/etc",
        "logs",
        "/",
    ] {
        let message = format!(
            "LogPaths: {bad:?} is no folder under /local/game/ and neither /tmp, /local/home nor \
             under them."
        );
        let input = with_paths(&["/tmp", bad]);
        studio
            .refused("CreateFleet", input, "InvalidRequestException", &message)
            .await;
    }
    let message = "LogPaths: a fleet may have 10, and would have 11.";
    let input = with_paths(&["/tmp"; 11]);
    studio
        .refused("CreateFleet", input, "InvalidRequestException", message)
        .await;
}

#[tokio::test]
async fn the_model_refuses_before_the_operation() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let nameless = with(fleet_input(&build), "Name", Value::Null);
    let long = with(fleet_input(&build), "Name", json!("n".repeat(10_000)));
    let empty = with(fleet_input(&build), "Name", json!(""));
    for input in [nameless, long, empty] {
        let refusal = studio.refusal("CreateFleet", input).await;
        assert_eq!(refusal.code, "InvalidRequestException");
        assert!(refusal.message.contains("'name'"), "{}", refusal.message);
    }
}

#[tokio::test]
async fn a_fleet_needs_a_ready_build_of_its_own_account_and_region() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let awaiting = studio.call("CreateBuild", json!({})).await;
    let awaiting = text(&awaiting["Build"]["BuildId"]);
    assert_refused(
        &studio.refusal("CreateFleet", fleet_input(&awaiting)).await,
        "NotReadyException",
        &format!(
            "Build {awaiting} is INITIALIZED: a fleet runs the files of a READY build; upload \
             them, or make a build by `tombolo build import`."
        ),
    );

    let ready = studio.ready_build().await;
    for (account, region) in [(STRANGER, HOME), (STUDIO, AWAY)] {
        let caller = server.gamelift_in(account, region);
        assert_refused(
            &caller.refusal("CreateFleet", fleet_input(&ready)).await,
            "NotFoundException",
            &format!("Build {ready} was not found in account {account} and Region {region}."),
        );
    }
}

#[tokio::test]
async fn unknown_fleets_are_left_out_of_attributes() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let [first, second] = [studio.fleet().await, studio.fleet().await];
    let elsewhere = server.gamelift_in(STUDIO, AWAY).fleet().await;
    let strangers = server.gamelift(STRANGER).fleet().await;

    let named = json!({
        "FleetIds": [second, UNKNOWN, elsewhere, strangers, "containerfleet-1", first, second],
        "Limit": 1,
    });
    let described = studio.call("DescribeFleetAttributes", named).await;
    assert_eq!(ids(&described["FleetAttributes"]), [second, first]);
    assert_eq!(described["NextToken"], Value::Null);
}

fn ids(attributes: &Value) -> Vec<String> {
    let attributes = list(attributes);
    attributes.iter().map(|one| text(&one["FleetId"])).collect()
}

#[tokio::test]
async fn fleets_are_listed_by_build_in_pages_and_without_the_terminated() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let mut of_build = Vec::new();
    for _ in 0..4 {
        of_build.push(studio.fleet_with(fleet_input(&build)).await);
    }
    let other = studio.fleet().await;
    studio.call("CreateFleet", anywhere()).await;
    let terminated = of_build.pop().unwrap();
    server
        .set_status(&terminated, FleetStatus::Terminated)
        .await;
    of_build.sort();

    let listed = studio.call("ListFleets", json!({"BuildId": build})).await;
    assert_eq!(listed["FleetIds"], json!(of_build));
    for (input, count) in [
        (json!({}), 5),
        (json!({"BuildId": "build-none"}), 0),
        (json!({"ScriptId": "script-none"}), 0),
    ] {
        let listed = studio.call("ListFleets", input).await;
        assert_eq!(list(&listed["FleetIds"]).len(), count);
    }

    let first = studio.call("ListFleets", json!({"Limit": 4})).await;
    assert_eq!(list(&first["FleetIds"]).len(), 4);
    let next = json!({"Limit": 4, "NextToken": first["NextToken"]});
    let second = studio.call("ListFleets", next).await;
    assert_eq!(list(&second["FleetIds"]).len(), 1);
    assert_eq!(second["NextToken"], Value::Null);

    // A terminated fleet can still be described.
    assert_eq!(studio.attributes(&terminated).await["Status"], "TERMINATED");
    let all = studio
        .call("DescribeFleetAttributes", json!({"Limit": 3}))
        .await;
    assert_eq!(list(&all["FleetAttributes"]).len(), 3);
    let next = json!({"NextToken": all["NextToken"]});
    let rest = studio.call("DescribeFleetAttributes", next).await;
    let mut shown = [ids(&all["FleetAttributes"]), ids(&rest["FleetAttributes"])].concat();
    assert_eq!(shown.len(), 6);
    shown.retain(|id| *id == other || *id == terminated);
    assert_eq!(shown.len(), 2);
}
