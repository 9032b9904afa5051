//! UpdateFleetAttributes and DescribeFleetLocationAttributes.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;
use tombolo_testkit::gamelift::anywhere;

use crate::document::{text, with};
use crate::server::{AWAY, HOME, STUDIO, Server};

#[tokio::test]
async fn the_attributes_that_are_given_change_and_no_others() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let before = studio.attributes(&fleet).await;
    let arn = text(&before["FleetArn"]);
    let output = studio
        .call("UpdateFleetAttributes", json!({"FleetId": arn}))
        .await;
    assert_eq!(output, json!({"FleetId": fleet, "FleetArn": arn}));
    assert_eq!(studio.attributes(&fleet).await, before);

    let mut expected = before;
    for (member, value) in [
        ("Name", json!("atolls")),
        ("Description", json!("for the week")),
        ("MetricGroups", json!(["week"])),
        (
            "ResourceCreationLimitPolicy",
            json!({"NewGameSessionsPerCreator": 3, "PolicyPeriodInMinutes": null}),
        ),
        ("NewGameSessionProtectionPolicy", json!("FullProtection")),
    ] {
        let input = with(json!({"FleetId": fleet}), member, value.clone());
        studio.call("UpdateFleetAttributes", input).await;
        expected[member] = value;
        assert_eq!(studio.attributes(&fleet).await, expected, "{member}");
    }

    // Without a group of its own, a fleet is in the default one.
    let input = json!({"FleetId": fleet, "MetricGroups": []});
    studio.call("UpdateFleetAttributes", input).await;
    let groups = &studio.attributes(&fleet).await["MetricGroups"];
    assert_eq!(*groups, json!(["default"]));
}

#[tokio::test]
async fn another_protection_policy_is_an_event() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    for policy in [
        "NoProtection",
        "FullProtection",
        "FullProtection",
        "NoProtection",
    ] {
        server.advance(SignedDuration::from_secs(1));
        let input = json!({"FleetId": fleet, "NewGameSessionProtectionPolicy": policy});
        studio.call("UpdateFleetAttributes", input).await;
    }
    let message = |before, after| {
        (
            "FLEET_NEW_GAME_SESSION_PROTECTION_POLICY_UPDATED".to_owned(),
            format!(
                "The protection policy for new game sessions of fleet {fleet} changed from \
                 {before} to {after}."
            ),
        )
    };
    let events = studio.events(&fleet).await;
    assert_eq!(
        events[..2],
        [
            message("FullProtection", "NoProtection"),
            message("NoProtection", "FullProtection"),
        ]
    );
    assert_eq!(events.len(), 3);
}

#[tokio::test]
async fn an_anywhere_fleet_has_a_cost_that_others_do_not_have() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet_with(anywhere()).await;
    let cost = json!({"Cost": "0.25"});
    let input = json!({"FleetId": fleet, "AnywhereConfiguration": cost});
    studio.call("UpdateFleetAttributes", input).await;
    assert_eq!(
        studio.attributes(&fleet).await["AnywhereConfiguration"],
        cost
    );

    let fleet = studio.fleet().await;
    let input = json!({"FleetId": fleet, "AnywhereConfiguration": cost});
    let message = format!(
        "AnywhereConfiguration works with fleets of compute type ANYWHERE; fleet {fleet} has \
         compute type EC2."
    );
    studio
        .refused(
            "UpdateFleetAttributes",
            input,
            "InvalidRequestException",
            &message,
        )
        .await;
}

#[tokio::test]
async fn a_fleet_that_is_over_keeps_its_attributes() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let input = json!({"FleetId": fleet, "Name": "atolls"});
    server.set_status(&fleet, FleetStatus::Error).await;
    studio.call("UpdateFleetAttributes", input.clone()).await;
    for status in [FleetStatus::Deleting, FleetStatus::Terminated] {
        server.set_status(&fleet, status).await;
        studio
            .refused(
                "UpdateFleetAttributes",
                input.clone(),
                "InvalidFleetStatusException",
                &format!("Fleet {fleet} is {status} and cannot be changed any more."),
            )
            .await;
    }
}

#[tokio::test]
async fn the_locations_of_a_fleet_are_its_home_region_or_its_own() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let ec2 = studio.fleet().await;
    let input = json!({"FleetId": ec2, "Actions": ["AUTO_SCALING"]});
    studio.call("StopFleetActions", input).await;
    let two = json!([{"Location": "custom-office"}, {"Location": "custom-attic"}]);
    let anywhere = studio.fleet_with(with(anywhere(), "Locations", two)).await;
    let state = |location: &str, status: &str, stopped: Value| {
        json!({
            "LocationState": {"Location": location, "Status": status},
            "StoppedActions": stopped,
        })
    };
    let home = state(HOME, "NEW", json!(["AUTO_SCALING"]));
    let office = state("custom-office", "ACTIVE", Value::Null);
    let attic = state("custom-attic", "ACTIVE", Value::Null);
    for (fleet, locations, expected) in [
        (&ec2, Value::Null, json!([home])),
        (&ec2, json!([AWAY, HOME]), json!([home])),
        (&ec2, json!([AWAY]), json!([])),
        (&anywhere, Value::Null, json!([office, attic])),
        (
            &anywhere,
            json!(["custom-attic", "custom-cellar", "custom-office"]),
            json!([attic, office]),
        ),
    ] {
        let input = with(json!({"FleetId": fleet}), "Locations", locations);
        let output = studio.call("DescribeFleetLocationAttributes", input).await;
        assert_eq!(output["LocationAttributes"], expected);
        assert_eq!(output["FleetId"], json!(fleet));
    }
}
