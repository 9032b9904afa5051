//! Whatever the model lets through is carried out or refused: never an error of the server's own.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use serde_json::{Map, Value, json};
use tombolo_api::model::{Kind, Service, ShapeId};

use super::server::{BACKEND, STUDIO, Server, gamelift};

/// Texts that some pattern of the model accepts, and that mean something or nothing.
const TEXTS: [&str; 18] = [
    "a",
    "🏝",
    "\0",
    "../..",
    "fleet-1",
    "build-1",
    "script-1",
    "vpc-1",
    "custom-office",
    "us-west-2",
    "arn:aws:gamelift:us-west-2:111122223333:fleet/fleet-1",
    "arn::::::fleet/fleet-1",
    "arn:aws:gamelift:us-west-2::build/build-1",
    "/local/game/server",
    "10.0.0.0/8",
    "1.2.3",
    "111122223333",
    "444455556666",
];

/// Any value of a shape, well or badly formed. `known` are ids of things that exist.
fn value(service: &'static Service, id: ShapeId, known: &[String]) -> BoxedStrategy<Value> {
    match &service.shape(id).kind {
        Kind::Structure(structure) => {
            let mut members = Just(Map::new()).boxed();
            for member in &structure.members {
                let there = if member.required { 0.99 } else { 0.3 };
                let held = value(service, member.shape, known);
                let held = proptest::option::weighted(there, held);
                let name = member.name;
                members = (members, held)
                    .prop_map(move |(mut members, held)| {
                        members.extend(held.map(|held| (name.to_owned(), held)));
                        members
                    })
                    .boxed();
            }
            members.prop_map(Value::Object).boxed()
        }
        Kind::List(list) => proptest::collection::vec(value(service, list.member, known), 0..3)
            .prop_map(Value::Array)
            .boxed(),
        Kind::Text { values, .. } if !values.is_empty() => proptest::sample::select(values.clone())
            .prop_map(Value::from)
            .boxed(),
        Kind::Text { .. } => {
            let known = known.iter().cloned();
            let texts = known.chain(TEXTS.map(str::to_owned)).collect::<Vec<_>>();
            proptest::sample::select(texts)
                .prop_map(Value::from)
                .boxed()
        }
        Kind::Integer(_) => prop_oneof![0..100i64, any::<i64>()]
            .prop_map(Value::from)
            .boxed(),
        Kind::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Timestamp => prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (0..2_000_000_000i64).prop_map(Value::from),
        ]
        .boxed(),
    }
}

#[test]
fn no_request_is_an_error_of_the_servers_own() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let server = Server::new();
    let known = runtime.block_on(async {
        let studio = server.account(STUDIO);
        let backend = server.account(BACKEND);
        let [fleet, build, vpc] = [
            studio.fleet().await,
            studio.ready_build().await,
            backend.vpc("10.0.0.0/16").await,
        ];
        backend.authorize(STUDIO, &vpc).await;
        let input = json!({"FleetId": fleet, "PeerVpcAwsAccountId": BACKEND, "PeerVpcId": vpc});
        studio.call("CreateVpcPeeringConnection", input).await;
        let connection = server.connection(&fleet).await.id.to_string();
        let arn = format!("arn:aws:gamelift:us-west-2:{STUDIO}:fleet/{fleet}");
        vec![fleet, build, vpc, connection, arn]
    });

    for operation in gamelift().operations() {
        let input = match operation.input {
            Some(shape) => value(gamelift(), shape, &known),
            None => Just(json!({})).boxed(),
        };
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 200,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let outcome = runner.run(&input, |input| {
            // The server itself holds each refusal against the codes that the model declares.
            let code = runtime.block_on(server.account(STUDIO).attempt(operation.name, input));
            prop_assert_ne!(code, Some("InternalServiceException"));
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{}: {error}", operation.name);
        }
    }
}
