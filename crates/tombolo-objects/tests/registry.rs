//! The tables of operations, of all services: what they say holds, what is derived from them is
//! current, and nothing else lists operations.
//!
//! ```text
//! cargo xtask operations             # writes what is derived
//! cargo xtask operations --check     # compares it
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

use tombolo_api::admission::ActionClass;
use tombolo_api::model::{Kind, Models, Service, ServiceName, ShapeId};
use tombolo_api::operation::Support;
use tombolo_api::registry;
use tombolo_domain::principal::Action;

/// Names and actions of all rows.
fn rows() -> Vec<(&'static str, &'static str, Action)> {
    let mut rows = Vec::new();
    for service in ServiceName::ALL {
        let operations = registry::operations(service).iter();
        rows.extend(operations.map(|row| (service.as_str(), row.name, row.action)));
    }
    let objects = tombolo_objects::OPERATIONS.iter();
    rows.extend(objects.map(|row| ("s3", row.name, row.action)));
    rows
}

#[test]
fn an_operation_has_one_row_and_an_action_of_its_service() {
    let mut seen = BTreeSet::new();
    for (service, name, action) in rows() {
        assert!(seen.insert((service, name)), "{name} of {service} twice");
        assert!(action.to_string().starts_with(&format!("{service}:")));
    }
}

#[test]
fn members_that_are_shown_only_are_in_the_models() {
    let models = Models::load().unwrap();
    for service in ServiceName::ALL {
        let model = models.service(service);
        for row in registry::operations(service) {
            let input = model.operation(row.name).unwrap().input;
            for (path, _) in row.docs.members {
                let found = path
                    .split('.')
                    .try_fold(input.unwrap(), |shape, name| member(model, shape, name));
                assert!(found.is_some(), "{row:?} has no {path}");
            }
        }
    }
}

/// The documents that list operations, with their lists between marks and prose around them.
const DOCUMENT: &str = "docs/operations.md";
/// The operations that the models are trimmed to.
const SERVED: &str = "crates/tombolo-api/models/served.json";

#[test]
fn the_lists_of_operations_are_current() {
    let document = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let listed = replace(&document, "operations", &table());
    let listed = replace(&listed, "shown only", &shown_only());
    let listed = replace(&listed, "classes", &classes());
    for (path, wanted) in [(DOCUMENT, listed), (SERVED, served())] {
        let file = root().join(path);
        if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
            fs::write(file, wanted).unwrap();
        } else {
            assert!(
                fs::read_to_string(file).is_ok_and(|found| found == wanted),
                "stale: {path}; run `cargo xtask operations` and commit the result"
            );
        }
    }
}

/// The document with `list` between the marks of this name.
fn replace(document: &str, name: &str, list: &str) -> String {
    let begin = format!("<!-- {name}: made by `cargo xtask operations` -->\n");
    let end = format!("<!-- end of {name} -->");
    let (before, rest) = document.split_once(&begin).expect(&begin);
    let (_, after) = rest.split_once(&end).expect(&end);
    format!("{before}{begin}{list}{end}{after}")
}

/// A line of the document's table: a section of a service, what is said of it, and its operations.
struct Section {
    service: &'static str,
    title: &'static str,
    note: &'static str,
    operations: Vec<&'static str>,
}

fn table() -> String {
    let mut text = "| service | operations |\n| --- | --- |\n".to_owned();
    for section in sections() {
        let colon = if section.title.is_empty() { "" } else { ": " };
        let semicolon = if section.note.is_empty() { "" } else { "; " };
        writeln!(
            text,
            "| {}{colon}{} | {}{semicolon}{} |",
            section.service,
            section.title,
            section.operations.join(", "),
            section.note
        )
        .unwrap();
    }
    text
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut list = |service, title, note, operation| match sections.last_mut() {
        Some(last) if last.service == service && last.title == title => {
            last.operations.push(operation);
        }
        _ => sections.push(Section {
            service,
            title,
            note,
            operations: vec![operation],
        }),
    };
    for service in ServiceName::ALL {
        for operation in registry::operations(service) {
            let docs = &operation.docs;
            list(title(service), docs.section, docs.note, operation.name);
        }
    }
    for operation in tombolo_objects::OPERATIONS {
        list("S3", operation.section, "", operation.name);
    }
    sections
}

fn title(service: ServiceName) -> &'static str {
    match service {
        ServiceName::GameLift => "GameLift",
        ServiceName::Ec2 => "EC2",
        ServiceName::Sts => "STS",
    }
}

/// The members that are accepted and shown, and have no effect, with the operations that take them.
fn shown_only() -> String {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for operation in ServiceName::ALL.into_iter().flat_map(registry::operations) {
        for (member, support) in operation.docs.members {
            match support {
                Support::ShownOnly => members.entry(member).or_default().push(operation.name),
            }
        }
    }
    let mut text = "| member | of |\n| --- | --- |\n".to_owned();
    for (member, operations) in members {
        writeln!(text, "| {member} | {} |", operations.join(", ")).unwrap();
    }
    text
}

/// The operations of each class.
fn classes() -> String {
    let mut text = "| class | operations |\n| --- | --- |\n".to_owned();
    for class in ActionClass::ALL {
        let mut services = Vec::new();
        let mut list = |service: &str, names: Vec<&str>| {
            if !names.is_empty() {
                services.push(format!("{service}: {}", names.join(", ")));
            }
        };
        for service in ServiceName::ALL {
            let rows = registry::operations(service).iter();
            let rows = rows.filter(|row| row.class == class);
            list(title(service), rows.map(|row| row.name).collect());
        }
        let rows = tombolo_objects::OPERATIONS.iter();
        let rows = rows.filter(|row| row.class == class);
        list("S3", rows.map(|row| row.name).collect());
        writeln!(text, "| {class} | {} |", services.join("; ")).unwrap();
    }
    text
}

#[test]
fn an_operation_of_the_class_that_reads_has_the_name_of_one() {
    for service in ServiceName::ALL {
        for row in registry::operations(service) {
            let is_read = ["Describe", "List", "Get"]
                .iter()
                .any(|verb| row.name.starts_with(verb));
            assert_eq!(is_read, row.class == ActionClass::NonMutating, "{row:?}");
        }
    }
}

/// Names by service, sorted, so that a new one is one new line.
fn served() -> String {
    let mut lists = Vec::new();
    for service in ServiceName::ALL {
        let rows = registry::operations(service).iter();
        let names: BTreeSet<_> = rows.map(|row| format!("  \"{}\"", row.name)).collect();
        let names: Vec<_> = names.into_iter().collect();
        lists.push(format!(" \"{service}\": [\n{}\n ]", names.join(",\n")));
    }
    format!("{{\n{}\n}}\n", lists.join(",\n"))
}

fn member(model: &Service, shape: ShapeId, name: &str) -> Option<ShapeId> {
    let Kind::Structure(structure) = &model.shape(shape).kind else {
        return None;
    };
    let mut members = structure.members.iter();
    Some(members.find(|member| member.name == name)?.shape)
}

/// The tables themselves, where operations are named.
const TABLES: [&str; 4] = [
    "crates/tombolo-api/src/ec2/operations.rs",
    "crates/tombolo-api/src/gamelift/operations.rs",
    "crates/tombolo-api/src/sts/operations.rs",
    "crates/tombolo-objects/src/operations.rs",
];

/// What calls operations by their names, as any client does.
const CALLERS: [&str; 3] = [
    // The demo of `tombolo dev` is a client of the server.
    "crates/tombolo/src/demo",
    // Accounts of tests, and the steps by which they get what they need.
    "crates/tombolo-testkit/src",
    // Clients of whole servers.
    "crates/tombolo-tests/src",
];

/// Where operations are served; the names of types count there, too.
const SERVING: [&str; 3] = [
    "crates/tombolo-api/src",
    "crates/tombolo-objects/src",
    "xtask/src",
];

/// Names that a source has for another reason than to say what is served.
const VALUES: [(&str, &str); 12] = [
    // IAM's actions.
    ("tombolo-domain/src/principal.rs", "AbortMultipartUpload"),
    ("tombolo-domain/src/principal.rs", "GetObject"),
    ("tombolo-domain/src/principal.rs", "PutObject"),
    // Of the enum RouteOrigin.
    ("ec2/route_table/view.rs", "CreateRoute"),
    ("ec2/route_table/view.rs", "CreateRouteTable"),
    // Messages that tell the caller of another operation which one to call.
    ("ec2/peering/options.rs", "ModifyVpcAttribute"),
    (
        "ec2/route_table/association.rs",
        "ReplaceRouteTableAssociation",
    ),
    ("ec2/route_table/mod.rs", "ReplaceRouteTableAssociation"),
    ("ec2/route_table/route.rs", "CreateRoute"),
    ("ec2/route_table/route.rs", "ReplaceRoute"),
    ("gamelift/connection.rs", "CreateVpcPeeringAuthorization"),
    ("gamelift/fleet/port.rs", "DescribeFleetPortSettings"),
];

#[test]
fn no_other_source_names_an_operation() {
    let names: BTreeSet<&str> = rows().into_iter().map(|(_, name, _)| name).collect();
    let mut found = Vec::new();
    let mut unused: BTreeSet<_> = VALUES.into_iter().collect();
    for path in product_sources() {
        let counts_types = SERVING.iter().any(|folder| path.starts_with(folder));
        let text = fs::read_to_string(root().join(&path)).unwrap();
        for word in words(&text) {
            let named = match &word {
                Word::Text(text) => named(text),
                Word::Name(name) if counts_types => named(name),
                Word::Name(_) => continue,
            };
            for name in named.filter(|name| names.contains(name)) {
                let value = VALUES
                    .iter()
                    .find(|(file, value)| path.ends_with(file) && *value == name);
                match value {
                    Some(value) => drop(unused.remove(value)),
                    None => found.push(format!("{name} in {}", path.display())),
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "take these from the row, or name the type otherwise:\n{}",
        found.join("\n")
    );
    assert!(unused.is_empty(), "no source has these: {unused:?}");
}

/// The sources of every crate and of xtask by their paths from the root, but for the tables and
/// those who call operations.
fn product_sources() -> Vec<PathBuf> {
    let mut folders = vec![root().join("xtask/src")];
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        folders.push(entry.unwrap().path().join("src"));
    }
    let paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| sources(folder))
        .map(|path| path.strip_prefix(root()).unwrap().to_owned())
        .collect();
    for left_out in TABLES.iter().chain(&CALLERS) {
        let is_there = paths.iter().any(|path| path.starts_with(left_out));
        assert!(is_there, "no source is left out by {left_out}");
    }
    let is_left_out = |path: &Path| {
        let mut left_out = TABLES.iter().chain(&CALLERS);
        left_out.any(|left_out| path.starts_with(left_out))
    };
    paths
        .into_iter()
        .filter(|path| !is_left_out(path))
        .collect()
}

/// The words of a text, each of which can be a name: `gamelift:CreateFleet` has two.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
}

#[test]
fn words_are_told_from_comments() {
    let source = r###"
        // CommentedOut "CommentedOut"
        let quote = '"'; call("DeleteVpc", r#"a "raw" one"#, "see\nDeleteVpc"); /* Inline */
        Type::new(b"bytes", r"\", br"raw", r#type)
    "###;
    let texts: Vec<String> = words(source)
        .filter_map(|word| match word {
            Word::Text(text) => Some(text),
            Word::Name(_) => None,
        })
        .collect();
    assert_eq!(
        texts,
        [
            "DeleteVpc",
            "a \"raw\" one",
            "see DeleteVpc",
            "bytes",
            "\\",
            "raw"
        ]
    );
    assert!(!words(source).any(|word| word == Word::Name("CommentedOut".to_owned())));
    for name in ["Type", "type"] {
        assert!(words(source).any(|word| word == Word::Name(name.to_owned())));
    }
}

#[test]
fn an_operation_is_found_in_whatever_literal_names_it() {
    for text in ["CreateFleet", "gamelift:CreateFleet", "see CreateFleet."] {
        assert!(named(text).any(|name| name == "CreateFleet"), "{text}");
    }
    assert!(!named("CreateFleets").any(|name| name == "CreateFleet"));
}

fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).unwrap()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found
}

/// What of Rust's source can name something.
#[derive(Debug, PartialEq)]
enum Word {
    /// The whole of a string literal, with a blank for each escape.
    Text(String),
    /// An identifier or keyword.
    Name(String),
}

/// The words of a source, without its comments.
fn words(source: &str) -> impl Iterator<Item = Word> {
    let mut rest = source.chars().peekable();
    std::iter::from_fn(move || {
        loop {
            match rest.next()? {
                '/' if rest.peek() == Some(&'/') => {
                    rest.by_ref().find(|&c| c == '\n');
                }
                '/' if rest.peek() == Some(&'*') => {
                    let mut last = ' ';
                    rest.by_ref()
                        .find(|&c| std::mem::replace(&mut last, c) == '*' && c == '/');
                }
                '"' => return Some(Word::Text(until_quote(&mut rest))),
                // A character, or a lifetime's mark, which ends at once.
                '\'' if rest.peek() == Some(&'\\') => {
                    rest.nth(1);
                }
                '\'' if rest.peek() == Some(&'"') => {
                    rest.nth(1);
                }
                c if c.is_alphabetic() || c == '_' => {
                    let mut name = c.to_string();
                    while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                        name.push(c);
                    }
                    let is_raw = ["r", "br", "cr"].contains(&name.as_str());
                    if let Some(hashes) = is_raw.then(|| raw_mark(&mut rest)).flatten() {
                        return Some(Word::Text(until_mark(&mut rest, hashes)));
                    }
                    return Some(Word::Name(name));
                }
                _ => {}
            }
        }
    })
}

fn until_quote(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => {
                rest.next();
                text.push(' ');
            }
            _ => text.push(c),
        }
    }
    text
}

/// Reads the start of a raw literal, if one is here; how many hashes it ends with.
fn raw_mark(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut ahead = rest.clone();
    let mut hashes = 0;
    while ahead.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    ahead.next_if_eq(&'"')?;
    *rest = ahead;
    Some(hashes)
}

fn until_mark(rest: &mut Peekable<Chars<'_>>, hashes: usize) -> String {
    let mark = format!("\"{}", "#".repeat(hashes));
    let mut text = String::new();
    for c in rest {
        text.push(c);
        if let Some(whole) = text.strip_suffix(&mark) {
            return whole.to_owned();
        }
    }
    text
}
