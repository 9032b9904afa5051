//! The server's clock, for whoever hands `now` to the rules.

use jiff::Timestamp;

/// Tells the server's time: the system's, or in `tombolo dev` one that a person moved.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
