//! The server's clock, which callers read to pass `now` to the rules.

use jiff::Timestamp;

/// Tells the server's time: the system's, or in `tombolo dev` one that a person moved.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// What this clock showed, or would have shown had it been moved before, at a moment of the
    /// machine's real clock: for events that are reported after they happened.
    fn at(&self, real: Timestamp) -> Timestamp {
        real
    }
}
