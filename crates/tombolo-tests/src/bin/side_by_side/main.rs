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
mod fairness;
mod first_packet;
mod fleet;
mod growth;
mod link;
mod load;
mod moto;
mod path;
mod players;
mod store;
mod table;

use table::Table;

/// Measures something, and adds its rows.
type Measure = fn(&mut Table);

/// What can be measured, by the name that the command line has for it.
const PARTS: [(&str, Measure); 8] = [
    ("api", api::measure),
    ("store", store::measure),
    ("path", path::measure),
    ("players", players::measure),
    ("first-packet", first_packet::measure),
    ("fleet", fleet::measure),
    ("fairness", fairness::measure),
    ("growth", growth::measure),
];

/// Measures the parts that the arguments name, or all.
fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if fairness::run_program(&wanted) {
        return;
    }
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&mut table);
        }
    }
    table.close();
}
