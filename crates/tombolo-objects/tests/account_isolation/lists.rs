//! That what an account lists, and whatever else it does with what it has itself, is the same whether
//! or not there is an owner.

use std::collections::BTreeSet;

use serde_json::Value;
use tombolo_api::model::{Kind as Shape, ServiceName};
use tombolo_api::operation::Operation;
use tombolo_api::registry;
use tombolo_testkit::server::Server;

use crate::calls;
use crate::exceptions::shown;
use crate::objects::{self};
use crate::wire::{Answer, Who, copy_of};
use crate::world::{A_PEER, A_STRANGER, A_STRANGER_AWAY, Copies, THE_OWNER_AWAY, World, of_owner};

/// The call on what the account has, and the one without whatever can be left out, which lists.
fn inputs(world: &World, row: &Operation, input: Value) -> [Value; 2] {
    let model = world.wire.model(row.service);
    let mut least = input.clone();
    let shape = model
        .operation(row.name)
        .and_then(|operation| operation.input);
    if let (Some(shape), Some(members)) = (shape, least.as_object_mut())
        && let Shape::Structure(structure) = &model.shape(shape).kind
    {
        let required = |name: &str| {
            structure
                .members
                .iter()
                .any(|one| one.name == name && one.required)
        };
        members.retain(|name, _| required(name));
    }
    [input, least]
}

/// All answers that an account gets in a world, by what it called.
async fn answers(world: &World, server: &Server, who: &Who) -> Vec<(String, Answer)> {
    let own = world.things(who);
    let mut copies = Copies::of(server, 1).await;
    let mut all = Vec::new();
    for service in ServiceName::ALL {
        for (name, input) in calls::of_service(service, own) {
            let row = registry::operation(service, name).unwrap();
            for input in inputs(world, row, input) {
                let server = copies.next().await;
                let answer = world.wire.call(&server, who, row, &input).await;
                copies.put_back(server).await;
                all.push((format!("{row:?}"), answer));
            }
        }
    }
    for call in objects::calls() {
        let server = copies.next().await;
        let blobs = copy_of(world.blobs.path());
        let ask = (call.ask)(&(call.own)(own), own);
        let answer = world.wire.ask(&server, blobs.path(), who, &ask).await;
        copies.put_back(server).await;
        all.push((format!("s3:{}", call.operation), answer));
    }
    all
}

#[tokio::test]
async fn an_account_does_not_see_whether_there_are_others() {
    let world = World::new().await;
    for who in [A_STRANGER, A_STRANGER_AWAY, THE_OWNER_AWAY] {
        let with = answers(&world, &world.server, &who).await;
        let without = answers(&world, &world.without_owner, &who).await;
        for (with, without) in with.iter().zip(&without) {
            assert_eq!(with, without);
        }
    }
}

#[tokio::test]
async fn a_peer_is_shown_the_owners_ids_in_what_both_share_only() {
    let world = World::new().await;
    let ids: Vec<_> = of_owner(&world).await;
    let mut telling = BTreeSet::new();
    for (operation, answer) in answers(&world, &world.server, &A_PEER).await {
        let told = ids
            .iter()
            .find(|one| answer.text.contains(&one.existing().text));
        if told.is_some() {
            telling.insert(operation);
        }
    }
    let expected: BTreeSet<_> = shown().map(str::to_owned).collect();
    assert_eq!(telling, expected);
}
