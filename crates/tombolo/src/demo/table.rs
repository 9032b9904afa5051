//! The demo's closing table.

use comfy_table::{CellAlignment, Table, presets};

use super::report::{Measurement, Probes};
use super::scenario::Proof;

/// What the packets did.
pub(super) fn closing(proof: &Proof, baseline: &Measurement) -> String {
    let Proof {
        before,
        first_packet,
        connected,
        after,
    } = proof;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "the way from the game server to the database",
        "peered VPCs",
        "bare veth",
        "ratio",
    ]);
    table.add_row(row(
        "not connected: answered probes",
        answered(before),
        "",
        "",
    ));
    let first = format!("{:.1} ms", first_packet.as_secs_f64() * 1e3);
    table.add_row(row("call to first answer", first, "", ""));
    for (what, [peered, baseline], unit) in [
        (
            "latency there and back, p50",
            [connected.p50, baseline.p50],
            "us",
        ),
        (
            "latency there and back, p99",
            [connected.p99, baseline.p99],
            "us",
        ),
        (
            "TCP throughput",
            [connected.throughput / 1e9, baseline.throughput / 1e9],
            "Gbit/s",
        ),
    ] {
        let value = |value: f64| format!("{value:.1} {unit}");
        table.add_row(row(
            what,
            value(peered),
            &value(baseline),
            &format!("{:.2}", peered / baseline),
        ));
    }
    table.add_row(row(
        "connection deleted: answered probes",
        answered(after),
        "",
        "",
    ));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("\n{table}")
}

fn row(what: &str, peered: String, baseline: &str, ratio: &str) -> [String; 4] {
    [
        what.to_owned(),
        peered,
        baseline.to_owned(),
        ratio.to_owned(),
    ]
}

fn answered(probes: &Probes) -> String {
    format!("{} of {}", probes.answered, probes.sent)
}
