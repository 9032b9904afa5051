//! Scaling policies, and StopFleetActions and StartFleetActions.

use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;

use crate::account::Account;
use crate::document::{list, text, with};
use crate::server::{AWAY, HOME, STUDIO, Server};

fn policy(fleet: &str, name: &str, target: f64) -> Value {
    json!({
        "FleetId": fleet,
        "Name": name,
        "PolicyType": "TargetBased",
        "MetricName": "PercentAvailableGameSessions",
        "TargetConfiguration": {"TargetValue": target},
    })
}

async fn policies(studio: &Account<'_>, fleet: &str) -> Vec<Value> {
    let input = json!({"FleetId": fleet});
    let output = studio.call("DescribeScalingPolicies", input).await;
    list(&output["ScalingPolicies"])
}

#[tokio::test]
async fn a_policy_is_put_shown_changed_and_deleted() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let arn = text(&studio.attributes(&fleet).await["FleetArn"]);
    // Any text is a name.
    let name = "half / free ☂";
    for target in [50.0, 12.5] {
        let put = studio.call("PutScalingPolicy", policy(&arn, name, target));
        assert_eq!(put.await, json!({"Name": name}));
        assert_eq!(
            policies(&studio, &fleet).await,
            [json!({
                "FleetId": fleet,
                "FleetArn": arn,
                "Name": name,
                "Status": "ACTIVE",
                "MetricName": "PercentAvailableGameSessions",
                "PolicyType": "TargetBased",
                "TargetConfiguration": {"TargetValue": target},
                "Location": HOME,
            })]
        );
    }
    for (filter, count) in [("ACTIVE", 1), ("DELETED", 0)] {
        let input = json!({"FleetId": arn, "StatusFilter": filter, "Location": HOME, "Limit": 1});
        let output = studio.call("DescribeScalingPolicies", input).await;
        assert_eq!(list(&output["ScalingPolicies"]).len(), count);
    }

    let other = json!({"FleetId": fleet, "Name": "none"});
    let message = format!("Fleet {fleet} has no scaling policy 'none'.");
    studio
        .refused("DeleteScalingPolicy", other, "NotFoundException", &message)
        .await;
    let input = json!({"FleetId": arn, "Name": name});
    studio.call("DeleteScalingPolicy", input).await;
    assert_eq!(policies(&studio, &fleet).await, [] as [Value; 0]);
    assert_eq!(server.keys("scaling-policy/").await, [] as [String; 0]);
}

#[tokio::test]
async fn a_fleet_has_one_policy_and_it_ends_with_the_fleet() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    studio
        .call("PutScalingPolicy", policy(&fleet, "first", 50.0))
        .await;
    studio
        .refused(
            "PutScalingPolicy",
            policy(&fleet, "second", 50.0),
            "InvalidRequestException",
            &format!(
                "Fleet {fleet} has the target-based scaling policy 'first'; change or delete that \
                 one."
            ),
        )
        .await;
    studio.call("DeleteFleet", json!({"FleetId": fleet})).await;
    assert_eq!(server.keys("scaling-policy/").await, [] as [String; 0]);
    for status in [
        FleetStatus::Deleting,
        FleetStatus::Terminated,
        FleetStatus::Error,
    ] {
        server.set_status(&fleet, status).await;
        studio
            .refused(
                "PutScalingPolicy",
                policy(&fleet, "first", 50.0),
                "InvalidRequestException",
                &format!("Fleet {fleet} is {status}; such a fleet can have no scaling policy."),
            )
            .await;
    }
}

#[tokio::test]
async fn policies_that_are_not_served_are_refused_by_name() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let good = || policy(&fleet, "free", 50.0);
    let rules = "Rule-based scaling policies are not served by Tombolo; give PolicyType \
                 TargetBased.";
    let of_rules = |member: &str| {
        format!(
            "{member} belongs to rule-based scaling policies; leave it out of a target-based one."
        )
    };
    let target = |value: f64| json!({"TargetValue": value});
    let percentage = |value: &str| {
        format!(
            "TargetValue {value} is not a percentage above 0 and below 100: that many of the \
             server processes are to be available."
        )
    };
    for (input, message) in [
        (with(good(), "PolicyType", Value::Null), rules.to_owned()),
        (with(good(), "PolicyType", "RuleBased"), rules.to_owned()),
        (
            with(good(), "MetricName", "IdleInstances"),
            "MetricName IdleInstances is not that of a target-based scaling policy; give \
             PercentAvailableGameSessions."
                .to_owned(),
        ),
        (
            with(good(), "ScalingAdjustment", 1),
            of_rules("ScalingAdjustment"),
        ),
        (
            with(good(), "ScalingAdjustmentType", "ExactCapacity"),
            of_rules("ScalingAdjustmentType"),
        ),
        (with(good(), "Threshold", 0.5), of_rules("Threshold")),
        (
            with(good(), "ComparisonOperator", "LessThanThreshold"),
            of_rules("ComparisonOperator"),
        ),
        (
            with(good(), "EvaluationPeriods", 1),
            of_rules("EvaluationPeriods"),
        ),
        (
            with(good(), "TargetConfiguration", Value::Null),
            "A target-based scaling policy needs TargetConfiguration.".to_owned(),
        ),
        (
            with(good(), "TargetConfiguration", target(0.0)),
            percentage("0"),
        ),
        (
            with(good(), "TargetConfiguration", target(100.0)),
            percentage("100"),
        ),
        (
            with(good(), "TargetConfiguration", target(-0.5)),
            percentage("-0.5"),
        ),
    ] {
        studio
            .refused(
                "PutScalingPolicy",
                input,
                "InvalidRequestException",
                &message,
            )
            .await;
    }
}

#[tokio::test]
async fn stopped_actions_are_shown_until_they_are_started() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let arn = text(&studio.attributes(&fleet).await["FleetArn"]);
    let stopped = json!(["AUTO_SCALING"]);
    for (operation, expected) in [
        ("StartFleetActions", Value::Null),
        ("StopFleetActions", stopped.clone()),
        ("StopFleetActions", stopped.clone()),
        ("StartFleetActions", Value::Null),
    ] {
        let input = json!({"FleetId": arn, "Actions": ["AUTO_SCALING"], "Location": HOME});
        let output = studio.call(operation, input).await;
        assert_eq!(output, json!({"FleetId": fleet, "FleetArn": arn}));
        assert_eq!(studio.attributes(&fleet).await["StoppedActions"], expected);
    }
    for operation in ["StartFleetActions", "StopFleetActions"] {
        let away = json!({"FleetId": fleet, "Actions": ["AUTO_SCALING"], "Location": AWAY});
        let message = "Location eu-west-1 is not served: a fleet has instances in its home Region \
                       us-west-2 only.";
        studio
            .refused(operation, away, "UnsupportedRegionException", message)
            .await;
    }
    server.set_status(&fleet, FleetStatus::Deleting).await;
    for operation in ["StartFleetActions", "StopFleetActions"] {
        let input = json!({"FleetId": fleet, "Actions": ["AUTO_SCALING"]});
        let message = format!("Fleet {fleet} is DELETING and cannot be changed any more.");
        studio
            .refused(operation, input, "InvalidRequestException", &message)
            .await;
    }
}
