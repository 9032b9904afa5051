//! CreateVpcPeeringAuthorization, DescribeVpcPeeringAuthorizations and
//! DeleteVpcPeeringAuthorization.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::account::{Account, assert_refused};
use crate::document::{list, text};
use crate::server::{AWAY, BACKEND, HOME, STRANGER, STUDIO, Server};

const UNKNOWN: &str = "vpc-00000000000000000";

fn named(fleet_account: &str, vpc: &str) -> Value {
    json!({"GameLiftAwsAccountId": fleet_account, "PeerVpcId": vpc})
}

async fn described(account: &Account<'_>) -> Vec<Value> {
    let output = account
        .call("DescribeVpcPeeringAuthorizations", json!({}))
        .await;
    list(&output["VpcPeeringAuthorizations"])
}

#[tokio::test]
async fn an_authorization_is_valid_for_a_day_to_the_whole_second() {
    let server = Server::new();
    let backend = server.gamelift(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let created = backend.authorize(STUDIO, &vpc).await;
    assert_eq!(
        created["VpcPeeringAuthorization"],
        json!({
            "GameLiftAwsAccountId": STUDIO,
            "PeerVpcAwsAccountId": BACKEND,
            "PeerVpcId": vpc,
            "CreationTime": 1_795_348_800.489,
            "ExpirationTime": 1_795_348_800 + 86_400,
        })
    );

    server.advance(SignedDuration::from_millis(86_399_510));
    assert_eq!(described(&backend).await.len(), 1);
    server.advance(SignedDuration::from_millis(1));
    assert_eq!(described(&backend).await, Vec::<Value>::new());
}

#[tokio::test]
async fn issuing_again_renews() {
    let server = Server::new();
    let backend = server.gamelift(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let first = backend.authorize(STUDIO, &vpc).await;
    server.advance(SignedDuration::from_hours(23));
    let second = backend.authorize(STUDIO, &vpc).await;
    assert_ne!(first, second);
    assert_eq!(
        described(&backend).await,
        [second["VpcPeeringAuthorization"].clone()]
    );
    server.advance(SignedDuration::from_hours(23));
    assert_eq!(described(&backend).await.len(), 1);
}

#[tokio::test]
async fn both_sides_see_it_and_nobody_else() {
    let server = Server::new();
    let backend = server.gamelift(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let given = backend.authorize(STUDIO, &vpc).await;
    let given = given["VpcPeeringAuthorization"].clone();
    let away = server.gamelift_in(STUDIO, AWAY);
    let strangers = server.gamelift(STRANGER);
    assert_eq!(described(&backend).await, std::slice::from_ref(&given));
    assert_eq!(described(&server.gamelift(STUDIO)).await, [given]);
    assert!(described(&away).await.is_empty());
    assert!(described(&strangers).await.is_empty());
}

#[tokio::test]
async fn an_authorization_for_oneself_is_shown_once() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let vpc = studio.vpc("10.0.0.0/16").await;
    studio.authorize(STUDIO, &vpc).await;
    assert_eq!(described(&studio).await.len(), 1);
}

#[tokio::test]
async fn only_the_owner_of_the_vpc_authorizes() {
    let server = Server::new();
    let vpc = server.gamelift(BACKEND).vpc("10.0.0.0/16").await;
    let backend_away = server.gamelift_in(BACKEND, AWAY);
    for (account, vpc) in [
        (&server.gamelift(BACKEND), UNKNOWN),
        (&server.gamelift(BACKEND), "vpc-🏝"),
        (&server.gamelift(STUDIO), vpc.as_str()),
        (&server.gamelift(STRANGER), vpc.as_str()),
        (&backend_away, vpc.as_str()),
    ] {
        let refusal = account
            .refusal("CreateVpcPeeringAuthorization", named(STUDIO, vpc))
            .await;
        assert_refused(
            &refusal,
            "NotFoundException",
            &format!(
                "VPC {vpc} was not found in account {} and Region {}.",
                account.scope().account,
                account.region()
            ),
        );
    }
}

#[tokio::test]
async fn an_account_id_has_twelve_digits() {
    let server = Server::new();
    let backend = server.gamelift(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    for wrong in ["11112222333", "1111222233334", "studio", "١١١١٢٢٢٢٣٣٣٣"] {
        for operation in [
            "CreateVpcPeeringAuthorization",
            "DeleteVpcPeeringAuthorization",
        ] {
            assert_refused(
                &backend.refusal(operation, named(wrong, &vpc)).await,
                "InvalidRequestException",
                &format!(
                    "Value '{wrong}' at 'gameLiftAwsAccountId' is not an AWS account ID: it has 12 \
                     digits."
                ),
            );
        }
    }
}

#[tokio::test]
async fn the_owner_cancels_and_only_what_is_valid() {
    let server = Server::new();
    let backend = server.gamelift(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.authorize(STUDIO, &vpc).await;

    let input = named(STUDIO, &vpc);
    let not_found = |vpc: &str, account: &str| {
        format!("No valid VPC peering authorization of VPC {vpc} for account {account} was found.")
    };
    // The account that was let in cannot give its own permission away, nor can a stranger.
    for account in [STUDIO, STRANGER] {
        assert_refused(
            &server
                .gamelift(account)
                .refusal("DeleteVpcPeeringAuthorization", input.clone())
                .await,
            "NotFoundException",
            &not_found(&vpc, STUDIO),
        );
    }
    let output = backend
        .call("DeleteVpcPeeringAuthorization", input.clone())
        .await;
    assert_eq!(output, json!({}));
    assert!(described(&backend).await.is_empty());

    for (account, vpc) in [(STUDIO, vpc.as_str()), (STRANGER, &vpc), (STUDIO, UNKNOWN)] {
        assert_refused(
            &backend
                .refusal("DeleteVpcPeeringAuthorization", named(account, vpc))
                .await,
            "NotFoundException",
            &not_found(vpc, account),
        );
    }

    // Given again, it expires; and what has expired cannot be cancelled.
    let again = backend.authorize(STUDIO, &vpc).await;
    assert_eq!(text(&again["VpcPeeringAuthorization"]["PeerVpcId"]), vpc);
    server.advance(SignedDuration::from_hours(24));
    assert_refused(
        &backend
            .refusal("DeleteVpcPeeringAuthorization", input)
            .await,
        "NotFoundException",
        &not_found(&vpc, STUDIO),
    );
    assert_eq!(backend.region().as_str(), HOME);
}
