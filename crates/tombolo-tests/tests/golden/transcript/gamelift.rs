//! GameLift, in either of its protocols.

use serde_json::{Value, json};
use tombolo_tests::scenario::text;
use tombolo_tests::{build, scenario};

use super::Transcript;
use super::Who::{Backend, Studio};

/// What the server is started with: players come in, so that instances have public ports.
pub(super) const SERVER: &[&str] = &["--players", "192.0.2.1"];

pub(super) fn converse(t: &mut Transcript) {
    let ready = builds(t);
    let fleet = fleets(t, &ready);
    tags(t, &fleet);
    capacity(t, &fleet);
    scaling(t, &fleet);
    instances(t, &fleet);
    authorizations(t);
    peering(t, &ready, &fleet);
    deletion(t, &fleet);
    refused_everywhere(t);
}

fn builds(t: &mut Transcript) -> String {
    t.gamelift(Studio, "CreateBuild", json!({ "OperatingSystem": "BEOS" }));
    t.gamelift(
        Studio,
        "CreateBuild",
        json!({ "StorageLocation": { "Bucket": "nobodys", "Key": "arena.zip", "RoleArn": "arn:aws:iam::000000000000:role/build" } }),
    );
    let made = t.gamelift(
        Studio,
        "CreateBuild",
        json!({ "Name": "arena", "Version": "1.0.0", "OperatingSystem": "AMAZON_LINUX_2023",
            "Tags": [{ "Key": "team", "Value": "arena" }] }),
    );
    let build = text(&made["Build"]["BuildId"]);
    t.walk(
        Studio,
        "RequestUploadCredentials",
        json!({ "BuildId": build }),
    );
    t.walk(
        Studio,
        "UpdateBuild",
        json!({ "BuildId": build, "Name": "coliseum", "Version": "1.0.1" }),
    );
    t.walk(Studio, "DescribeBuild", json!({ "BuildId": build }));
    t.walk(Studio, "DeleteBuild", json!({ "BuildId": build }));
    t.gamelift(Studio, "DescribeBuild", json!({ "BuildId": build }));

    let ready = build::import(&t.server, &[("server", build::IDLE)]);
    t.gamelift(
        Studio,
        "RequestUploadCredentials",
        json!({ "BuildId": ready }),
    );
    t.gamelift(Studio, "ListBuilds", json!({ "Status": "LOST" }));
    t.gamelift(Studio, "ListBuilds", json!({ "Limit": 0 }));
    t.walk(
        Studio,
        "ListBuilds",
        json!({ "Status": "READY", "Limit": 5 }),
    );
    t.gamelift(Studio, "ListBuilds", json!({ "NextToken": "nonsense" }));
    ready
}

fn fleet_input(build: &str) -> Value {
    json!({
        "Name": "arena",
        "Description": "two teams, one ball",
        "BuildId": build,
        "EC2InstanceType": "c5.large",
        "FleetType": "SPOT",
        "EC2InboundPermissions": [
            { "FromPort": 7777, "ToPort": 7778, "IpRange": "0.0.0.0/0", "Protocol": "UDP" },
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
        "Tags": [{ "Key": "team", "Value": "arena" }],
    })
}

fn fleets(t: &mut Transcript, ready: &str) -> String {
    let input = fleet_input(ready);
    t.gamelift(Studio, "CreateFleet", json!({}));
    t.gamelift(Studio, "CreateFleet", json!({ "Name": "arena" }));
    let mut unknown = input.clone();
    unknown["BuildId"] = "build-00000000-0000-0000-0000-000000000000".into();
    t.gamelift(Studio, "CreateFleet", unknown);
    t.gamelift(Backend, "CreateFleet", input.clone());
    let mut without_instances = input.clone();
    without_instances["EC2InstanceType"] = Value::Null;
    t.gamelift(Studio, "CreateFleet", without_instances);
    let mut port_of_the_machine = input.clone();
    port_of_the_machine["EC2InboundPermissions"][0]["FromPort"] = 80.into();
    t.gamelift(Studio, "CreateFleet", port_of_the_machine);
    let mut half_a_peer = input.clone();
    half_a_peer["PeerVpcId"] = "vpc-00000000000000000".into();
    t.gamelift(Studio, "CreateFleet", half_a_peer.clone());
    half_a_peer["PeerVpcAwsAccountId"] = t.server.backend().account.into();
    t.gamelift(Studio, "CreateFleet", half_a_peer);

    let made = t.gamelift(Studio, "CreateFleet", input);
    let fleet = text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(&t.server.studio(), &fleet, "ACTIVE");
    let anywhere = t.gamelift(
        Studio,
        "CreateFleet",
        json!({ "Name": "office", "ComputeType": "ANYWHERE", "Locations": [{ "Location": "custom-office" }],
            "AnywhereConfiguration": { "Cost": "10" } }),
    );
    let anywhere = text(&anywhere["FleetAttributes"]["FleetId"]);
    t.gamelift(
        Studio,
        "CreateFleet",
        json!({ "Name": "office", "ComputeType": "ANYWHERE" }),
    );

    t.walk(
        Studio,
        "DescribeFleetAttributes",
        json!({ "FleetIds": [fleet] }),
    );
    t.gamelift(
        Studio,
        "DescribeFleetAttributes",
        json!({ "FleetIds": [fleet, "fleet-00000000-0000-0000-0000-000000000000"] }),
    );
    t.gamelift(
        Studio,
        "DescribeFleetAttributes",
        json!({ "FleetIds": ["no fleet"] }),
    );
    t.walk(Studio, "ListFleets", json!({ "BuildId": ready }));
    t.gamelift(Studio, "ListFleets", json!({ "Limit": 500 }));
    t.gamelift(Studio, "ListFleets", json!({ "Limit": -1 }));
    t.walk(
        Studio,
        "UpdateFleetAttributes",
        json!({ "FleetId": fleet, "Name": "coliseum", "Description": "one team, two balls",
            "NewGameSessionProtectionPolicy": "NoProtection", "MetricGroups": ["coliseum"] }),
    );
    t.walk(
        Studio,
        "DescribeFleetLocationAttributes",
        json!({ "FleetId": fleet }),
    );
    t.gamelift(
        Studio,
        "DescribeFleetLocationAttributes",
        json!({ "FleetId": fleet, "Locations": ["mars"] }),
    );
    t.gamelift(
        Studio,
        "DescribeFleetLocationAttributes",
        json!({ "FleetId": anywhere }),
    );
    t.gamelift(
        Studio,
        "DescribeFleetCapacity",
        json!({ "FleetIds": [anywhere] }),
    );
    t.gamelift(Studio, "DescribeInstances", json!({ "FleetId": anywhere }));
    t.gamelift(Studio, "DeleteFleet", json!({ "FleetId": anywhere }));
    t.gamelift(
        Studio,
        "DescribeFleetAttributes",
        json!({ "FleetIds": [anywhere] }),
    );
    fleet
}

fn tags(t: &mut Transcript, fleet: &str) {
    let found = t.gamelift(
        Studio,
        "DescribeFleetAttributes",
        json!({ "FleetIds": [fleet] }),
    );
    let arn = text(&found["FleetAttributes"][0]["FleetArn"]);
    t.walk(
        Studio,
        "TagResource",
        json!({ "ResourceARN": arn, "Tags": [{ "Key": "season", "Value": "3" }, { "Key": "team", "Value": "coliseum" }] }),
    );
    t.gamelift(
        Studio,
        "TagResource",
        json!({ "ResourceARN": "no arn", "Tags": [{ "Key": "a", "Value": "b" }] }),
    );
    t.walk(Studio, "ListTagsForResource", json!({ "ResourceARN": arn }));
    t.walk(
        Studio,
        "UntagResource",
        json!({ "ResourceARN": arn, "TagKeys": ["season", "none"] }),
    );
    t.gamelift(Studio, "ListTagsForResource", json!({ "ResourceARN": arn }));
}

fn capacity(t: &mut Transcript, fleet: &str) {
    let ids = json!({ "FleetIds": [fleet] });
    let at = json!({ "FleetId": fleet, "Location": "us-west-2" });
    t.walk(
        Studio,
        "UpdateFleetCapacity",
        json!({ "FleetId": fleet, "MinSize": 1, "MaxSize": 3, "DesiredInstances": 2 }),
    );
    t.gamelift(
        Studio,
        "UpdateFleetCapacity",
        json!({ "FleetId": fleet, "MaxSize": 3, "DesiredInstances": 4 }),
    );
    t.gamelift(
        Studio,
        "UpdateFleetCapacity",
        json!({ "FleetId": fleet, "MaxSize": 3000 }),
    );
    t.until(Studio, "DescribeFleetCapacity", &ids, |found| {
        found["FleetCapacity"][0]["InstanceCounts"]["ACTIVE"] == 2
    });
    t.walk(Studio, "DescribeFleetCapacity", ids.clone());
    t.walk(Studio, "DescribeFleetLocationCapacity", at.clone());
    t.walk(Studio, "DescribeFleetUtilization", ids.clone());
    t.gamelift(
        Studio,
        "DescribeFleetUtilization",
        json!({ "FleetIds": ["no fleet"] }),
    );
    t.walk(Studio, "DescribeFleetLocationUtilization", at);
    t.gamelift(
        Studio,
        "DescribeFleetLocationCapacity",
        json!({ "FleetId": fleet, "Location": "eu-west-1" }),
    );
    t.gamelift(
        Studio,
        "UpdateFleetCapacity",
        json!({ "FleetId": fleet, "MinSize": 1, "DesiredInstances": 1 }),
    );
    t.until(
        Studio,
        "DescribeInstances",
        &json!({ "FleetId": fleet }),
        |found| {
            found["Instances"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
        },
    );
}

/// Policies are stopped all the time: what one would do depends on when it looks.
fn scaling(t: &mut Transcript, fleet: &str) {
    let actions = json!({ "FleetId": fleet, "Actions": ["AUTO_SCALING"] });
    t.walk(Studio, "StopFleetActions", actions.clone());
    t.gamelift(
        Studio,
        "StopFleetActions",
        json!({ "FleetId": fleet, "Actions": ["DANCE"] }),
    );
    t.walk(
        Studio,
        "PutScalingPolicy",
        json!({ "FleetId": fleet, "Name": "free", "PolicyType": "TargetBased",
            "MetricName": "PercentAvailableGameSessions", "TargetConfiguration": { "TargetValue": 12.5 } }),
    );
    t.gamelift(
        Studio,
        "PutScalingPolicy",
        json!({ "FleetId": fleet, "Name": "another", "PolicyType": "RuleBased", "MetricName": "IdleInstances",
            "Threshold": 1.0, "EvaluationPeriods": 2, "ComparisonOperator": "LessThanThreshold",
            "ScalingAdjustment": 1, "ScalingAdjustmentType": "ChangeInCapacity" }),
    );
    t.walk(
        Studio,
        "DescribeScalingPolicies",
        json!({ "FleetId": fleet }),
    );
    t.gamelift(
        Studio,
        "DescribeScalingPolicies",
        json!({ "FleetId": fleet, "StatusFilter": "DELETED" }),
    );
    t.walk(
        Studio,
        "DeleteScalingPolicy",
        json!({ "FleetId": fleet, "Name": "free" }),
    );
    t.gamelift(
        Studio,
        "DeleteScalingPolicy",
        json!({ "FleetId": fleet, "Name": "free" }),
    );
    t.walk(Studio, "StartFleetActions", actions);
}

fn instances(t: &mut Transcript, fleet: &str) {
    let of_fleet = json!({ "FleetId": fleet });
    t.walk(Studio, "DescribeInstances", of_fleet.clone());
    t.gamelift(
        Studio,
        "DescribeInstances",
        json!({ "FleetId": fleet, "InstanceId": "i-00000000000000000" }),
    );
    t.walk(Studio, "DescribeFleetPortSettings", of_fleet.clone());
    t.walk(
        Studio,
        "UpdateFleetPortSettings",
        json!({ "FleetId": fleet,
            "InboundPermissionAuthorizations": [
                { "FromPort": 8000, "ToPort": 8001, "IpRange": "10.0.0.0/8", "Protocol": "TCP" }],
            "InboundPermissionRevocations": [
                { "FromPort": 7777, "ToPort": 7778, "IpRange": "0.0.0.0/0", "Protocol": "UDP" }] }),
    );
    t.gamelift(
        Studio,
        "UpdateFleetPortSettings",
        json!({ "FleetId": fleet, "InboundPermissionAuthorizations": [
            { "FromPort": 1, "ToPort": 2, "IpRange": "10.0.0.0/8", "Protocol": "TCP" }] }),
    );
    t.gamelift(Studio, "DescribeFleetPortSettings", of_fleet.clone());
    t.walk(Studio, "DescribeRuntimeConfiguration", of_fleet.clone());
    t.walk(
        Studio,
        "UpdateRuntimeConfiguration",
        json!({ "FleetId": fleet, "RuntimeConfiguration": { "ServerProcesses": [
            { "LaunchPath": "/local/game/server", "Parameters": "--map lagoon", "ConcurrentExecutions": 1 }] } }),
    );
    t.gamelift(
        Studio,
        "UpdateRuntimeConfiguration",
        json!({ "FleetId": fleet, "RuntimeConfiguration": { "ServerProcesses": [
            { "LaunchPath": "/bin/true", "ConcurrentExecutions": 1 }] } }),
    );
    t.gamelift(Studio, "DescribeRuntimeConfiguration", of_fleet);
}

fn authorizations(t: &mut Transcript) {
    let (studio, backend) = (t.server.studio(), t.server.backend());
    let vpc = scenario::vpc(&backend, "10.2.0.0/16");
    let pair = json!({ "GameLiftAwsAccountId": studio.account, "PeerVpcId": vpc });
    t.walk(Backend, "CreateVpcPeeringAuthorization", pair.clone());
    t.gamelift(
        Backend,
        "CreateVpcPeeringAuthorization",
        json!({ "GameLiftAwsAccountId": "nobody", "PeerVpcId": vpc }),
    );
    t.walk(Backend, "DescribeVpcPeeringAuthorizations", json!({}));
    t.gamelift(Studio, "DescribeVpcPeeringAuthorizations", json!({}));
    t.gamelift(
        Studio,
        "DescribeVpcPeeringAuthorizations",
        json!({ "FleetId": "none" }),
    );
    // It has no member that could be wrong.
    t.not_signed("gamelift", "DescribeVpcPeeringAuthorizations");
    t.walk(Backend, "DeleteVpcPeeringAuthorization", pair.clone());
    t.gamelift(Backend, "DeleteVpcPeeringAuthorization", pair);
    t.gamelift(Backend, "DescribeVpcPeeringAuthorizations", json!({}));
}

fn peering(t: &mut Transcript, ready: &str, fleet: &str) {
    let (studio, backend) = (t.server.studio(), t.server.backend());
    let vpc = scenario::vpc(&backend, "10.1.0.0/16");
    let input =
        json!({ "FleetId": fleet, "PeerVpcAwsAccountId": backend.account, "PeerVpcId": vpc });
    let of_fleet = json!({ "FleetId": fleet });
    let is_there = |state: &'static str| {
        move |found: &Value| {
            let all = found["VpcPeeringConnections"].as_array();
            all.is_some_and(|all| all.iter().any(|one| one["Status"]["Code"] == state))
        }
    };
    t.gamelift(Studio, "CreateVpcPeeringConnection", input.clone());
    scenario::authorize(&backend, &studio, &vpc);
    t.walk(Studio, "CreateVpcPeeringConnection", input.clone());
    t.until(
        Studio,
        "DescribeVpcPeeringConnections",
        &of_fleet,
        is_there("active"),
    );
    t.gamelift(Studio, "CreateVpcPeeringConnection", input.clone());
    t.walk(Studio, "DescribeVpcPeeringConnections", of_fleet.clone());
    let found = t.gamelift(Studio, "DescribeVpcPeeringConnections", json!({}));
    let id = text(&found["VpcPeeringConnections"][0]["VpcPeeringConnectionId"]);
    let deletion = json!({ "FleetId": fleet, "VpcPeeringConnectionId": id });
    let pair = json!({ "GameLiftAwsAccountId": studio.account, "PeerVpcId": vpc });
    let cancelled = backend.gamelift("DeleteVpcPeeringAuthorization", &pair);
    cancelled.expect("DeleteVpcPeeringAuthorization");
    t.gamelift(Studio, "CreateVpcPeeringConnection", input);
    t.gamelift(Studio, "DeleteVpcPeeringConnection", deletion.clone());
    t.gamelift(Studio, "DeleteFleet", of_fleet.clone());
    scenario::authorize(&backend, &studio, &vpc);
    t.walk(Studio, "DeleteVpcPeeringConnection", deletion);
    t.until(
        Studio,
        "DescribeVpcPeeringConnections",
        &of_fleet,
        is_there("deleted"),
    );
    t.gamelift(Studio, "DescribeVpcPeeringConnections", of_fleet.clone());

    // A VPC with the fleet's own addresses: its block is in the event of its creation.
    let mut events = scenario::events(&studio, fleet).into_iter();
    let created = events.find(|event| event.starts_with("FLEET_CREATED"));
    let created = created.unwrap();
    let (_, block) = created.rsplit_once("CIDR block ").unwrap();
    let overlapping = scenario::vpc(&backend, block.trim_end_matches('.'));
    scenario::authorize(&backend, &studio, &overlapping);
    t.gamelift(
        Studio,
        "CreateVpcPeeringConnection",
        json!({ "FleetId": fleet, "PeerVpcAwsAccountId": backend.account, "PeerVpcId": overlapping }),
    );
    t.until(
        Studio,
        "DescribeVpcPeeringConnections",
        &of_fleet,
        is_there("failed"),
    );
    t.gamelift(Studio, "DescribeVpcPeeringConnections", of_fleet);

    // Named by one fleet only, so that it is this one that is told.
    t.gamelift(Studio, "DeleteBuild", json!({ "BuildId": ready }));

    // Peered from its first moment on.
    let other = scenario::vpc(&backend, "10.3.0.0/16");
    scenario::authorize(&backend, &studio, &other);
    let mut peered = fleet_input(ready);
    peered["PeerVpcId"] = other.into();
    peered["PeerVpcAwsAccountId"] = backend.account.into();
    let made = t.gamelift(Studio, "CreateFleet", peered);
    let made = text(&made["FleetAttributes"]["FleetId"]);
    scenario::fleet_is(&studio, &made, "ACTIVE");
    t.gamelift(
        Studio,
        "DescribeVpcPeeringConnections",
        json!({ "FleetId": made }),
    );
    t.gamelift(Studio, "DescribeFleetEvents", json!({ "FleetId": made }));
}

fn deletion(t: &mut Transcript, fleet: &str) {
    let of_fleet = json!({ "FleetId": fleet });
    t.walk(Studio, "DescribeFleetEvents", of_fleet.clone());
    t.gamelift(
        Studio,
        "DescribeFleetEvents",
        json!({ "FleetId": fleet, "Limit": 2 }),
    );
    t.gamelift(
        Studio,
        "DescribeFleetEvents",
        json!({ "FleetId": fleet, "StartTime": 2_000_000_000, "EndTime": 1_000_000_000 }),
    );
    t.walk(Studio, "DeleteFleet", of_fleet.clone());
    let found = json!({ "FleetIds": [fleet] });
    t.until(Studio, "DescribeFleetAttributes", &found, |found| {
        let status = &found["FleetAttributes"][0]["Status"];
        *status == "TERMINATED" || status.is_null()
    });
    t.gamelift(Studio, "DescribeFleetAttributes", found);
    t.gamelift(Studio, "DeleteFleet", of_fleet.clone());
    t.gamelift(Studio, "DescribeFleetEvents", of_fleet);
}

/// What has nothing to do with any one operation.
fn refused_everywhere(t: &mut Transcript) {
    t.disbelieved("gamelift", "ListFleets");
    t.gamelift(Studio, "CreateGameSession", json!({ "FleetId": "none" }));
    t.gamelift(Studio, "NoSuchOperation", json!({}));
    t.gamelift(Studio, "ListFleets", json!({ "NoSuchMember": 1 }));
    t.gamelift(Studio, "ListFleets", json!({ "Limit": "many" }));
}
