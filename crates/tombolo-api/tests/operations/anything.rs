//! Whatever a service's model lets through is carried out or refused: never an error of the
//! server's own.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tombolo_api::model::{Kind, Service, ShapeId};

use crate::account::Account;

/// Calls every operation of the account's service with inputs of the model's shapes, whose texts
/// are `known` or of `texts`.
pub(crate) fn throw(runtime: &Runtime, account: &Account<'_>, known: Vec<String>, texts: &[&str]) {
    let service = account.model();
    let texts = texts.iter().map(|&text| text.to_owned());
    let texts: Vec<String> = known.into_iter().chain(texts).collect();
    for operation in service.operations() {
        let input = match operation.input {
            Some(shape) => value(service, shape, &texts),
            None => Just(json!({})).boxed(),
        };
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 200,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let outcome = runner.run(&input, |input| {
            let refused = runtime.block_on(account.attempt(operation.name, input));
            let internal = ["InternalServiceException", "InternalError"];
            prop_assert!(!refused.is_some_and(|code| internal.contains(&code)));
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{}: {error}", operation.name);
        }
    }
}

/// Any value of a shape, well or badly formed; `texts` are those that its texts have.
fn value(service: &'static Service, id: ShapeId, texts: &[String]) -> BoxedStrategy<Value> {
    match &service.shape(id).kind {
        Kind::Structure(structure) => {
            let mut members = Just(Map::new()).boxed();
            for member in &structure.members {
                let there = if member.required { 0.99 } else { 0.3 };
                let held = value(service, member.shape, texts);
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
        Kind::List(list) => proptest::collection::vec(value(service, list.member, texts), 0..3)
            .prop_map(Value::Array)
            .boxed(),
        Kind::Text { values, .. } if !values.is_empty() => proptest::sample::select(values.clone())
            .prop_map(Value::from)
            .boxed(),
        Kind::Text { .. } => proptest::sample::select(texts.to_vec())
            .prop_map(Value::from)
            .boxed(),
        Kind::Integer(_) => prop_oneof![0..100i64, any::<i32>().prop_map(i64::from), any::<i64>()]
            .prop_map(Value::from)
            .boxed(),
        Kind::Double => prop_oneof![any::<f64>(), -1.0..101.0]
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
