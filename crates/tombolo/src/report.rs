//! How a command's failure is printed: `error:`, its causes, and a `hint:` of what to do.

use std::io::Write;
use std::process::ExitCode;

pub use tombolo_admin::hint::{Hinted, OrHint, hinted};

/// Writes the failure to stderr and gives the exit code for it.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    // Without stderr the error cannot be reported.
    let _ = std::io::stderr().write_all(text(error).as_bytes());
    ExitCode::FAILURE
}

/// The failure as people read it.
pub fn text(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        text.push_str(&format!("hint: {}\n", hinted.hint));
    }
    text
}
