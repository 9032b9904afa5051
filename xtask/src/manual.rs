//! `cargo xtask man`: man pages and completions, from the command line's one definition.
//!
//! A test of `tombolo` renders them, since it has that definition, and is compiled with everything else.

use crate::command::{self, cargo};

/// Writes them, or with `check` compares the committed ones.
///
/// # Errors
/// Tombolo does not compile; with `check`, a file is stale, missing or left over.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let mut test = cargo(["test", "--quiet", "--workspace", "--test", "manual"]);
    if !check {
        test.env("UPDATE_EXPECT", "1");
    }
    command::run(&mut test)
}
