//! Typed records over the bytes of a [`Store`](crate::Store): what operations and reconcilers use.

mod object;
mod peering;
mod removal;
mod transaction;

pub use transaction::{Committed, Found, Transaction};
