//! How a command's failure is told: `error:`, its causes, and a `hint:` of what to do.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// A failure that knows what the person can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hinted {
    /// What happened.
    pub message: String,
    /// What to do, in one line.
    pub hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// An error that says what to do.
pub fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Hinted {
        message: message.into(),
        hint: hint.into(),
    })
}

/// Adds what to do to a failure.
pub(crate) trait OrHint<T> {
    /// Wraps the failure in `message`, with `hint`.
    fn or_hint(
        self,
        message: impl FnOnce() -> String,
        hint: impl FnOnce() -> String,
    ) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrHint<T> for Result<T, E> {
    fn or_hint(
        self,
        message: impl FnOnce() -> String,
        hint: impl FnOnce() -> String,
    ) -> anyhow::Result<T> {
        self.map_err(|error| {
            error.into().context(Hinted {
                message: message(),
                hint: hint(),
            })
        })
    }
}

/// Writes the failure to stderr and gives the exit code for it.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    // There is nobody left to tell when stderr is gone too.
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
