//! That the walk leaves nothing out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tombolo_api::model::ServiceName;
use tombolo_api::operation::ResourceType;
use tombolo_api::registry;

use crate::calls;
use crate::exceptions::without_decision;
use crate::members::{FILTERS, FILTERS_BY_VALUE, Member, member, unused};
use crate::objects::{self, Names, Part};
use crate::walk::{filtered, paths};
use crate::wire::copy_of;
use crate::world::{A_STRANGER, Foreign, Kind, Things, World};

/// Names that are in one of two lists and not in the other.
fn differing(
    ours: &BTreeSet<&'static str>,
    rows: &BTreeSet<&'static str>,
) -> (Vec<&'static str>, Vec<&'static str>) {
    let missing = rows.difference(ours).copied().collect();
    let unknown = ours.difference(rows).copied().collect();
    (missing, unknown)
}

fn require_same(file: &str, ours: &[&'static str], rows: &[&'static str]) {
    let set: BTreeSet<_> = ours.iter().copied().collect();
    assert_eq!(set.len(), ours.len(), "{file} has an operation twice");
    let (missing, unknown) = differing(&set, &rows.iter().copied().collect());
    assert!(
        missing.is_empty(),
        "add a call that succeeds to tests/account_isolation/{file} for {missing:?}"
    );
    assert!(
        unknown.is_empty(),
        "take these out of tests/account_isolation/{file}, which no service has: {unknown:?}"
    );
}

#[tokio::test]
async fn every_operation_is_walked() {
    let world = World::new().await;
    let own = world.things(&A_STRANGER);
    for service in ServiceName::ALL {
        let calls: Vec<_> = calls::of_service(service, own)
            .iter()
            .map(|(name, _)| *name)
            .collect();
        let rows: Vec<_> = registry::operations(service)
            .iter()
            .map(|row| row.name)
            .collect();
        require_same("calls.rs", &calls, &rows);
    }
    let calls: Vec<_> = objects::calls().iter().map(|call| call.operation).collect();
    let rows: Vec<_> = tombolo_objects::OPERATIONS
        .iter()
        .map(|row| row.name)
        .collect();
    require_same("objects.rs", &calls, &rows);
}

#[tokio::test]
async fn every_text_of_an_input_is_said_to_name_something_or_not() {
    let world = World::new().await;
    let mut all = Vec::new();
    for row in ServiceName::ALL.into_iter().flat_map(registry::operations) {
        for path in paths(&world, row) {
            assert!(
                member(row.name, &path).is_some(),
                "say in tests/account_isolation/members.rs what {}.{} names, or that it is a value",
                row.name,
                path.name()
            );
            all.push((row.name, path));
        }
    }
    assert_eq!(
        unused(&all),
        Vec::<&str>::new(),
        "no input has such a member"
    );
}

#[test]
fn what_an_operation_of_s3_is_on_is_what_it_names() {
    for call in objects::calls() {
        let mut rows = tombolo_objects::OPERATIONS.iter();
        let row = rows.find(|row| row.name == call.operation).unwrap();
        let names_upload = call.operation.contains("Part") || call.operation.contains("Upload");
        let expected: &[Part] = match row.resource {
            ResourceType::Any => &[],
            ResourceType::Bucket => &[Part::Bucket],
            _ if names_upload && !call.operation.starts_with("Create") => {
                &[Part::Bucket, Part::Key, Part::Upload]
            }
            _ => &[Part::Bucket, Part::Key],
        };
        assert_eq!(call.parts, expected, "{}", call.operation);
    }
}

/// The names of EC2's filters, as its source has them.
fn filters() -> BTreeSet<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../tombolo-api/src/ec2")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            match path.is_dir() {
                true => folders.push(path),
                false => found.extend(filters_in(&path)),
            }
        }
    }
    found
}

fn filters_in(path: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let fields = text.split("(\"").skip(1);
    let names = fields.filter_map(|rest| {
        let (name, rest) = rest.split_once('"')?;
        rest.starts_with(", |").then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn every_filter_by_an_id_or_name_is_tried() {
    let known: BTreeSet<_> = FILTERS.iter().map(|(name, _)| *name).collect();
    let values: BTreeSet<_> = FILTERS_BY_VALUE.iter().copied().collect();
    let there = filters();
    for name in &there {
        let is_id = ["-id", "-arn", "group-name"]
            .iter()
            .any(|end| name.ends_with(end));
        assert!(
            !is_id || known.contains(&**name) || values.contains(&**name),
            "say in tests/account_isolation/members.rs what ids the filter {name} looks at"
        );
    }
    let gone: Vec<_> = known
        .union(&values)
        .filter(|name| !there.contains(**name))
        .collect();
    assert!(gone.is_empty(), "no operation has these filters: {gone:?}");
}

#[test]
fn every_exception_has_a_decision() {
    assert_eq!(without_decision(), Vec::<u32>::new());
}

/// What nobody has, to be named in place of what an account has.
fn unknown_in_place_of(kind: Kind, id: &str) -> String {
    Foreign::of(kind, id).unknown().text
}

/// Whether a name that nobody has does as well: an account that is authorized or asked need not be
/// there, and what is made may have any name.
fn may_be_unknown(operation: &str, kind: Kind) -> bool {
    matches!(
        (operation, kind),
        (_, Kind::Account)
            | ("PutScalingPolicy", Kind::Policy)
            | ("CreateSecurityGroup", Kind::GroupName)
    )
}

#[tokio::test]
async fn calls_on_what_an_account_has_succeed_and_depend_on_it() {
    let world = World::new().await;
    let own = world.things(&A_STRANGER);
    for service in ServiceName::ALL {
        for (name, input) in calls::of_service(service, own) {
            let row = registry::operation(service, name).unwrap();
            let call = async |input: &Value| {
                let server = Arc::new(world.server.copy(1).await);
                world.wire.call(&server, &own.who, row, input).await
            };
            let answer = call(&input).await;
            assert!(answer.succeeded(), "{name} with {input}: {}", answer.text);
            for path in paths(&world, row) {
                let kind = match member(name, &path) {
                    Some(Member::Names(kind)) => kind,
                    Some(Member::NamesTagged) => Kind::Vpc,
                    _ => continue,
                };
                let Some(id) = path.get(&input).and_then(Value::as_str) else {
                    continue;
                };
                if may_be_unknown(name, kind) {
                    continue;
                }
                let unknown = path.set(&input, json!(unknown_in_place_of(kind, id)));
                let other = call(&unknown).await;
                assert_ne!(answer, other, "{name} does not look at {}", path.name());
            }
        }
    }
    objects_depend(&world, own).await;
}

async fn objects_depend(world: &World, own: &Things) {
    for call in objects::calls() {
        let ask = async |names: &Names| {
            let server = Arc::new(world.server.copy(1).await);
            let blobs = copy_of(world.blobs.path());
            let ask = (call.ask)(names, own);
            world.wire.ask(&server, blobs.path(), &own.who, &ask).await
        };
        let names = (call.own)(own);
        let answer = ask(&names).await;
        assert!(answer.succeeded(), "{}: {}", call.operation, answer.text);
    }
}

#[tokio::test]
async fn every_filter_by_an_id_or_name_finds_something() {
    let world = World::new().await;
    let mut met = BTreeSet::new();
    let everything = crate::world::of_owner(&world).await;
    for row in registry::operations(ServiceName::Ec2) {
        if !paths(&world, row)
            .iter()
            .any(|path| path.name() == "Filters.Values")
        {
            continue;
        }
        let server = Arc::new(world.server.copy(1).await);
        let call = async |name: &str, value: &str| {
            let input = filtered(name, value);
            world
                .wire
                .call(&server, &world.owner.who, row, &input)
                .await
        };
        for (name, kind) in FILTERS {
            for one in everything.iter().filter(|one| one.kind == *kind) {
                let (found, none) = (one.existing().text, one.unknown().text);
                if call(name, &found).await != call(name, &none).await {
                    met.insert(*name);
                }
            }
        }
    }
    let unmet: Vec<_> = FILTERS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !met.contains(name))
        .collect();
    assert_eq!(
        unmet, NEVER_FOUND,
        "what these look for is not in the world"
    );
}

/// Filters by instances, which only what a fleet hides has.
const NEVER_FOUND: &[&str] = &["attachment.instance-id", "route.instance-id"];
