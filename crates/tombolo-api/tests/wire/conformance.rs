//! Held against the models themselves: for every operation served and every constraint in its
//! input, a request that breaks it is refused with the member's name and the constraint.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tombolo_api::error::{CommonError, ServiceError};
use tombolo_api::gamelift::GameLiftError;
use tombolo_api::model::ServiceName;
use tombolo_api::registry;

use crate::server::Server;
use crate::signer::Draft;

const GAMELIFT: &str = include_str!("../../models/gamelift.json");

/// An input that breaks one constraint, and how the refusal must name it.
struct Broken {
    input: Value,
    expected: String,
}

/// Walks the raw model, independently of the code that loads it.
struct Walk<'a> {
    shapes: &'a Value,
    broken: Vec<Broken>,
}

impl Walk<'_> {
    /// Breaks each constraint of the shape `name`. `path` is where it stands in messages, and
    /// `wrap` puts a value of it into an input.
    fn shape(&mut self, name: &str, path: &str, wrap: &dyn Fn(Value) -> Value) {
        let shape = self.shapes[name].clone();
        let mut found = Vec::new();
        let mut broken = |value: Value, rule: String| {
            found.push(Broken {
                input: wrap(value),
                expected: format!(" at '{path}' failed to satisfy constraint: Member must {rule}"),
            });
        };
        let (min, max) = (shape["min"].as_i64(), shape["max"].as_i64());
        match shape["type"].as_str().unwrap() {
            "string" => {
                if let Some(min) = min.filter(|min| *min > 0) {
                    let short = "a".repeat(min as usize - 1);
                    broken(short.into(), at_least("length", min));
                }
                if let Some(max) = max {
                    let long = "a".repeat(max as usize + 1);
                    broken(long.into(), at_most("length", max));
                }
                if let Some(pattern) = shape["pattern"].as_str() {
                    let rule = format!("satisfy regular expression pattern: {pattern}");
                    broken("! ".into(), rule);
                }
                if let Some(values) = shape["enum"].as_array() {
                    let values: Vec<_> = values.iter().map(|v| v.as_str().unwrap()).collect();
                    // Of a long set, the message has the first values only.
                    let listed = &values[..values.len().min(20)];
                    let rule = format!("satisfy enum value set: [{}", listed.join(", "));
                    broken("NO_SUCH_VALUE".into(), rule);
                }
            }
            "integer" | "long" => {
                if let Some(min) = min {
                    broken((min - 1).into(), at_least("value", min));
                }
                if let Some(max) = max {
                    broken((max + 1).into(), at_most("value", max));
                }
            }
            "list" => {
                let member = shape["member"]["shape"].as_str().unwrap();
                if let Some(min) = min.filter(|min| *min > 0) {
                    broken(json!([]), at_least("length", min));
                }
                if let Some(max) = max {
                    let element = self.sample(member);
                    let long = vec![element; max as usize + 1];
                    broken(long.into(), at_most("length", max));
                }
                let path = format!("{path}.1.member");
                self.shape(member, &path, &|value| wrap(json!([value])));
            }
            "structure" => self.structure(&shape, path, wrap),
            _ => {}
        }
        self.broken.append(&mut found);
    }

    fn structure(&mut self, shape: &Value, path: &str, wrap: &dyn Fn(Value) -> Value) {
        let required = shape["required"].as_array().cloned().unwrap_or_default();
        for (name, to) in shape["members"].as_object().unwrap() {
            let mut lower = name.clone();
            lower[..1].make_ascii_lowercase();
            let separator = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{separator}{lower}");
            if required.contains(&json!(name)) {
                self.broken.push(Broken {
                    input: wrap(json!({})),
                    expected: format!(
                        "Value null at '{path}' failed to satisfy constraint: Member must not be null"
                    ),
                });
            }
            let wrap = |value: Value| {
                let mut members = Map::new();
                members.insert(name.clone(), value);
                wrap(members.into())
            };
            self.shape(to["shape"].as_str().unwrap(), &path, &wrap);
        }
    }

    /// A value of the right type.
    fn sample(&self, name: &str) -> Value {
        match self.shapes[name]["type"].as_str().unwrap() {
            "structure" => json!({}),
            "list" => json!([]),
            "string" => json!("a"),
            _ => json!(1),
        }
    }
}

fn at_least(what: &str, bound: i64) -> String {
    format!("have {what} greater than or equal to {bound}")
}

fn at_most(what: &str, bound: i64) -> String {
    format!("have {what} less than or equal to {bound}")
}

#[test]
fn every_constraint_of_every_served_operation_is_enforced_by_name() {
    let server = Server::new();
    let model: Value = serde_json::from_str(GAMELIFT).unwrap();
    let mut checked = 0;
    for row in registry::operations(ServiceName::GameLift) {
        let operation = row.name;
        let ends = &model["operations"][operation];
        let mut walk = Walk {
            shapes: &model["shapes"],
            broken: Vec::new(),
        };
        walk.shape(ends["input"]["shape"].as_str().unwrap(), "", &|value| value);
        for Broken { input, expected } in walk.broken {
            let mut cbor = Vec::new();
            ciborium::into_writer(&input, &mut cbor).unwrap();
            for draft in [
                Draft::json(operation, input.to_string()),
                Draft::cbor(operation, cbor),
            ] {
                let (status, code, message) = server.refused(&draft.sign());
                assert_eq!(
                    (status, code.as_str()),
                    (400, "InvalidRequestException"),
                    "{message}"
                );
                assert!(
                    message.contains(&expected),
                    "{operation}: {expected}\nin {message}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "only {checked} constraints were found");
}

#[test]
fn the_message_names_member_and_value() {
    let server = Server::new();
    let input = json!({ "FleetId": "fleet 1", "PeerVpcId": "" });
    let draft = Draft::json("CreateVpcPeeringConnection", input.to_string());
    let (.., message) = server.refused(&draft.sign());
    assert_eq!(
        message,
        "3 validation errors detected: \
         Value 'fleet 1' at 'fleetId' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: ^[a-z]*fleet-[a-zA-Z0-9\\-]+$; \
         Value null at 'peerVpcAwsAccountId' failed to satisfy constraint: Member must not be null; \
         Value '' at 'peerVpcId' failed to satisfy constraint: Member must have length greater \
         than or equal to 1"
    );
}

#[test]
fn sensitive_values_are_not_repeated() {
    let server = Server::new();
    let port =
        json!({ "FromPort": 70_123, "ToPort": 1, "IpRange": "secret range", "Protocol": "TCP" });
    let input = json!({ "Name": "n", "EC2InboundPermissions": [port] });
    let (.., message) = server.refused(&Draft::json("CreateFleet", input.to_string()).sign());
    assert!(
        message.contains("Value at 'eC2InboundPermissions.1.member.fromPort'"),
        "{message}"
    );
    assert!(
        !message.contains("70123") && !message.contains("secret"),
        "{message}"
    );
}

#[test]
fn unknown_members_are_ignored_as_aws_does() {
    let server = Server::new();
    let draft = Draft::json(
        "ListBuilds",
        json!({ "Limit": 1, "Surprise": [{}] }).to_string(),
    );
    assert_eq!(server.send(&draft.sign()).status, 200);
}

#[test]
fn every_other_operation_of_the_models_answers_501() {
    let server = Server::new();
    let model: Value = serde_json::from_str(GAMELIFT).unwrap();
    let unserved = model["unserved"].as_array().unwrap();
    let served = registry::operations(ServiceName::GameLift);
    assert_eq!(unserved.len(), 120 - served.len());
    for name in unserved {
        let name = name.as_str().unwrap();
        let (status, code, message) = server.refused(&Draft::json(name, "{}").sign());
        assert_eq!((status, code.as_str()), (501, "NotImplementedException"));
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn every_error_that_gamelift_declares_can_be_said() {
    let own = GameLiftError::all().into_iter();
    let own = own.filter(|kind| !matches!(kind, GameLiftError::Common(_)));
    let failed = GameLiftError::Common(CommonError::Internal);
    let said: BTreeSet<_> = own.chain([failed]).map(|kind| kind.wire().code).collect();
    let server = Server::new();
    let gamelift = server.api().models().service(ServiceName::GameLift);
    let declared: BTreeSet<_> = gamelift
        .operations()
        .flat_map(|operation| operation.errors.iter().copied())
        .collect();
    assert_eq!(declared, said);
}
