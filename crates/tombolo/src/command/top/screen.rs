//! The tables of `tombolo top`, as text.

use tombolo_network::EngineKind;

use super::reading::{InterfaceRow, PeeringRow, Rate, Top};
use crate::output::columns;

/// Everything, with at most `rows` interfaces and as many peerings.
pub(super) fn of(top: &Top, rows: usize) -> String {
    let parts = [
        summary(top),
        interfaces(top, rows),
        peerings(top, rows),
        dropped(top),
        tables(top),
    ];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n")
}

fn summary(top: &Top) -> String {
    let flows = match top.network {
        EngineKind::Ebpf => "",
        EngineKind::Simulated => " (simulated: no packet flows)",
    };
    format!(
        "{:.1} s: {} within VPCs, {} through peerings, {} flow records lost{flows}\n",
        top.seconds,
        packets(top.forwarded_local),
        packets(top.forwarded_peering),
        top.flow_records_lost,
    )
}

fn interfaces(top: &Top, rows: usize) -> String {
    let shown = top.interfaces.iter().take(rows).map(
        |InterfaceRow {
             interface,
             received,
             sent,
             dropped,
         }| {
            [
                interface.id.to_string(),
                interface.address.to_string(),
                interface.vpc.to_string(),
                number(received.packets_per_second),
                number(received.bytes_per_second),
                number(sent.packets_per_second),
                number(sent.bytes_per_second),
                number(dropped.packets_per_second),
            ]
        },
    );
    let headings = [
        "INTERFACE",
        "ADDRESS",
        "VPC",
        "IN PKT/S",
        "IN B/S",
        "OUT PKT/S",
        "OUT B/S",
        "DROPPED/S",
    ];
    with_rest(columns(headings, shown), top.interfaces.len(), rows)
}

fn peerings(top: &Top, rows: usize) -> String {
    let shown = top.peerings.iter().take(rows).map(
        |PeeringRow {
             id,
             between,
             carried,
         }| {
            [
                id.to_string(),
                between.requester.to_string(),
                between.accepter.to_string(),
                number(carried.packets_per_second),
                number(carried.bytes_per_second),
            ]
        },
    );
    let headings = ["PEERING", "REQUESTER", "ACCEPTER", "PKT/S", "B/S"];
    with_rest(columns(headings, shown), top.peerings.len(), rows)
}

/// The reasons that ever dropped a packet.
fn dropped(top: &Top) -> String {
    let happened = top.dropped.iter().filter(|(_, rate)| rate.packets > 0);
    let rows = happened.map(|(reason, rate)| {
        [
            reason.to_string(),
            number(rate.packets_per_second),
            rate.packets.to_string(),
        ]
    });
    columns(["DROPPED", "PKT/S", "IN ALL"], rows)
}

fn tables(top: &Top) -> String {
    if top.tables.is_empty() {
        return String::new();
    }
    let rows = top.tables.iter().map(|(name, room)| {
        let share = 100.0 * room.used as f64 / room.capacity.max(1) as f64;
        [
            name.clone(),
            room.used.to_string(),
            room.capacity.to_string(),
            format!("{share:.1} %"),
        ]
    });
    columns(["TABLE", "USED", "ROOM FOR", "FULL"], rows)
}

fn with_rest(table: String, all: usize, shown: usize) -> String {
    match all.checked_sub(shown) {
        Some(rest) if rest > 0 => format!("{table}... and {rest} more; --once shows all\n"),
        _ => table,
    }
}

fn packets(rate: Rate) -> String {
    format!("{} packets/s", number(rate.packets_per_second))
}

/// With a unit's prefix where it would be long: `12.3k`.
fn number(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{:.1}G", value / 1e9),
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}
