//! UpdateFleetCapacity, DescribeFleetCapacity, DescribeFleetUtilization, and the same of a location.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;
use tombolo_testkit::gamelift::anywhere;

use crate::account::Account;
use crate::document::{list, text, with};
use crate::server::{AWAY, HOME, STUDIO, Server};

async fn counts(studio: &Account<'_>, fleet: &str) -> Value {
    let input = json!({"FleetIds": [fleet]});
    let output = studio.call("DescribeFleetCapacity", input).await;
    output["FleetCapacity"][0]["InstanceCounts"].clone()
}

fn limits(counts: &Value) -> [u64; 3] {
    ["DESIRED", "MINIMUM", "MAXIMUM"].map(|count| counts[count].as_u64().unwrap())
}

#[tokio::test]
async fn a_new_fleet_is_to_have_one_instance() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let arn = text(&studio.attributes(&fleet).await["FleetArn"]);
    let expected = json!({
        "FleetId": fleet,
        "FleetArn": arn,
        "InstanceType": "c5.large",
        "InstanceCounts": {
            "DESIRED": 1, "MINIMUM": 0, "MAXIMUM": 1,
            "PENDING": 0, "ACTIVE": 0, "IDLE": 0, "TERMINATING": 0,
        },
        "Location": HOME,
        "ManagedCapacityConfiguration":
            {"ZeroCapacityStrategy": "MANUAL", "ScaleInAfterInactivityMinutes": null},
    });
    for name in [&fleet, &arn] {
        let input = json!({"FleetIds": [name]});
        let output = studio.call("DescribeFleetCapacity", input).await;
        assert_eq!(output["FleetCapacity"], json!([expected]));
        let input = json!({"FleetId": name, "Location": HOME});
        let output = studio.call("DescribeFleetLocationCapacity", input).await;
        assert_eq!(output["FleetCapacity"], expected);
    }
}

#[tokio::test]
async fn instances_are_counted_by_where_they_stand() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    studio.instance(&fleet, |_| {}).await;
    for processes in [2, 3] {
        let run = |one: &mut tombolo_domain::fleet::Instance| {
            (one.running, one.active_processes) = (true, processes);
        };
        studio.instance(&fleet, run).await;
    }
    let end = |one: &mut tombolo_domain::fleet::Instance| {
        (one.running, one.ending, one.active_processes) = (true, true, 1);
    };
    studio.instance(&fleet, end).await;

    let counts = counts(&studio, &fleet).await;
    let counted = ["PENDING", "ACTIVE", "IDLE", "TERMINATING"].map(|count| &counts[count]);
    assert_eq!(counted, [&json!(1), &json!(2), &json!(2), &json!(1)]);

    let expected = json!({
        "FleetId": fleet,
        "FleetArn": studio.attributes(&fleet).await["FleetArn"],
        "ActiveServerProcessCount": 6,
        "ActiveGameSessionCount": 0,
        "CurrentPlayerSessionCount": 0,
        "MaximumPlayerSessionCount": 0,
        "Location": HOME,
    });
    let input = json!({"FleetIds": [fleet]});
    let output = studio.call("DescribeFleetUtilization", input).await;
    assert_eq!(output["FleetUtilization"], json!([expected]));
    let input = json!({"FleetId": fleet, "Location": HOME});
    let output = studio.call("DescribeFleetLocationUtilization", input).await;
    assert_eq!(output["FleetUtilization"], expected);
}

#[tokio::test]
async fn what_is_left_out_of_an_update_stays_as_it_is() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    for (update, expected) in [
        (json!({"MaxSize": 10}), [1, 0, 10]),
        (json!({"DesiredInstances": 5}), [5, 0, 10]),
        (json!({"MinSize": 2}), [5, 2, 10]),
        (json!({}), [5, 2, 10]),
        // A number of instances that new limits leave outside moves to the nearer one.
        (json!({"MaxSize": 3}), [3, 2, 3]),
        (json!({"MinSize": 7, "MaxSize": 200}), [7, 7, 200]),
        (
            json!({"DesiredInstances": 0, "MinSize": 0, "MaxSize": 0}),
            [0, 0, 0],
        ),
        (
            json!({"ManagedCapacityConfiguration": {"ZeroCapacityStrategy": "MANUAL"}}),
            [0, 0, 0],
        ),
        (
            json!({"DesiredInstances": 4, "MaxSize": 4, "Location": HOME}),
            [4, 0, 4],
        ),
    ] {
        let input = with(update, "FleetId", fleet.as_str());
        let output = studio.call("UpdateFleetCapacity", input).await;
        assert_eq!(
            output,
            json!({
                "FleetId": fleet,
                "FleetArn": studio.attributes(&fleet).await["FleetArn"],
                "Location": HOME,
                "ManagedCapacityConfiguration":
                    {"ZeroCapacityStrategy": "MANUAL", "ScaleInAfterInactivityMinutes": null},
            })
        );
        assert_eq!(limits(&counts(&studio, &fleet).await), expected);
    }
}

#[tokio::test]
async fn a_change_of_the_desired_instances_is_an_event() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    for update in [
        json!({"MaxSize": 8}),
        json!({"DesiredInstances": 3}),
        json!({"MinSize": 1}),
    ] {
        server.advance(SignedDuration::from_secs(1));
        let input = with(update, "FleetId", fleet.as_str());
        studio.call("UpdateFleetCapacity", input).await;
    }
    let events = studio.events(&fleet).await;
    let codes: Vec<_> = events.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["FLEET_SCALING_EVENT", "FLEET_CREATED"]);
    assert_eq!(
        events[0].1,
        format!(
            "UpdateFleetCapacity changed the desired instances of fleet {fleet} from 1 to 3 \
             (minimum 0, maximum 8)."
        )
    );
}

#[tokio::test]
async fn capacities_that_cannot_be_are_refused_with_the_values() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let invalid = "InvalidRequestException";
    for (update, code, message) in [
        (
            json!({"DesiredInstances": 2}),
            invalid,
            "DesiredInstances 2 is not between MinSize 0 and MaxSize 1, as the fleet has them; \
             change them with it.",
        ),
        (
            json!({"DesiredInstances": 2, "MinSize": 3, "MaxSize": 4}),
            invalid,
            "DesiredInstances 2 is not between MinSize 3 and MaxSize 4.",
        ),
        (
            json!({"MinSize": 2}),
            invalid,
            "MinSize 2 is greater than MaxSize 1, MaxSize being the fleet's own; change it with \
             it.",
        ),
        (
            json!({"MinSize": 5, "MaxSize": 4}),
            invalid,
            "MinSize 5 is greater than MaxSize 4.",
        ),
        (
            json!({"MaxSize": -1}),
            invalid,
            "1 validation error detected: Value '-1' at 'maxSize' failed to satisfy constraint: \
             Member must have value greater than or equal to 0",
        ),
        (
            json!({"ManagedCapacityConfiguration": {"ZeroCapacityStrategy": "SCALE_TO_AND_FROM_ZERO"}}),
            invalid,
            "ZeroCapacityStrategy SCALE_TO_AND_FROM_ZERO: scaling to and from zero by game \
             sessions is not served by Tombolo; leave ManagedCapacityConfiguration out or give \
             MANUAL.",
        ),
        (
            json!({"ManagedCapacityConfiguration": {"ScaleInAfterInactivityMinutes": 5}}),
            invalid,
            "ScaleInAfterInactivityMinutes goes with ZeroCapacityStrategy SCALE_TO_AND_FROM_ZERO, \
             which is not served by Tombolo; leave it out.",
        ),
        (
            json!({"Location": AWAY}),
            "UnsupportedRegionException",
            "Location eu-west-1 is not served: a fleet has instances in its home Region us-west-2 \
             only.",
        ),
    ] {
        let input = with(update, "FleetId", fleet.as_str());
        studio
            .refused("UpdateFleetCapacity", input, code, message)
            .await;
    }
    for member in ["DesiredInstances", "MinSize", "MaxSize"] {
        for count in [201, 2_147_483_647] {
            let input = with(json!({"FleetId": fleet}), member, count);
            let message =
                format!("A fleet may have 200 instances; fleet {fleet} would have {count}.");
            studio
                .refused(
                    "UpdateFleetCapacity",
                    input,
                    "LimitExceededException",
                    &message,
                )
                .await;
        }
    }
}

/// GameLift changes the capacity of ACTIVE fleets only; here, that of one on its way there, too.
#[tokio::test]
async fn capacity_is_of_a_fleet_that_has_instances_or_will() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let input = json!({"FleetId": fleet, "DesiredInstances": 0});
    for status in [
        FleetStatus::Downloading,
        FleetStatus::Validating,
        FleetStatus::Building,
        FleetStatus::Activating,
        FleetStatus::Active,
    ] {
        server.set_status(&fleet, status).await;
        studio.call("UpdateFleetCapacity", input.clone()).await;
    }
    for status in [
        FleetStatus::Error,
        FleetStatus::Deleting,
        FleetStatus::Terminated,
    ] {
        server.set_status(&fleet, status).await;
        let message = format!(
            "Fleet {fleet} is {status}; this operation works with a fleet that is ACTIVE or on its \
             way there."
        );
        studio
            .refused(
                "UpdateFleetCapacity",
                input.clone(),
                "InvalidFleetStatusException",
                &message,
            )
            .await;
    }
}

#[tokio::test]
async fn all_fleets_that_exist_and_have_instances_come_in_pages() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    studio.call("CreateFleet", anywhere()).await;
    let mut fleets = Vec::new();
    for _ in 0..4 {
        fleets.push(studio.fleet().await);
    }
    let gone = fleets.pop().unwrap();
    server.terminate(&gone).await;
    fleets.sort();
    for (operation, member) in [
        ("DescribeFleetCapacity", "FleetCapacity"),
        ("DescribeFleetUtilization", "FleetUtilization"),
    ] {
        let mut found = Vec::new();
        let mut input = json!({"Limit": 2});
        for count in [2, 1] {
            let output = studio.call(operation, input.clone()).await;
            let page = list(&output[member]);
            assert_eq!(page.len(), count);
            found.extend(page.iter().map(|one| text(&one["FleetId"])));
            input["NextToken"] = output["NextToken"].clone();
        }
        assert_eq!(input["NextToken"], Value::Null);
        assert_eq!(found, fleets);

        // Of those named, the unknown and the terminated are left out.
        let named = json!({"FleetIds": [fleets[1], gone, "fleet-none", fleets[0]], "Limit": 1});
        let output = studio.call(operation, named).await;
        let named: Vec<_> = list(&output[member])
            .iter()
            .map(|one| text(&one["FleetId"]))
            .collect();
        assert_eq!(named, [fleets[1].as_str(), fleets[0].as_str()]);
    }
}
