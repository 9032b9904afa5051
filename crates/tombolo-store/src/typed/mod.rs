//! Typed records over the bytes of a [`Store`](crate::Store): what operations and reconcilers use.

mod bounds;
mod check;
mod object;
mod peering;
mod removal;
mod rule_entries;
mod transact;
mod transaction;

pub use crate::record::decodes;
pub use bounds::{Excess, Group, OverBound, excesses, trim_rings};
pub use check::{CheckError, UnreadableEntries, check};
pub use transact::{Attempts, transact};
pub use transaction::{Committed, Found, Records, Transaction};
