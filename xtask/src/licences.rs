//! What may be in the tree of dependencies: the licences that `deny.toml` allows.
//!
//! `cargo deny check` says more, and has to be compiled first. This holds the one rule that must
//! never slip, no GPL in the Rust code, on every machine and in every run of the tests.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, ensure};

use crate::command::{cargo, show};
use crate::workspace;

/// Holds the licence of every crate that is linked or built with against `deny.toml`.
pub(crate) fn check() -> anyhow::Result<()> {
    let allowed = allowed()?;
    let mut tree = cargo([
        "tree",
        "--workspace",
        "--edges=normal,build,dev",
        "--prefix=none",
        "--format={p}|{l}",
    ]);
    show(&tree);
    let output = tree.output().context("starting cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree ended with {}",
        output.status
    );
    let lines = String::from_utf8(output.stdout).context("reading what cargo tree says")?;
    let refused: BTreeSet<&str> = lines
        .lines()
        .filter_map(|line| line.trim_end_matches(" (*)").rsplit_once('|'))
        .filter(|(_, licence)| !is_allowed(licence, &allowed))
        .map(|(package, _)| package)
        .collect();
    ensure!(
        refused.is_empty(),
        "deny.toml does not allow the licences of {refused:?}; use another crate, or add the licence \
         there with its reason"
    );
    Ok(())
}

/// The `allow` list of `deny.toml`, one licence a line.
fn allowed() -> anyhow::Result<BTreeSet<String>> {
    let text =
        fs::read_to_string(workspace::root().join("deny.toml")).context("reading deny.toml")?;
    let (_, list) = text
        .split_once("allow = [")
        .context("deny.toml has no `allow = [`")?;
    let (list, _) = list
        .split_once(']')
        .context("the `allow` list of deny.toml has no end")?;
    Ok(list
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect())
}

/// Whether an SPDX expression can be satisfied by `allowed` alone.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Cargo's old way of writing OR.
    let expression = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = expression.split_whitespace().peekable();
    alternatives(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn alternatives(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut satisfied = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        satisfied |= all(words, allowed);
    }
    satisfied
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut satisfied = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        satisfied &= one(words, allowed);
    }
    satisfied
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => {
            let satisfied = alternatives(words, allowed);
            words.next_if_eq(&")");
            satisfied
        }
        Some(licence) => {
            // An exception only permits more.
            if words.next_if_eq(&"WITH").is_some() {
                words.next();
            }
            allowed.contains(licence)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_allowed_if_it_can_be_satisfied() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"]
            .map(str::to_owned)
            .into();
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/GPL-3.0", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR GPL-2.0-only) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0-only", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
            ("GPL-3.0-only", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }
}
