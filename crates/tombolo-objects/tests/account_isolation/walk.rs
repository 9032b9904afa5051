//! The walk: each call twice, for what another has and for what nobody has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tombolo_api::model::{Kind as Shape, ServiceName};
use tombolo_api::operation::Operation;
use tombolo_api::registry;
use tombolo_testkit::server::Server;

use crate::calls;
use crate::exceptions::{Met, exception};
use crate::members::{FILTERS, Member, Path, Step, member, texts};
use crate::objects::{self, Names, Part};
use crate::wire::{Answer, Ask, Who, copy_of};
use crate::world::{Copies, Foreign, Kind, Looked, OF_BUILDS, Things, World};

/// The seed of the ids that a call gives, the same for every call.
const SEED: u64 = 7;

type Entries = BTreeMap<Bytes, Bytes>;

/// A walk of one caller, and what it found.
pub(crate) struct Walk<'w> {
    world: &'w World,
    who: Who,
    /// What the caller has no business with.
    foreign: Vec<Foreign>,
    before: Entries,
    copies: Copies<'w>,
    /// What calls were answered that changed nothing.
    answers: BTreeMap<(ServiceName, &'static str, String), String>,
    pub(crate) failures: Vec<String>,
    /// The cases of exceptions that were met.
    pub(crate) met: BTreeSet<Met>,
    /// How many calls were compared.
    pub(crate) compared: usize,
}

/// What a call came to.
struct Seen {
    answer: String,
    /// What it changed in the store.
    changes: Vec<String>,
    /// Those of it that are not the caller's own.
    trespasses: Vec<String>,
}

/// A call of an operation that is compared.
struct Compared<'a> {
    operation: String,
    /// The members that name what is looked for, with what that is.
    members: Vec<(String, &'static str)>,
    /// How the call is other than one that succeeds.
    how: &'a str,
}

impl<'w> Walk<'w> {
    pub(crate) async fn new(world: &'w World, who: Who, foreign: Vec<Foreign>) -> Self {
        Walk {
            world,
            who,
            foreign,
            before: world.server.dump().await.1,
            copies: Copies::of(&world.server, SEED).await,
            answers: BTreeMap::new(),
            failures: Vec::new(),
            met: BTreeSet::new(),
            compared: 0,
        }
    }

    fn own(&self) -> &'w Things {
        self.world.things(&self.who)
    }

    /// Every operation of the services that have models, for each of its members that names
    /// something.
    pub(crate) async fn services(&mut self) {
        for service in ServiceName::ALL {
            let calls: BTreeMap<_, _> =
                calls::of_service(service, self.own()).into_iter().collect();
            for row in registry::operations(service) {
                // That it is there is a test of its own.
                if let Some(input) = calls.get(row.name) {
                    self.operation(row, input).await;
                }
            }
        }
    }

    async fn operation(&mut self, row: &'static Operation, input: &Value) {
        for path in paths(self.world, row) {
            match member(row.name, &path) {
                Some(Member::Names(kind)) => {
                    self.member(row, input, &path, |one| one.kind == kind).await;
                }
                Some(Member::NamesTagged) => {
                    self.member(row, input, &path, |one| one.kind.is_tagged())
                        .await;
                }
                Some(Member::Filters) => self.filters(row).await,
                Some(Member::Value) | None => {}
            }
        }
    }

    /// One member, with everything foreign that it can name, in calls that are right but for that
    /// and in calls that are wrong elsewhere, too.
    async fn member(
        &mut self,
        row: &'static Operation,
        input: &Value,
        path: &Path,
        names: impl Fn(&Foreign) -> bool,
    ) {
        let foreign: Vec<_> = self
            .foreign
            .iter()
            .filter(|one| names(one))
            .cloned()
            .collect();
        let variants = variants(self.world, row, input, path);
        for one in &foreign {
            for (how, input) in &variants {
                let compared = Compared {
                    operation: format!("{row:?}"),
                    members: vec![(path.name(), one.what)],
                    how,
                };
                let set = |looked: &[Looked]| path.set(input, json!(looked[0].text));
                self.call(row, &compared, &[(one.existing(), one.unknown())], set)
                    .await;
            }
            self.with_others(row, input, path, one).await;
        }
    }

    /// The call with another member, and with all others, that name the owner's, too, or what nobody
    /// has, too.
    async fn with_others(
        &mut self,
        row: &'static Operation,
        input: &Value,
        path: &Path,
        one: &Foreign,
    ) {
        let mut others: Vec<(Path, Foreign)> = Vec::new();
        for other in paths(self.world, row) {
            let is_there = other != *path && other.get(input).is_some();
            let Some(Member::Names(kind)) = member(row.name, &other).filter(|_| is_there) else {
                continue;
            };
            let foreign = self.foreign.iter().find(|one| one.kind == kind);
            others.extend(foreign.map(|foreign| (other, foreign.clone())));
        }
        let mut sets: Vec<&[(Path, Foreign)]> = others.chunks(1).collect();
        if others.len() > 1 {
            sets.push(&others);
        }
        for set in sets {
            let first = (path.clone(), one.clone());
            let named: Vec<_> = std::iter::once(&first).chain(set).collect();
            let looked: Vec<_> = named
                .iter()
                .map(|(_, one)| (one.existing(), one.unknown()))
                .collect();
            let compared = Compared {
                operation: format!("{row:?}"),
                members: named
                    .iter()
                    .map(|(path, one)| (path.name(), one.what))
                    .collect(),
                how: "",
            };
            let set = |looked: &[Looked]| {
                let both = named.iter().zip(looked);
                both.fold(input.clone(), |input, ((path, _), one)| {
                    path.set(&input, json!(one.text))
                })
            };
            self.call(row, &compared, &looked, set).await;
        }
    }

    async fn filters(&mut self, row: &'static Operation) {
        for &(name, kind) in FILTERS {
            let foreign: Vec<_> = self
                .foreign
                .iter()
                .filter(|one| one.kind == kind)
                .cloned()
                .collect();
            for one in foreign {
                let compared = Compared {
                    operation: format!("{row:?}"),
                    members: vec![(format!("Filters.{name}"), one.what)],
                    how: "",
                };
                let set = |looked: &[Looked]| filtered(name, &looked[0].text);
                self.call(row, &compared, &[(one.existing(), one.unknown())], set)
                    .await;
            }
        }
    }

    async fn call(
        &mut self,
        row: &'static Operation,
        compared: &Compared<'_>,
        looked: &[(Looked, Looked)],
        input: impl Fn(&[Looked]) -> Value,
    ) {
        let (existing, unknown): (Vec<_>, Vec<_>) = looked.iter().cloned().unzip();
        let wire = &self.world.wire;
        // Most calls change nothing. What they give does not depend on the ids that were given
        // before, since a new id is only told with what was made; if it seems to, both are made
        // again, each in a world of its own.
        let server = self.copies.next().await;
        let mut answers = Vec::new();
        for looked in [&existing, &unknown] {
            let input = input(looked);
            let call = (row.service, row.name, input.to_string());
            let answer = match self.answers.get(&call) {
                Some(answer) => answer.clone(),
                None => wire.call(&server, &self.who, row, &input).await.text,
            };
            if self.copies.is_unchanged(&server).await {
                self.answers.insert(call, answer.clone());
            }
            answers.push(hide(answer, looked));
        }
        if self.copies.put_back(server).await && answers[0] == answers[1] {
            self.compared += 1;
            return;
        }
        let mut seen = Vec::new();
        for looked in [existing, unknown] {
            let server = Arc::new(self.world.server.copy(SEED).await);
            let answer = wire.call(&server, &self.who, row, &input(&looked)).await;
            seen.push(self.seen(&server, answer, &looked).await);
        }
        self.compare(compared, &seen);
    }

    /// Every operation of S3's, for each of the parts of its requests that name something, alone and
    /// with others.
    pub(crate) async fn objects(&mut self) {
        let mut own = Names::of(self.own());
        if let Some(build) = &self.who.uploads {
            own.set(Part::Bucket, OF_BUILDS);
            own.set(Part::Key, &format!("{}/{build}", self.who.account));
        }
        let awaited = Foreign::of_builds(&self.world.owner);
        for call in objects::calls() {
            for parts in subsets(call.parts) {
                let mut pairs: Vec<(Part, Looked, Looked)> = Vec::new();
                for part in &parts {
                    let pair = |kind| {
                        let found = self
                            .foreign
                            .iter()
                            .find(|one| one.kind == kind)
                            .expect("one");
                        (*part, found.existing(), found.unknown())
                    };
                    pairs.push(match part {
                        Part::Bucket => pair(Kind::Bucket),
                        Part::Key => pair(Kind::Object),
                        Part::Upload => pair(Kind::Upload),
                    });
                }
                self.object(&call, own.clone(), &pairs).await;
            }
            if call.parts.contains(&Part::Key) {
                let mut names = own.clone();
                names.set(Part::Bucket, OF_BUILDS);
                let key = (Part::Key, awaited.existing(), awaited.unknown());
                self.object(&call, names, &[key]).await;
            }
        }
    }

    async fn object(
        &mut self,
        call: &objects::Call,
        names: Names,
        pairs: &[(Part, Looked, Looked)],
    ) {
        let own = self.own();
        let asks = [true, false].map(|is_existing| {
            let mut names = names.clone();
            let mut looked = Vec::new();
            for (part, existing, unknown) in pairs {
                let one = if is_existing { existing } else { unknown };
                names.set(*part, &one.text);
                looked.push(one.clone());
            }
            let ask: Ask = (call.ask)(&names, own);
            (ask, looked)
        });
        // As in `call`.
        let server = self.copies.next().await;
        let mut answers = Vec::new();
        for (ask, looked) in &asks {
            let answer = self.ask(&server, ask).await;
            answers.push(hide(answer.text, looked));
        }
        if self.copies.put_back(server).await && answers[0] == answers[1] {
            self.compared += 1;
            return;
        }
        let mut seen = Vec::new();
        for (ask, looked) in &asks {
            let server = Arc::new(self.world.server.copy(SEED).await);
            let answer = self.ask(&server, ask).await;
            seen.push(self.seen(&server, answer, looked).await);
        }
        let parts = pairs
            .iter()
            .map(|(part, ..)| (format!("{part:?}"), "the owner's"));
        let compared = Compared {
            operation: format!("s3:{}", call.operation),
            members: parts.collect(),
            how: "",
        };
        self.compare(&compared, &seen);
    }

    /// Calls S3, which has files of its own for this call.
    async fn ask(&self, server: &Arc<Server>, ask: &Ask) -> Answer {
        let blobs = copy_of(self.world.blobs.path());
        let wire = &self.world.wire;
        wire.ask(server, blobs.path(), &self.who, ask).await
    }

    async fn seen(&self, server: &Server, answer: Answer, looked: &[Looked]) -> Seen {
        let after = server.dump().await.1;
        let (mut changes, mut trespasses) = (Vec::new(), Vec::new());
        if after != self.before {
            let keys: BTreeSet<_> = self.before.keys().chain(after.keys()).collect();
            for key in keys {
                let (was, is) = (self.before.get(key), after.get(key));
                if was == is {
                    continue;
                }
                let name = key.escape_ascii().to_string();
                if !self.may_change(&name, was.is_none()) {
                    trespasses.push(name.clone());
                }
                let value = is.map(|value| String::from_utf8_lossy(value).into_owned());
                changes.push(hide(format!("{name} {value:?}"), looked));
            }
        }
        Seen {
            answer: hide(answer.text, looked),
            changes,
            trespasses,
        }
    }

    /// Whether a call of this caller may write a record: its own, the server's counters, and the
    /// indexes by which others find what it made.
    fn may_change(&self, key: &str, is_new: bool) -> bool {
        let own = format!("/{}/{}/", self.who.region, self.who.account);
        let counters = ["vpc-number", "fleet-block-choice"];
        let indexes = [
            "vpc-scope/",
            "authorized/",
            "unused-blob/",
            "temporary-credential/",
        ];
        key.contains(&own)
            || counters.contains(&key)
            || is_new && indexes.iter().any(|index| key.starts_with(index))
    }

    fn compare(&mut self, compared: &Compared<'_>, seen: &[Seen]) {
        let [existing, unknown] = seen else {
            unreachable!("a call is made twice");
        };
        self.compared += 1;
        let Compared {
            operation,
            members,
            how,
        } = compared;
        let mut problems = Vec::new();
        if existing.answer != unknown.answer {
            problems.push(format!(
                "is answered\n{}\nand what nobody has\n{}",
                existing.answer, unknown.answer
            ));
        }
        if existing.changes != unknown.changes {
            problems.push(format!(
                "writes\n{:#?}\nand what nobody has\n{:#?}",
                existing.changes, unknown.changes
            ));
        }
        if !existing.trespasses.is_empty() {
            problems.push(format!("changes {:?}", existing.trespasses));
        }
        if problems.is_empty() {
            return;
        }
        let of = |(member, what): &(String, &str)| exception(&self.who, operation, member, what);
        let exceptions: Vec<Met> = members.iter().filter_map(of).collect();
        if !exceptions.is_empty() {
            // Which of several exceptions it was that made the difference cannot be told.
            if let [only] = exceptions[..] {
                self.met.insert(only);
            }
            return;
        }
        for problem in problems {
            self.failures.push(format!(
                "{:?}: {operation} with {members:?} {how}: {problem}",
                self.who
            ));
        }
    }
}

fn hide(text: String, looked: &[Looked]) -> String {
    looked.iter().fold(text, |text, one| one.hidden_in(&text))
}

/// The ways to all texts of an operation's input.
pub(crate) fn paths(world: &World, row: &Operation) -> Vec<Path> {
    let model = world.wire.model(row.service);
    let input = model
        .operation(row.name)
        .and_then(|operation| operation.input);
    input.map_or_else(Vec::new, |shape| texts(model, shape))
}

/// The filter of a Describe operation for one value.
pub(crate) fn filtered(name: &str, value: &str) -> Value {
    json!({"Filters": [{"Name": name, "Values": [value]}]})
}

/// A call, and the same with each of its other members left out or wrong, with what it says in words
/// of how.
fn variants(world: &World, row: &Operation, input: &Value, path: &Path) -> Vec<(String, Value)> {
    let mut all = vec![(String::new(), input.clone())];
    if path.get(input).is_none() {
        return all;
    }
    let model = world.wire.model(row.service);
    let shape = model
        .operation(row.name)
        .and_then(|operation| operation.input);
    let has_dry_run = shape.is_some_and(|shape| match &model.shape(shape).kind {
        Shape::Structure(structure) => structure.members.iter().any(|one| one.name == "DryRun"),
        _ => false,
    });
    if has_dry_run {
        let mut dry = input.clone();
        dry["DryRun"] = json!(true);
        all.push(("with DryRun".to_owned(), dry));
    }
    let first = match path.0.first() {
        Some(Step::Member(name)) => *name,
        _ => "",
    };
    let others = input.as_object().into_iter().flatten();
    for (name, value) in others.filter(|(name, _)| *name != first) {
        let mut without = input.clone();
        without.as_object_mut().expect("an object").remove(name);
        all.push((format!("without {name}"), without));
        let mut wrong = input.clone();
        wrong[name] = spoilt(value);
        all.push((format!("with a wrong {name}"), wrong));
    }
    all
}

/// A value of the same type that is nothing sensible.
fn spoilt(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
            json!(text.chars().map(digits).collect::<String>())
        }
        Value::Number(_) => json!(-1),
        Value::Bool(value) => json!(!value),
        Value::Array(values) => values.iter().map(spoilt).collect(),
        Value::Object(members) => {
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), spoilt(value)))
                    .collect(),
            )
        }
        Value::Null => Value::Null,
    }
}

/// All selections of at least one part.
fn subsets(parts: &[Part]) -> Vec<Vec<Part>> {
    let count = 1_usize << parts.len();
    let chosen = |bits: usize| {
        let parts = parts.iter().enumerate();
        let parts = parts.filter(move |(at, _)| bits & (1 << at) != 0);
        parts.map(|(_, part)| *part).collect()
    };
    (1..count).map(chosen).collect()
}
