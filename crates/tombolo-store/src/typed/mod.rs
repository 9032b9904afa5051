//! Typed records over the bytes of a [`Store`](crate::Store): what operations and reconcilers use.

mod bounds;
mod check;
mod object;
mod peering;
mod removal;
mod transact;
mod transaction;

pub use bounds::{Group, OverBound};
pub use check::{CheckError, UnreadableEntries, check};
pub use transact::{Attempts, transact};
pub use transaction::{Committed, Found, Transaction};
