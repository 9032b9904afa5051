//! The tables of `tombolo top`, as text.

use tombolo_network::EngineKind;

use super::reading::{InterfaceRow, PeeringRow, Top};
use crate::command::live::{Rate, number, with_rest};
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
        "{:.1} s: {} within VPCs, {} through peerings, {} from outside, {} to it, \
         {} flow records lost{flows}\n",
        top.seconds,
        packets(top.forwarded_local),
        packets(top.forwarded_peering),
        packets(top.from_outside),
        packets(top.to_outside),
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

fn packets(rate: Rate) -> String {
    format!("{} packets/s", number(rate.packets_per_second))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tombolo_network::Counters;

    use super::*;
    use crate::command::live::fitting;
    use tombolo_admin::message::{InterfaceDescription, TrafficReading};

    fn with_interfaces(count: u32) -> Top {
        let interface = |number| {
            let interface = InterfaceDescription {
                id: format!("eni-{number:017x}").parse().unwrap(),
                account: "123456789012".parse().unwrap(),
                region: "us-west-2".parse().unwrap(),
                vpc: "vpc-0a1b2c3d4e5f60718".parse().unwrap(),
                subnet: "subnet-0a1b2c3d4e5f60718".parse().unwrap(),
                address: std::net::Ipv4Addr::from(0x0a00_0000 + number),
            };
            (interface.id.clone(), interface)
        };
        let reading = TrafficReading {
            network: EngineKind::Ebpf,
            counters: Counters::none(),
            interfaces: (0..count).map(interface).collect(),
            peerings: BTreeMap::new(),
        };
        Top::between(&reading, &reading, Duration::from_secs(1))
    }

    #[test]
    fn a_live_table_never_scrolls_and_shows_what_there_is_room_for() {
        for (height, width, shown) in [(60, 200, 40), (24, 80, 14), (8, 40, 3), (1, 10, 0)] {
            let top = with_interfaces(40);
            let text = fitting(|rows| of(&top, rows), height, width);
            let fits = text.lines().count() < height.max(1) || text.is_empty();
            assert!(fits && text.lines().all(|line| line.chars().count() <= width));
            let rows = text.lines().filter(|line| line.starts_with("eni-"));
            assert!(rows.count() >= shown, "{height} by {width}:\n{text}");
        }
    }
}
