//! That no handler has another way to the store than its look-ups, and that whatever reads across
//! owners says by which decision.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file of a folder of this crate's, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn no_handler_has_a_transaction_of_its_own() {
    for folder in ["ec2", "gamelift", "sts", "operation"] {
        for (path, text) in sources(folder) {
            assert!(
                !text.contains("typed::Transaction") && !text.contains("Transaction::new(store"),
                "{} reads past the look-ups",
                path.display()
            );
        }
    }
}

#[test]
fn only_reads_across_and_writes_use_the_unscoped_transaction() {
    for (path, text) in sources("lookup") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let may = ["across.rs", "write.rs", "scoped.rs", "mod.rs"].contains(&name);
        assert!(
            may || !text.contains(".unscoped()"),
            "{name} reads what is not the principal's; move that to across.rs"
        );
    }
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
