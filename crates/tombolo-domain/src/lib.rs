//! What Tombolo's rules are about, and the rules themselves: pure functions and values.
//!
//! **Architecture invariant:** this crate has no IO, no clock and no randomness. Whatever needs
//! the time takes `now`, whatever makes an id takes an [`id::IdSource`]. It depends on no async
//! runtime, so every rule can be tested against a naive model without a server.

#![forbid(unsafe_code)]

pub mod account;
pub mod arn;
pub mod cidr;
mod error_chain;
pub mod fleet;
pub mod host;
pub mod id;
pub mod index;
pub mod object;
pub mod peering;
pub mod principal;
pub mod quota;
pub mod repair;
pub mod reported;
pub mod share;
pub mod table_capacity;
pub mod tag;
pub mod testing;
pub mod time;
pub mod trace;
pub mod vpc;

pub use error_chain::error_chain;
pub use jiff::Timestamp;

use serde::{Deserialize, Serialize};

/// The account and the Region that something belongs to. Nothing is visible outside of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The owner.
    pub account: id::AccountId,
    /// The Region.
    pub region: id::Region,
}
