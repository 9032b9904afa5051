//! DescribeFleetEvents.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::Timestamp;
use tombolo_domain::fleet::{EventCode, FleetEvent};
use tombolo_store::typed::Committed;
use tombolo_testkit::gamelift::fleet_input;

use crate::account::assert_refused;
use crate::document::{list, text};
use crate::server::{AWAY, HOME, STRANGER, STUDIO, Server};

async fn codes(server: &Server, input: Value) -> Vec<String> {
    let output = server
        .gamelift(STUDIO)
        .call("DescribeFleetEvents", input)
        .await;
    let events = list(&output["Events"]);
    events
        .iter()
        .map(|event| text(&event["EventCode"]))
        .collect()
}

async fn write(server: &Server, fleet: &str, code: EventCode, at: Timestamp) {
    let record = server.fleet(fleet).await;
    let ids = server.ids();
    let event = FleetEvent::new(record.scope, record.id, code, "as it happened", at, ids);
    let mut tx = server.transaction();
    tx.put(&event).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
}

#[tokio::test]
async fn a_new_fleet_has_the_event_of_its_creation() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let vpc = studio.hidden_vpc(&fleet).await;
    let arn = text(&studio.attributes(&fleet).await["FleetArn"]);
    for name in [&fleet, &arn] {
        let output = studio
            .call("DescribeFleetEvents", json!({"FleetId": name}))
            .await;
        let events = list(&output["Events"]);
        assert_eq!(
            events,
            [json!({
                "EventId": events[0]["EventId"],
                "ResourceId": fleet,
                "EventCode": "FLEET_CREATED",
                "Message": format!(
                    "Fleet {fleet} was created; its VPC {} has CIDR block {}.", vpc.id, vpc.cidr
                ),
                "EventTime": 1_795_348_800.489,
                "Count": 1,
            })]
        );
    }
}

#[tokio::test]
async fn an_anywhere_fleet_was_created_and_then_active() {
    let server = Server::new();
    let input = json!({
        "Name": "desks", "ComputeType": "ANYWHERE",
        "Locations": [{"Location": "custom-office"}],
    });
    let fleet = server.gamelift(STUDIO).fleet_with(input).await;
    assert_eq!(
        codes(&server, json!({"FleetId": fleet})).await,
        ["FLEET_STATE_ACTIVE", "FLEET_CREATED"]
    );
}

#[tokio::test]
async fn events_come_newest_first_within_the_window_and_in_pages() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let fleet = studio.fleet_with(fleet_input(&build)).await;
    let neighbour = studio.fleet_with(fleet_input(&build)).await;
    let start = server.now();
    let second = SignedDuration::from_secs(1);
    let mut at = start;
    for code in [
        EventCode::FleetStateDownloading,
        EventCode::FleetStateValidating,
        EventCode::FleetStateBuilding,
        EventCode::FleetStateActivating,
    ] {
        // A part of a millisecond that no reply shows.
        at += second + SignedDuration::from_nanos(700);
        write(&server, &fleet, code, at).await;
        write(&server, &neighbour, code, at).await;
    }

    let all = [
        "FLEET_STATE_ACTIVATING",
        "FLEET_STATE_BUILDING",
        "FLEET_STATE_VALIDATING",
        "FLEET_STATE_DOWNLOADING",
        "FLEET_CREATED",
    ];
    let seconds = |after: f64| start.as_millisecond() as f64 / 1000.0 + after;
    for (window, expected) in [
        (json!({}), &all[..]),
        (json!({"StartTime": seconds(2.0)}), &all[..3]),
        (json!({"EndTime": seconds(2.0)}), &all[2..]),
        (json!({"EndTime": seconds(1.999)}), &all[3..]),
        (
            json!({"StartTime": seconds(1.0), "EndTime": seconds(3.0)}),
            &all[1..4],
        ),
        (json!({"StartTime": seconds(5.0)}), &[]),
        (json!({"EndTime": seconds(-1.0)}), &[]),
        (
            json!({"StartTime": 0, "EndTime": 253_402_207_200_i64}),
            &all[..],
        ),
        (
            json!({"StartTime": -1e9, "EndTime": 18_446_744_074_i64}),
            &all[..],
        ),
    ] {
        let mut paged = Vec::new();
        let mut input = window.clone();
        input["FleetId"] = json!(fleet);
        assert_eq!(codes(&server, input.clone()).await, expected, "{window}");

        input["Limit"] = json!(2);
        loop {
            let page = studio.call("DescribeFleetEvents", input.clone()).await;
            let events = list(&page["Events"]);
            assert!(events.len() <= 2);
            paged.extend(events.iter().map(|event| text(&event["EventCode"])));
            if page["NextToken"].is_null() {
                break;
            }
            input["NextToken"] = page["NextToken"].clone();
        }
        assert_eq!(paged, expected, "{window}, in pages");
    }
}

#[tokio::test]
async fn windows_tokens_and_fleets_that_cannot_be_are_refused() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let neighbour = studio.fleet().await;
    let at = server.now();
    write(&server, &neighbour, EventCode::FleetStateError, at).await;
    let page = studio
        .call(
            "DescribeFleetEvents",
            json!({"FleetId": neighbour, "Limit": 1}),
        )
        .await;

    for (input, message) in [
        (
            json!({"FleetId": fleet, "StartTime": 10, "EndTime": 9}),
            "StartTime 1970-01-01T00:00:10Z is after EndTime 1970-01-01T00:00:09Z.",
        ),
        (
            json!({"FleetId": fleet, "EndTime": 1e15}),
            "Value '1000000000000000' at 'endTime' is not a time: it is outside of the years -9999 \
             to 9999.",
        ),
        (
            json!({"FleetId": fleet, "NextToken": page["NextToken"]}),
            "NextToken is not one that this request gave; leave it out to start at the first page.",
        ),
    ] {
        let refusal = studio.refusal("DescribeFleetEvents", input).await;
        assert_refused(&refusal, "InvalidRequestException", message);
    }
    for (account, region) in [(STRANGER, HOME), (STUDIO, AWAY)] {
        let caller = server.gamelift_in(account, region);
        assert_refused(
            &caller
                .refusal("DescribeFleetEvents", json!({"FleetId": fleet}))
                .await,
            "NotFoundException",
            &format!("Fleet {fleet} was not found in account {account} and Region {region}."),
        );
    }
}
