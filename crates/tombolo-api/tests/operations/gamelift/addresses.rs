//! Which block of addresses a fleet gets.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use tombolo_domain::cidr::AddressPlan;
use tombolo_testkit::gamelift::fleet_input;

use crate::account::{Account, assert_refused};
use crate::document::with;
use crate::server::{AWAY, BACKEND, STRANGER, STUDIO, Server};
use crate::slow::Slow;
use crate::store::Meddled;

async fn block(account: &Account<'_>, fleet: &str) -> String {
    account.hidden_vpc(fleet).await.cidr.to_string()
}

fn plan(pool: &str, fleet_prefix: u8) -> AddressPlan {
    AddressPlan {
        pool: pool.parse().unwrap(),
        fleet_prefix,
    }
}

#[tokio::test]
async fn no_two_fleets_share_a_block_while_there_is_a_choice() {
    let server = Server::new();
    let accounts = [
        server.gamelift(STUDIO),
        server.gamelift(STUDIO),
        server.gamelift(STRANGER),
        server.gamelift_in(STUDIO, AWAY),
    ];
    let mut blocks = Vec::new();
    for account in &accounts {
        let fleet = account.fleet().await;
        blocks.push(block(account, &fleet).await);
    }
    let expected = [
        "100.64.0.0/24",
        "100.64.1.0/24",
        "100.64.2.0/24",
        "100.64.3.0/24",
    ];
    assert_eq!(blocks, expected);
}

#[tokio::test]
async fn fleets_made_at_the_same_time_do_not_share_a_block() {
    // More than an operation is started over.
    const FLEETS: usize = 300;
    let server = Arc::new(Server::over(|store| Meddled::new(store, Slow)));
    let mut tasks = JoinSet::new();
    for n in 0..FLEETS {
        let server = server.clone();
        tasks.spawn(async move {
            let account = server.gamelift([STUDIO, BACKEND, STRANGER][n % 3]);
            let fleet = account.fleet().await;
            block(&account, &fleet).await
        });
    }
    let blocks: BTreeSet<String> = tasks.join_all().await.into_iter().collect();
    assert_eq!(blocks.len(), FLEETS, "{blocks:?}");
}

#[tokio::test]
async fn a_block_avoids_the_accounts_vpcs_and_those_authorized_for_it() {
    let server = Server::with_plan(plan("10.0.0.0/22", 24));
    let studio = server.gamelift(STUDIO);
    let backend = server.gamelift(BACKEND);
    studio.vpc("10.0.0.0/25").await;
    let peer = backend.vpc("10.0.1.128/28").await;
    backend.vpc("10.0.2.0/24").await;
    backend.authorize(STUDIO, &peer).await;
    // The account's VPCs of another Region are in nobody's way.
    server.gamelift_in(STUDIO, AWAY).vpc("10.0.2.0/24").await;

    let fleet = studio.fleet().await;
    assert_eq!(block(&studio, &fleet).await, "10.0.2.0/24");
}

#[tokio::test]
async fn a_block_avoids_fleets_of_others_that_are_joined_to_the_same_vpc() {
    let server = Server::with_plan(plan("10.0.0.0/23", 24));
    let backend = server.gamelift(BACKEND);
    let peer = backend.vpc("192.168.0.0/24").await;
    backend.authorize(STUDIO, &peer).await;
    backend.authorize(STRANGER, &peer).await;
    let studio = server.gamelift(STUDIO);
    let first = studio.fleet().await;
    assert_eq!(block(&studio, &first).await, "10.0.0.0/24");
    let input = json!({
        "FleetId": first, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": peer,
    });
    studio.call("CreateVpcPeeringConnection", input).await;
    // The second block is taken too, but by a fleet that is joined to nothing the stranger meets.
    let second = studio.fleet().await;
    assert_eq!(block(&studio, &second).await, "10.0.1.0/24");

    let stranger = server.gamelift(STRANGER);
    let fleet = stranger.fleet().await;
    assert_eq!(block(&stranger, &fleet).await, "10.0.1.0/24");
}

#[tokio::test]
async fn authorizations_that_nobody_asked_for_do_not_use_the_pool_up() {
    let server = Server::with_plan(plan("10.0.0.0/27", 28));
    let backend = server.gamelift(BACKEND);
    for taken in ["10.0.0.0/28", "10.0.0.16/28"] {
        let peer = backend.vpc(taken).await;
        backend.authorize(STUDIO, &peer).await;
    }
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    assert_eq!(block(&studio, &fleet).await, "10.0.0.0/28");
}

#[tokio::test]
async fn an_empty_pool_makes_no_fleet() {
    let server = Server::with_plan(plan("10.0.0.0/27", 28));
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    for _ in 0..2 {
        studio.fleet_with(fleet_input(&build)).await;
    }
    assert_refused(
        &studio.refusal("CreateFleet", fleet_input(&build)).await,
        "LimitExceededException",
        "No /28 block of the fleets' address pool 10.0.0.0/27 is left that overlaps no VPC of \
         account 111122223333. Delete a fleet or a VPC, or give the server a larger pool.",
    );
    // Another account may use the same addresses: its fleets never meet these.
    let stranger = server.gamelift(STRANGER);
    let fleet = stranger.fleet().await;
    assert_eq!(block(&stranger, &fleet).await, "10.0.0.0/28");
}

#[tokio::test]
async fn a_tag_forces_a_block_that_overlaps() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    studio.vpc("10.0.0.0/16").await;
    let build = studio.ready_build().await;
    let tags = json!([{"Key": "tombolo:fleet-cidr", "Value": "10.0.0.0/16"}]);
    let fleet = studio
        .fleet_with(with(fleet_input(&build), "Tags", tags))
        .await;
    assert_eq!(block(&studio, &fleet).await, "10.0.0.0/16");
}
