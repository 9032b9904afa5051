//! That no handler has another way to the store than its look-ups, and that whatever reads across
//! owners says by which decision.
//!
//! Doctests of `tombolo_api::lookup` show that the raw reads do not compile elsewhere. They are
//! another crate, to which `pub(super)` and `pub(crate)` are alike, so the sources are read here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What reads records without asking whose they are, or for which action: methods of
/// `ScopedTransaction` and `Scan`, for the look-ups alone.
const RAW_READS: [&str; 6] = [
    "unscoped",
    "get_own",
    "peek_own",
    "find_own",
    "scan_own",
    "peek_keyed",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file of a crate's folder, by its path in the folder, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let top = root().join(folder);
    let mut found = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&top).unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// The lines of a source that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.starts_with("//"))
}

/// The identifiers and keywords of a source's code, and the words of its literals.
fn words(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code(text)
        .flat_map(|line| line.split(move |c| !is_part(c)))
        .collect()
}

/// Requires that no source of `folder` has one of these words, but for the files that may.
fn require_none_has(folder: &str, forbidden: &[&str], may: &[&str]) {
    let mut read = 0;
    for (path, text) in sources(folder) {
        if may.iter().any(|may| path.starts_with(may)) {
            continue;
        }
        read += 1;
        let words = words(&text);
        for word in forbidden {
            assert!(
                !words.contains(word),
                "{folder}/{} has {word}, which reads past the look-ups",
                path.display()
            );
        }
    }
    assert!(read > 5, "this read no source");
}

#[test]
fn no_handler_has_the_store_or_a_transaction_of_its_own() {
    require_none_has("src", &["Transaction"], &["lookup"]);
    // What runs the handlers begins their transactions.
    require_none_has("src", &["Store"], &["lookup", "operation/mod.rs"]);
}

#[test]
fn no_handler_of_s3_has_the_store_or_a_transaction_of_its_own() {
    let objects = "../tombolo-objects/src";
    // The start of the server asks of all accounts' objects which files are still needed.
    let sweep = "blob.rs";
    // A test, which writes what it then lists.
    let test = "list_tests.rs";
    require_none_has(objects, &["Transaction"], &[sweep, test]);
    // The endpoint is made with the store, which the service keeps to itself.
    let may = [sweep, "endpoint.rs", "object_service.rs"];
    require_none_has(objects, &["Store"], &may);

    let text = fs::read_to_string(root().join(objects).join("object_service.rs")).unwrap();
    // As a field and as what a service is made of, of which the field could be more than private.
    let held: Vec<_> = code(&text)
        .filter(|line| line.contains("store: Arc<dyn Store>"))
        .collect();
    assert_eq!(held, ["store: Arc<dyn Store>,"; 2]);
    let begun = code(&text).filter(|line| line.contains("self.store"));
    assert_eq!(
        begun.collect::<Vec<_>>(),
        ["let tx = ScopedTransaction::new(self.store.clone(), principal, self.clock.now());"]
    );
}

#[test]
fn no_handler_has_a_raw_read() {
    require_none_has("src", &RAW_READS, &["lookup"]);
    require_none_has("../tombolo-objects/src", &RAW_READS, &[]);
}

#[test]
fn raw_reads_are_private_to_the_look_ups() {
    let text = fs::read_to_string(root().join("src/lookup/scoped.rs")).unwrap();
    for name in RAW_READS {
        let starts = [format!("fn {name}("), format!("fn {name}<")];
        let definition = code(&text).find(|line| starts.iter().any(|start| line.contains(start)));
        let definition = definition.unwrap_or_else(|| panic!("scoped.rs has no {name}"));
        assert!(
            definition.starts_with("pub(super) "),
            "for the look-ups alone: {definition}"
        );
    }
}

#[test]
fn only_reads_across_and_writes_use_the_unscoped_transaction() {
    require_none_has(
        "src/lookup",
        &["unscoped"],
        &["across.rs", "write.rs", "scoped.rs", "share.rs"],
    );
}

#[test]
fn every_read_across_owners_names_its_decision() {
    let decisions = fs::read_to_string(root().join("../../docs/decisions.md")).unwrap();
    let text = fs::read_to_string(root().join("src/lookup/across.rs")).unwrap();
    let mut documented = None;
    let mut reads = 0;
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            documented.get_or_insert(comment.trim().to_owned());
        } else if line.starts_with("pub") && line.contains(" fn ") {
            reads += 1;
            let first = documented.take().unwrap_or_default();
            let Some(rest) = first
                .strip_prefix("Decision")
                .map(|rest| rest.trim_start_matches('s'))
            else {
                assert!(
                    first.starts_with("The server's: "),
                    "by which decision: {line}"
                );
                continue;
            };
            let numbers = rest.split(':').next().unwrap().split(" and ");
            for number in numbers.map(|number| number.trim().parse::<usize>().unwrap()) {
                assert!(
                    decisions.contains(&format!("\n{number}. ")),
                    "docs/decisions.md has no decision {number}: {line}"
                );
            }
        } else if !line.starts_with('#') {
            documented = None;
        }
    }
    assert!(reads > 10, "this read no source");
}
