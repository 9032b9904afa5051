//! ListTagsForResource, TagResource and UntagResource.

use serde_json::{Value, json};
use tombolo_testkit::gamelift::{anywhere, fleet_input};

use crate::account::{Account, assert_refused};
use crate::document::{text, with};
use crate::server::{AWAY, HOME, STRANGER, STUDIO, Server};

async fn tags(account: &Account<'_>, arn: &str) -> Value {
    let listed = account
        .call("ListTagsForResource", json!({"ResourceARN": arn}))
        .await;
    listed["Tags"].clone()
}

fn tag(key: impl Into<String>, value: &str) -> Value {
    json!({"Key": key.into(), "Value": value})
}

#[tokio::test]
async fn tags_come_with_creation_and_change_later() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio
        .call("CreateBuild", json!({"Tags": [tag("stage", "beta")]}))
        .await;
    let ready = studio.ready_build().await;
    let input = with(fleet_input(&ready), "Tags", json!([tag("stage", "beta")]));
    let fleet = studio.call("CreateFleet", input).await;

    for arn in [
        text(&build["Build"]["BuildArn"]),
        text(&fleet["FleetAttributes"]["FleetArn"]),
    ] {
        assert_eq!(tags(&studio, &arn).await, json!([tag("stage", "beta")]));
        let more = json!({"ResourceARN": arn, "Tags": [tag("stage", "live"), tag("game", "")]});
        studio.call("TagResource", more).await;
        assert_eq!(
            tags(&studio, &arn).await,
            json!([tag("game", ""), tag("stage", "live")])
        );
        let fewer = json!({"ResourceARN": arn, "TagKeys": ["stage", "never-there"]});
        studio.call("UntagResource", fewer).await;
        assert_eq!(tags(&studio, &arn).await, json!([tag("game", "")]));
        let none = json!({"ResourceARN": arn, "TagKeys": ["game"]});
        studio.call("UntagResource", none).await;
        assert_eq!(tags(&studio, &arn).await, json!([]));
    }
}

#[tokio::test]
async fn a_resource_has_at_most_fifty_tags_and_none_of_awss_own() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let arn = text(&studio.attributes(&fleet).await["FleetArn"]);
    let fifty: Vec<Value> = (0..50).map(|n| tag(format!("key{n}"), "")).collect();
    studio
        .call("TagResource", json!({"ResourceARN": arn, "Tags": fifty}))
        .await;

    let one_more = json!({"ResourceARN": arn, "Tags": [tag("one-more", "")]});
    let refusal = studio.refusal("TagResource", one_more).await;
    assert_refused(
        &refusal,
        "TaggingFailedException",
        &format!("Tagging {fleet} failed: the resource would have 51 tags; the most is 50."),
    );
    let reserved = json!({"ResourceARN": arn, "Tags": [tag("aws:mine", "")]});
    let refusal = studio.refusal("TagResource", reserved).await;
    assert_refused(
        &refusal,
        "TaggingFailedException",
        &format!(
            "Tagging {fleet} failed: tag key \"aws:mine\": keys that start with aws: are reserved \
             for system use."
        ),
    );

    // A fleet whose tags cannot be is not made.
    let build = studio.ready_build().await;
    let many: Vec<Value> = (0..51).map(|n| tag(format!("key{n}"), "")).collect();
    let refusal = studio
        .refusal(
            "CreateFleet",
            with(fleet_input(&build), "Tags", json!(many)),
        )
        .await;
    assert_eq!(refusal.code, "TaggingFailedException");
}

#[tokio::test]
async fn a_key_is_given_once_in_a_request() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let arn = text(&studio.attributes(&fleet).await["FleetArn"]);
    let build = studio.ready_build().await;
    for (key, value, other) in [
        ("stage", "beta", "live"),
        ("stage", "beta", "beta"),
        ("tombolo:fleet-cidr", "10.1.0.0/24", "10.2.0.0/24"),
    ] {
        let twice = json!([tag(key, value), tag("game", ""), tag(key, other)]);
        for (operation, input) in [
            ("CreateBuild", json!({"Tags": twice})),
            (
                "CreateFleet",
                with(fleet_input(&build), "Tags", twice.clone()),
            ),
            ("TagResource", json!({"ResourceARN": arn, "Tags": twice})),
        ] {
            let refusal = studio.refusal(operation, input).await;
            assert_eq!(refusal.code, "TaggingFailedException", "{operation}");
            assert!(
                refusal.message.contains(&format!("tag key \"{key}\" ")),
                "{refusal:?}"
            );
        }
    }
    let twice = json!({"ResourceARN": arn, "Tags": [tag("stage", "beta"), tag("stage", "live")]});
    let refusal = studio.refusal("TagResource", twice).await;
    assert_refused(
        &refusal,
        "TaggingFailedException",
        &format!("Tagging {fleet} failed: tag key \"stage\" is given twice; give it once."),
    );
}

/// A fleet's block is fixed for life, so the tag must go on saying what it said at creation.
#[tokio::test]
async fn the_tag_that_forces_a_fleets_block_stays_as_it_was_created() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let forced = json!([tag("tombolo:fleet-cidr", "10.1.0.0/24")]);
    let input = with(fleet_input(&build), "Tags", forced.clone());
    let fleet = studio.fleet_with(input).await;
    let arn = text(&studio.attributes(&fleet).await["FleetArn"]);

    let other = json!([tag("tombolo:fleet-cidr", "10.2.0.0/24")]);
    for (operation, input) in [
        ("TagResource", json!({"ResourceARN": arn, "Tags": other})),
        (
            "UntagResource",
            json!({"ResourceARN": arn, "TagKeys": ["stage", "tombolo:fleet-cidr"]}),
        ),
    ] {
        assert_refused(
            &studio.refusal(operation, input).await,
            "TaggingFailedException",
            &format!(
                "Tagging {fleet} failed: tag key \"tombolo:fleet-cidr\" counts only when a fleet \
                 is created, and forces its CIDR block for life."
            ),
        );
    }
    assert_eq!(tags(&studio, &arn).await, forced);
    let refusal = studio.refusal("CreateBuild", json!({"Tags": other})).await;
    assert_eq!(refusal.code, "TaggingFailedException");
}

#[tokio::test]
async fn only_a_tag_at_creation_lets_instances_reach_the_internet() {
    const KEY: &str = "tombolo:internet";
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let allowed = json!([tag(KEY, "allowed")]);
    let input = with(fleet_input(&build), "Tags", allowed.clone());
    let [open, closed] = [studio.fleet_with(input).await, studio.fleet().await];
    for (fleet, internet) in [(&open, true), (&closed, false)] {
        let record = server.fleet(fleet).await;
        assert_eq!(record.managed().unwrap().internet, internet);
    }

    let input = with(fleet_input(&build), "Tags", json!([tag(KEY, "yes")]));
    let message = "The tag tombolo:internet has the value 'yes'; give allowed, or leave it out of a \
                   fleet whose instances are not to reach the internet.";
    studio
        .refused("CreateFleet", input, "InvalidRequestException", message)
        .await;
    let input = with(anywhere(), "Tags", allowed.clone());
    let message = "tombolo:internet works with fleets of compute type EC2; this fleet is to have \
                   compute type ANYWHERE.";
    studio
        .refused("CreateFleet", input, "InvalidRequestException", message)
        .await;
    for (fleet, operation, member, value) in [
        (&closed, "TagResource", "Tags", allowed),
        (&open, "UntagResource", "TagKeys", json!([KEY])),
    ] {
        let arn = &studio.attributes(fleet).await["FleetArn"];
        let input = with(json!({"ResourceARN": arn}), member, value);
        let message = format!(
            "Tagging {fleet} failed: tag key \"tombolo:internet\" counts only when a fleet is \
             created, and lets its instances reach the internet for life."
        );
        studio
            .refused(operation, input, "TaggingFailedException", &message)
            .await;
    }
}

#[tokio::test]
async fn only_the_owner_in_the_region_finds_the_resource() {
    let server = Server::new();
    let fleet = server.gamelift(STUDIO).fleet().await;
    let arn = |region, account: &str, resource: &str| {
        format!("arn:aws:gamelift:{region}:{account}:{resource}")
    };
    let mine = format!("fleet/{fleet}");
    let unknown = "fleet/fleet-00000000-0000-4000-8000-000000000000";
    for (account, region, arn) in [
        (STRANGER, HOME, arn(HOME, STUDIO, &mine)),
        (STRANGER, HOME, arn(HOME, "", &mine)),
        (STUDIO, AWAY, arn(HOME, STUDIO, &mine)),
        (STUDIO, HOME, arn(AWAY, STUDIO, &mine)),
        (STUDIO, HOME, arn(HOME, STUDIO, unknown)),
        (STUDIO, HOME, arn(HOME, STUDIO, "alias/alias-1")),
    ] {
        let caller = server.gamelift_in(account, region);
        for (operation, input) in [
            ("ListTagsForResource", json!({"ResourceARN": arn})),
            ("TagResource", json!({"ResourceARN": arn, "Tags": []})),
            ("UntagResource", json!({"ResourceARN": arn, "TagKeys": []})),
        ] {
            assert_refused(
                &caller.refusal(operation, input).await,
                "NotFoundException",
                &format!("Resource {arn} was not found in account {account} and Region {region}."),
            );
        }
    }
    // An ARN without an account, as AWS's own examples have it, is the caller's.
    let mine = arn(HOME, "", &mine);
    assert_eq!(tags(&server.gamelift(STUDIO), &mine).await, json!([]));
}

#[tokio::test]
async fn what_is_no_arn_is_invalid() {
    let server = Server::new();
    let refusal = server
        .gamelift(STUDIO)
        .refusal("ListTagsForResource", json!({"ResourceARN": "fleet-1"}))
        .await;
    assert_refused(
        &refusal,
        "InvalidRequestException",
        "Value 'fleet-1' at 'resourceARN' is not an ARN of Amazon GameLift, such as \
         arn:aws:gamelift:us-west-2:111122223333:fleet/fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa.",
    );
}
