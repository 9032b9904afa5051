//! Tombolo beside moto, bare SQLite and a bare veth: one run, one machine, one table of ratios.
//!
//! `cargo xtask bench` installs what this needs. Needs root. It is a binary and no `cargo bench`,
//! which would compile the AWS SDK of the tests for it. Everything is measured in turns, ours
//! and theirs, and the middle one of the turns counts, since a virtual machine is seldom as fast
//! twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails has nothing to hand on"
)]

mod api;
mod first_packet;
mod link;
mod load;
mod moto;
mod path;
mod store;
mod table;

use table::Table;

fn main() {
    let mut table = Table::default();
    api::measure(&mut table);
    store::measure(&mut table);
    path::measure(&mut table);
    first_packet::measure(&mut table);
    table.close();
}
