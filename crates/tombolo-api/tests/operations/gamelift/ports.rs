//! DescribeFleetPortSettings and UpdateFleetPortSettings, and what they leave in the fleet's VPC.

use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::vpc::{Peer, Protocol, RuleDirection, SecurityGroup};
use tombolo_store::keys;
use tombolo_testkit::gamelift::fleet_input;

use crate::account::Account;
use crate::document::{list, with};
use crate::server::{AWAY, HOME, STUDIO, Server};

const MEMBER: &str = "InboundPermissionAuthorizations";

fn permission(protocol: &str, from: u16, to: u16, range: &str) -> Value {
    json!({"FromPort": from, "ToPort": to, "IpRange": range, "Protocol": protocol})
}

async fn fleet_with(studio: &Account<'_>, permissions: Value) -> String {
    let build = studio.ready_build().await;
    let input = with(fleet_input(&build), "EC2InboundPermissions", permissions);
    studio.fleet_with(input).await
}

async fn shown(studio: &Account<'_>, fleet: &str) -> Vec<Value> {
    let input = json!({"FleetId": fleet});
    let output = studio.call("DescribeFleetPortSettings", input).await;
    list(&output["InboundPermissions"])
}

async fn update(studio: &Account<'_>, fleet: &str, added: Value, revoked: Value) {
    let input = json!({
        "FleetId": fleet,
        MEMBER: added,
        "InboundPermissionRevocations": revoked,
    });
    let output = studio.call("UpdateFleetPortSettings", input).await;
    let arn = &studio.attributes(fleet).await["FleetArn"];
    assert_eq!(output, json!({"FleetId": fleet, "FleetArn": arn}));
}

/// The default security group of a fleet's VPC.
async fn group(studio: &Account<'_>, fleet: &str) -> SecurityGroup {
    let vpc = studio.hidden_vpc(fleet).await;
    let mut tx = studio.server.transaction();
    let groups = keys::security_groups_of(&vpc.scope, &vpc.id);
    let [only] = <[SecurityGroup; 1]>::try_from(tx.peek(&groups).await.unwrap()).unwrap();
    only
}

/// The rules that let players in, as permissions.
async fn rules(studio: &Account<'_>, fleet: &str) -> Vec<Value> {
    let group = group(studio, fleet).await;
    let of_players = group.rules_of(RuleDirection::Ingress);
    let of_players = of_players.filter(|rule| matches!(rule.peer, Peer::Cidr(_)));
    let permissions = of_players.map(|rule| {
        let (protocol, ports) = match rule.protocol {
            Protocol::Tcp(ports) => ("TCP", ports),
            Protocol::Udp(ports) => ("UDP", ports),
            other => panic!("{other:?}"),
        };
        let Peer::Cidr(range) = &rule.peer else {
            panic!("{:?}", rule.peer)
        };
        permission(protocol, ports.from, ports.to, &range.to_string())
    });
    permissions.collect()
}

#[tokio::test]
async fn the_permissions_of_a_fleet_are_shown_and_are_rules_of_its_vpc() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let asked = [
        permission("UDP", 8303, 8304, "0.0.0.0/0"),
        permission("TCP", 30_000, 30_000, "198.51.100.0/24"),
    ];
    let fleet = fleet_with(&studio, json!([asked[0], asked[1], asked[0]])).await;
    assert_eq!(shown(&studio, &fleet).await, asked);
    assert_eq!(rules(&studio, &fleet).await, asked);

    let closed = studio.fleet().await;
    assert_eq!(shown(&studio, &closed).await, [] as [Value; 0]);
    assert_eq!(rules(&studio, &closed).await, [] as [Value; 0]);

    let input = json!({"FleetId": fleet, "Location": HOME});
    let output = studio.call("DescribeFleetPortSettings", input).await;
    assert_eq!(output["Location"], HOME);
    let input = json!({"FleetId": fleet, "Location": AWAY});
    let message = "Location eu-west-1 is not served: a fleet has instances in its home Region us-west-2 only.";
    studio
        .refused(
            "DescribeFleetPortSettings",
            input,
            "UnsupportedRegionException",
            message,
        )
        .await;
}

#[tokio::test]
async fn an_update_takes_away_and_adds_and_leaves_the_other_rules() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let [a, b, c] = [
        permission("UDP", 8303, 8303, "0.0.0.0/0"),
        permission("UDP", 8304, 8304, "0.0.0.0/0"),
        permission("TCP", 8303, 8303, "0.0.0.0/0"),
    ];
    let fleet = fleet_with(&studio, json!([a, b])).await;
    let before = group(&studio, &fleet).await;

    update(&studio, &fleet, json!([c]), json!([a, a])).await;
    assert_eq!(shown(&studio, &fleet).await, [b.clone(), c.clone()]);
    assert_eq!(rules(&studio, &fleet).await, [b.clone(), c.clone()]);
    // What stayed is the same rule, and what came with the VPC is untouched.
    let after = group(&studio, &fleet).await;
    let kept = |rule| after.rules.contains(rule);
    assert_eq!(before.rules.iter().filter(|rule| kept(rule)).count(), 3);

    // What is there already stays; host bits do not count.
    let untidy = permission("TCP", 8303, 8303, "10.1.2.3/0");
    update(&studio, &fleet, json!([b, untidy]), json!([])).await;
    assert_eq!(shown(&studio, &fleet).await, [b.clone(), c.clone()]);

    // Named in both lists, it is there afterwards.
    update(&studio, &fleet, json!([b]), json!([b, untidy])).await;
    assert_eq!(shown(&studio, &fleet).await, std::slice::from_ref(&b));
    update(&studio, &fleet, json!([]), json!([b])).await;
    assert_eq!(rules(&studio, &fleet).await, [] as [Value; 0]);
}

#[tokio::test]
async fn permissions_that_cannot_be_are_refused_with_the_values() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let there = permission("UDP", 8303, 8303, "0.0.0.0/0");
    let fleet = fleet_with(&studio, json!([there])).await;
    let build = studio.ready_build().await;
    let many = |count: u16| -> Vec<Value> {
        let ports = 2000..2000 + count;
        ports
            .map(|port| permission("UDP", port, port, "0.0.0.0/0"))
            .collect()
    };
    for (permissions, message) in [
        (
            json!([permission("TCP", 2000, 1999, "0.0.0.0/0")]),
            "FromPort 2000 is greater than ToPort 1999.",
        ),
        (
            json!([permission("TCP", 1025, 1026, "0.0.0.0/0")]),
            "ports 1025 to 1026 are not all open to players: port 22 and ports 1026 to 60000 are.",
        ),
        (
            json!([permission("TCP", 22, 1026, "0.0.0.0/0")]),
            "ports 22 to 1026 are not all open to players: port 22 and ports 1026 to 60000 are.",
        ),
        (
            json!([permission("TCP", 2000, 2000, "10.0.0.0/33")]),
            "IpRange '10.0.0.0/33' is not a valid CIDR block (such as 0.0.0.0/0).",
        ),
        (
            json!([permission("TCP", 2000, 2000, "::/0")]),
            "IpRange '::/0' is not a valid CIDR block (such as 0.0.0.0/0).",
        ),
        (
            json!([permission("UDP", 2000, 2100, "0.0.0.0/0")]),
            "a fleet's permissions may open 100 ports of an instance, TCP and UDP counted apart, \
             and would open more.",
        ),
        (
            json!([
                permission("UDP", 2000, 2059, "0.0.0.0/0"),
                permission("UDP", 2010, 2059, "10.0.0.0/8"),
                permission("TCP", 2000, 2040, "0.0.0.0/0"),
            ]),
            "a fleet's permissions may open 100 ports of an instance, TCP and UDP counted apart, \
             and would open more.",
        ),
    ] {
        let create = with(
            fleet_input(&build),
            "EC2InboundPermissions",
            permissions.clone(),
        );
        for (operation, member, input) in [
            ("CreateFleet", "EC2InboundPermissions", create),
            (
                "UpdateFleetPortSettings",
                MEMBER,
                json!({"FleetId": fleet, MEMBER: permissions}),
            ),
        ] {
            let message = format!("{member}: {message}");
            studio
                .refused(operation, input, "InvalidRequestException", &message)
                .await;
        }
    }
    let input = json!({"FleetId": fleet, MEMBER: many(50)});
    let message = format!("{MEMBER}: a fleet may have 50 permissions, and would have 51.");
    studio
        .refused(
            "UpdateFleetPortSettings",
            input,
            "InvalidRequestException",
            &message,
        )
        .await;
    update(&studio, &fleet, json!(many(50)), json!([there])).await;
    assert_eq!(shown(&studio, &fleet).await.len(), 50);

    let input = json!({"FleetId": fleet, "InboundPermissionRevocations": [there]});
    let message = "InboundPermissionRevocations: the fleet has no permission for UDP ports 8303 to \
                   8303 from 0.0.0.0/0; DescribeFleetPortSettings shows those that it has.";
    studio
        .refused(
            "UpdateFleetPortSettings",
            input,
            "InvalidRequestException",
            message,
        )
        .await;
}

#[tokio::test]
async fn the_ports_of_a_fleet_that_is_over_are_closed_for_good() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = fleet_with(&studio, json!([permission("UDP", 8303, 8303, "0.0.0.0/0")])).await;
    for status in [FleetStatus::Error, FleetStatus::Deleting] {
        server.set_status(&fleet, status).await;
        let message = format!(
            "Fleet {fleet} is {status}; this operation works with a fleet that is ACTIVE or on its \
             way there."
        );
        studio
            .refused(
                "UpdateFleetPortSettings",
                json!({"FleetId": fleet}),
                "InvalidFleetStatusException",
                &message,
            )
            .await;
        assert_eq!(shown(&studio, &fleet).await.len(), 1);
    }
    server.terminate(&fleet).await;
    assert_eq!(shown(&studio, &fleet).await, [] as [Value; 0]);
}
