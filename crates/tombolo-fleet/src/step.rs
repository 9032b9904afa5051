//! Errors of a starting supervisor: which step, what the kernel said, what to do.

use std::io;

use nix::errno::Errno;

/// A step of starting an instance that failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub(crate) struct StepError {
    /// What was being done, with the names involved.
    doing: String,
    /// What the kernel said.
    source: io::Error,
    /// What to do about it, where the error alone does not say.
    hint: Option<&'static str>,
}

impl StepError {
    pub(crate) fn new(doing: String, source: io::Error, hint: Option<&'static str>) -> Self {
        StepError {
            doing,
            source,
            hint,
        }
    }

    /// What the kernel said.
    pub(crate) fn into_source(self) -> io::Error {
        self.source
    }

    /// The whole story as text, for a reader in another process.
    pub(crate) fn report(&self) -> String {
        let StepError {
            doing,
            source,
            hint,
        } = self;
        match hint {
            Some(hint) => format!("{doing}: {source}\nhint: {hint}"),
            None => format!("{doing}: {source}"),
        }
    }
}

/// Tells an error what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, StepError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, StepError> {
        self.map_err(|error| StepError {
            doing: what(),
            source: error.into(),
            hint: None,
        })
    }
}

/// Tells an error what to do about it.
pub(crate) trait Hint {
    fn hint(self, hint: impl FnOnce(Errno) -> &'static str) -> Self;
}

impl<T> Hint for Result<T, StepError> {
    fn hint(self, hint: impl FnOnce(Errno) -> &'static str) -> Self {
        self.map_err(|error| {
            let errno = Errno::from_raw(error.source.raw_os_error().unwrap_or(0));
            StepError {
                hint: Some(hint(errno)),
                ..error
            }
        })
    }
}
