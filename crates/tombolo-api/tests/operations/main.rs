//! The operations as their callers meet them: every request is held against the service's model on
//! its way in and every reply on its way out, and a refusal must leave the store as it was, to the
//! byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

mod anything;
mod behind;
mod decodes;
mod ec2;
mod gamelift;
mod lookups;
mod numbers;
mod quotas;
mod slow;
mod store;
mod table_capacity;

use tombolo_testkit::{account, document, server};
