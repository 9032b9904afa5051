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
        let title = match service {
            ServiceName::GameLift => "GameLift",
            ServiceName::Ec2 => "EC2",
            ServiceName::Sts => "STS",
        };
        for operation in registry::operations(service) {
            let docs = &operation.docs;
            list(title, docs.section, docs.note, operation.name);
        }
    }
    for operation in tombolo_objects::OPERATIONS {
        list("S3", operation.section, "", operation.name);
    }
    sections
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

/// Where operations are served; the names of types count there, too.
const SERVING: [&str; 3] = [
    "crates/tombolo-api/src",
    "crates/tombolo-objects/src",
    "xtask/src",
];

/// The rest of the product; whatever calls operations as any client does is not in it.
const BESIDE: [&str; 5] = [
    "crates/tombolo-admin/src",
    "crates/tombolo/src/command",
    "crates/tombolo/src/server",
    "crates/tombolo-domain/src",
    "crates/tombolo-store/src",
];

/// Words of the APIs themselves that are also operations' names.
const VALUES: [(&str, &str); 5] = [
    // IAM's actions.
    ("principal.rs", "AbortMultipartUpload"),
    ("principal.rs", "GetObject"),
    ("principal.rs", "PutObject"),
    // Of the enum RouteOrigin.
    ("route_table/view.rs", "CreateRoute"),
    ("route_table/view.rs", "CreateRouteTable"),
];

#[test]
fn no_other_source_names_an_operation() {
    let names: BTreeSet<&str> = rows().into_iter().map(|(_, name, _)| name).collect();
    let mut found = Vec::new();
    for (folders, counts_types) in [(&SERVING[..], true), (&BESIDE[..], false)] {
        for path in folders
            .iter()
            .flat_map(|folder| sources(&root().join(folder)))
        {
            if path.ends_with("operations.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for word in words(&text) {
                let (Word::Text(name) | Word::Name(name)) = &word;
                let is_value = VALUES
                    .iter()
                    .any(|(file, value)| path.ends_with(file) && value == name);
                let counts = counts_types || matches!(word, Word::Text(_));
                if counts && !is_value && names.contains(name.as_str()) {
                    found.push(format!("{name} in {}", path.display()));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "take these from the row, or name the type otherwise:\n{}",
        found.join("\n")
    );
}

#[test]
fn words_are_told_from_comments_and_sentences() {
    let source = r##"
        // CommentedOut "CommentedOut"
        let quote = '"'; call("DeleteVpc", r#"raw"#, "see DeleteVpc"); /* Inline */ Type::new(b"bytes")
    "##;
    let texts: Vec<String> = words(source)
        .filter_map(|word| match word {
            Word::Text(text) => Some(text),
            Word::Name(_) => None,
        })
        .collect();
    assert_eq!(texts, ["DeleteVpc", "raw", "see DeleteVpc", "bytes"]);
    assert!(!words(source).any(|word| word == Word::Name("CommentedOut".to_owned())));
    assert!(words(source).any(|word| word == Word::Name("Type".to_owned())));
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
    /// The whole of a string literal, escapes as they are written.
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
                text.push(c);
                text.extend(rest.next());
            }
            _ => text.push(c),
        }
    }
    text
}
