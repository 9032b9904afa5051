//! Failures that say what the person can do about them.

use std::fmt;

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
pub trait OrHint<T> {
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
