//! `cargo xtask operations`: what is listed of the operations, from their tables.
//!
//! A test of `tombolo-objects` renders the lists, since it has all tables, and is compiled with
//! everything else.

use crate::command::{self, cargo};

/// Writes them, or with `check` compares the committed ones.
///
/// # Errors
/// The tables do not compile; with `check`, a list is stale.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let mut test = cargo(["test", "--quiet", "--workspace", "--test", "registry"]);
    test.args(["--", "the_lists_of_operations_are_current"]);
    if !check {
        test.env("UPDATE_EXPECT", "1");
    }
    command::run(&mut test)
}
