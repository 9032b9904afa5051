//! A fleet that is not there is refused in the same words by every operation; and what is only of
//! fleets that have instances is refused to the others. That another's fleet is answered like that,
//! too, is a test of all services: `tombolo-objects/tests/account_isolation`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tombolo_api::model::ServiceName;
use tombolo_api::registry;
use tombolo_testkit::gamelift::anywhere;

use crate::document::with;
use crate::server::{HOME, STUDIO, Server};

/// Every operation that takes a fleet, with all else that it needs.
fn on_a_fleet() -> Vec<(&'static str, Value)> {
    let processes = json!([{"LaunchPath": "/local/game/server", "ConcurrentExecutions": 1}]);
    let actions = json!({"Actions": ["AUTO_SCALING"]});
    let policy = json!({
        "Name": "free",
        "PolicyType": "TargetBased",
        "MetricName": "PercentAvailableGameSessions",
        "TargetConfiguration": {"TargetValue": 50},
    });
    let vpc = json!({"PeerVpcAwsAccountId": STUDIO, "PeerVpcId": "vpc-00000000000000000"});
    vec![
        ("UpdateFleetAttributes", json!({"Name": "mine"})),
        ("DescribeFleetEvents", json!({})),
        ("DeleteFleet", json!({})),
        ("UpdateFleetCapacity", json!({"DesiredInstances": 0})),
        ("DescribeFleetLocationAttributes", json!({})),
        ("DescribeFleetLocationCapacity", json!({"Location": HOME})),
        (
            "DescribeFleetLocationUtilization",
            json!({"Location": HOME}),
        ),
        ("DescribeInstances", json!({})),
        ("DescribeFleetPortSettings", json!({})),
        ("UpdateFleetPortSettings", json!({})),
        ("DescribeRuntimeConfiguration", json!({})),
        (
            "UpdateRuntimeConfiguration",
            json!({"RuntimeConfiguration": {"ServerProcesses": processes}}),
        ),
        ("StopFleetActions", actions.clone()),
        ("StartFleetActions", actions),
        ("PutScalingPolicy", policy),
        ("DescribeScalingPolicies", json!({})),
        ("DeleteScalingPolicy", json!({"Name": "free"})),
        ("CreateVpcPeeringConnection", vpc),
        (
            "DeleteVpcPeeringConnection",
            json!({"VpcPeeringConnectionId": "pcx-00000000000000000"}),
        ),
    ]
}

/// Those of them that a fleet without instances has, too, or refuses in words of their own.
const OF_EVERY_FLEET: [&str; 6] = [
    "UpdateFleetAttributes",
    "DescribeFleetEvents",
    "DeleteFleet",
    "DescribeFleetLocationAttributes",
    "CreateVpcPeeringConnection",
    "DeleteVpcPeeringConnection",
];

#[tokio::test]
async fn every_operation_that_takes_a_fleet_is_in_the_table() {
    let server = Server::new();
    let model = server.gamelift(STUDIO).model();
    let takes_fleet = |operation: &tombolo_api::model::OperationModel| {
        let shape = operation.input.map(|input| model.shape(input));
        matches!(
            shape.map(|shape| &shape.kind),
            Some(tombolo_api::model::Kind::Structure(structure))
                if structure.members.iter().any(|member| member.name == "FleetId" && member.required)
        )
    };
    let rows = registry::operations(ServiceName::GameLift).iter();
    let all: BTreeSet<_> = rows
        .filter(|row| model.operation(row.name).is_some_and(takes_fleet))
        .map(|row| row.name)
        .collect();
    let tried: BTreeSet<_> = on_a_fleet().into_iter().map(|(name, _)| name).collect();
    assert_eq!(tried, all);
}

#[tokio::test]
async fn an_unknown_fleet_is_refused_in_the_same_words() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    for name in [
        "fleet-00000000-0000-4000-8000-000000000000",
        "containerfleet-1",
    ] {
        let message = format!("Fleet {name} was not found in account {STUDIO} and Region {HOME}.");
        for (operation, input) in on_a_fleet() {
            let input = with(input, "FleetId", name);
            let refused = studio.refused(operation, input, "NotFoundException", &message);
            refused.await;
        }
        for (operation, member) in [
            ("DescribeFleetAttributes", "FleetAttributes"),
            ("DescribeFleetCapacity", "FleetCapacity"),
            ("DescribeFleetUtilization", "FleetUtilization"),
        ] {
            let output = studio.call(operation, json!({"FleetIds": [name]})).await;
            assert_eq!(output[member], json!([]), "{operation}");
        }
    }
}

#[tokio::test]
async fn a_fleet_without_instances_has_nothing_of_them() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet_with(anywhere()).await;
    let message = format!(
        "Fleet {fleet} has compute type ANYWHERE; this operation works with fleets of compute type \
         EC2."
    );
    let invalid = "InvalidRequestException";
    for (operation, input) in on_a_fleet() {
        if !OF_EVERY_FLEET.contains(&operation) {
            let input = with(input, "FleetId", fleet.as_str());
            studio.refused(operation, input, invalid, &message).await;
        }
    }
    for operation in ["DescribeFleetCapacity", "DescribeFleetUtilization"] {
        let input = json!({"FleetIds": [fleet]});
        studio.refused(operation, input, invalid, &message).await;
    }
}
