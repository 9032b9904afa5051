//! Turns what the kernel said into what the engine was doing.

use crate::engine::EngineError;

/// Says what was being done when a kernel call failed.
pub(super) trait Doing<T> {
    /// `what` names the things involved: `deleting link v0a1b… in the core namespace`.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, EngineError>;
}

impl<T, E> Doing<T> for Result<T, E>
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, EngineError> {
        self.map_err(|source| EngineError::Kernel {
            doing: what(),
            source: Box::new(source),
        })
    }
}
