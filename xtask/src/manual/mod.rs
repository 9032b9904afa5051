//! `cargo xtask man`: man pages and completions, from the command line's one definition.

#[cfg(feature = "manual")]
mod render;

/// Writes them, or with `check` fails when the committed ones are not what would be written.
///
/// # Errors
/// Tombolo does not compile; with `check`, a file is stale, missing or left over.
#[cfg(feature = "manual")]
pub(crate) use render::run;

/// Does the same in an xtask that has Tombolo in it.
#[cfg(not(feature = "manual"))]
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let xtask = [
        "run",
        "--quiet",
        "--package",
        "xtask",
        "--features",
        "manual",
        "--",
        "man",
    ];
    let mut command = crate::command::cargo(xtask);
    if check {
        command.arg("--check");
    }
    crate::command::run(&mut command)
}
