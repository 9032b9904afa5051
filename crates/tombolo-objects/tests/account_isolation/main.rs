//! What belongs to another is answered like what never was, to the byte, by every operation of every
//! service.
//!
//! The world ([`world`]) has an owner with everything there is, and those who look for it: a
//! stranger, here and in another Region, an account whose VPC is peered with the owner's and with its fleet, the owner in another
//! Region, the owner who looks for what its fleet hides, and who may upload one build, for which its
//! own account's other objects are another's, too. Each has
//! everything itself, so that whatever else a call names can be right. The walk ([`walk`]) makes each
//! call twice, for what the owner has and for what nobody has; with a placeholder for what was looked
//! for, both must be answered, and change the store, alike. What is told all the same is listed with
//! its decision ([`exceptions`]).
//!
//! A new operation needs a row in [`calls`] or [`objects`], a new member of an input one in
//! [`members`]; the tests say so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panic"
)]

mod calls;
mod complete;
mod exceptions;
mod lists;
mod members;
mod objects;
mod walk;
mod wire;
mod world;

use std::collections::BTreeSet;

use crate::exceptions::cases;
use crate::walk::Walk;
use crate::wire::Who;
use crate::world::{
    A_PEER, A_STRANGER, A_STRANGER_AWAY, Foreign, Kind, OWNER, THE_OWNER_AWAY, World, hidden,
    in_s3, of_owner,
};

/// How many differences a failure shows; one mistake makes many.
const SHOWN: usize = 5;

async fn walk(who: Who, world: &World, foreign: Vec<Foreign>) {
    let mut walk = Walk::new(world, who.clone(), foreign).await;
    if who.uploads.is_none() {
        walk.services().await;
    }
    if who != OWNER {
        walk.objects().await;
    }
    assert!(
        walk.compared > 100 || who.uploads.is_some(),
        "this walked nowhere"
    );
    let first: Vec<_> = walk
        .failures
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect();
    assert!(
        first.is_empty(),
        "{} answers tell what exists, of which the first:\n{}",
        walk.failures.len(),
        first.join("\n\n")
    );
    let cases: BTreeSet<_> = cases(&who).collect();
    let unmet: Vec<_> = cases.difference(&walk.met).collect();
    assert!(
        unmet.is_empty(),
        "take these out of the exceptions: they tell nothing: {unmet:?}"
    );
}

#[tokio::test]
async fn a_stranger_is_told_nothing() {
    let world = World::new().await;
    let foreign = [of_owner(&world).await, world.shared.clone()];
    walk(A_STRANGER, &world, foreign.concat()).await;
}

#[tokio::test]
async fn a_stranger_is_told_nothing_in_another_region() {
    let world = World::new().await;
    let foreign = [of_owner(&world).await, world.shared.clone()];
    walk(A_STRANGER_AWAY, &world, foreign.concat()).await;
}

#[tokio::test]
async fn the_owner_is_told_nothing_in_another_region() {
    let world = World::new().await;
    let mut foreign = [of_owner(&world).await, world.shared.clone()].concat();
    // The account is its own.
    foreign.retain(|one| one.kind != Kind::Account);
    walk(THE_OWNER_AWAY, &world, foreign).await;
}

#[tokio::test]
async fn a_peer_is_told_of_the_peering_only() {
    let world = World::new().await;
    let foreign = [of_owner(&world).await, world.shared.clone()];
    walk(A_PEER, &world, foreign.concat()).await;
}

#[tokio::test]
async fn the_owner_is_told_nothing_of_what_its_fleet_hides() {
    let world = World::new().await;
    walk(OWNER, &world, hidden(&world).await).await;
}

#[tokio::test]
async fn who_may_upload_a_build_is_told_of_no_other_object() {
    let world = World::new().await;
    let build = world.things(&A_STRANGER).awaited_build.parse().unwrap();
    let who = Who {
        uploads: Some(build),
        ..A_STRANGER
    };
    walk(who.clone(), &world, of_owner(&world).await).await;
    walk(who, &world, in_s3(world.things(&A_STRANGER))).await;
}
