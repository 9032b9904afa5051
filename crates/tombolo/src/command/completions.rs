//! `tombolo completions`.

use anyhow::Result;
use clap_complete::Shell;

use crate::output;

pub(super) fn run(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command_line(), "tombolo", &mut script);
    output::bytes(&script)
}
