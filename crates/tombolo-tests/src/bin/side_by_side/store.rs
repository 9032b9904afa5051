//! Durable writes beside bare SQLite: the store has its own benchmark for that.

use std::process::{Command, Stdio};

use serde_json::Value;
use tombolo_tests::binary;

use crate::table::{Table, Target};

/// Runs the store's benchmark and takes over what it prints.
pub(crate) fn measure(table: &mut Table) {
    let output = Command::new(env!("CARGO"))
        .args([
            "bench",
            "--quiet",
            "--package",
            "tombolo-store",
            "--bench",
            "group_commit",
        ])
        .arg("--target-dir")
        .arg(binary::target())
        .current_dir(binary::workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "the store's benchmark ended with {}",
        output.status
    );
    let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let figures: Vec<Value> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let figure = |name: &str| {
        let found = figures.iter().find(|figure| figure["name"] == name);
        let found = found.and_then(|figure| figure["value"].as_f64());
        found.unwrap_or_else(|| panic!("the store's benchmark has no {name}: {lines}"))
    };
    let turn = (
        figure("store.group_commit_writes"),
        figure("store.bare_sqlite_writes"),
    );
    table.ratio(
        "durable writes of 1 KiB, 32 writers",
        "/s",
        vec![turn],
        Target::AtLeast(0.60),
    );
}
