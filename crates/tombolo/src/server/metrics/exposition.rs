//! Metrics whose series come and go, such as an interface's, written afresh at each request: the
//! recorder of this process keeps every series that it has ever seen, so that they would pile up.
//!
//! Prometheus's text format, version 0.0.4.

use std::fmt::Write;

use tombolo_network::{InterfaceTraffic, Traffic, TrafficCounters};

/// The traffic of every interface and peering that the data path counts for.
pub(super) fn of(counters: &TrafficCounters) -> String {
    let mut text = String::new();
    let interfaces = [
        (
            "sent",
            "sent by the interface and handed on",
            (|traffic| traffic.sent) as fn(&InterfaceTraffic) -> Traffic,
        ),
        ("received", "handed to the interface", |traffic| {
            traffic.received
        }),
        ("dropped", "sent by the interface and dropped", |traffic| {
            traffic.dropped
        }),
    ];
    for (name, help, traffic) in interfaces {
        let series = || {
            let interfaces = counters.interfaces.iter();
            interfaces.map(|(id, counted)| (id.as_str(), traffic(counted)))
        };
        family(
            &mut text,
            &format!("interface_{name}"),
            help,
            "interface",
            series,
        );
    }
    family(
        &mut text,
        "peering",
        "that the peering connection carried, both ways",
        "peering",
        || {
            let peerings = counters.peerings.iter();
            peerings.map(|(id, &traffic)| (id.as_str(), traffic))
        },
    );
    text
}

/// Packets and bytes of something.
fn family<'c, Series: Iterator<Item = (&'c str, Traffic)>>(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    series: impl Fn() -> Series,
) {
    let units = [
        (
            "packets",
            "Packets",
            (|traffic| traffic.packets) as fn(Traffic) -> u64,
        ),
        ("bytes", "Bytes of IPv4", |traffic| traffic.bytes),
    ];
    for (unit, words, amount) in units {
        let name = format!("tombolo_{name}_{unit}_total");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {words} {help}.\n# TYPE {name} counter");
        for (id, traffic) in series() {
            // Ids have nothing in them that would have to be escaped.
            let _ = writeln!(text, "{name}{{{label}=\"{id}\"}} {}", amount(traffic));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interface_and_peering_has_a_line_in_each_family() {
        let traffic = |packets| Traffic {
            packets,
            bytes: packets * 100,
        };
        let mut counters = TrafficCounters::none();
        let interface = InterfaceTraffic {
            sent: traffic(1),
            received: traffic(2),
            dropped: traffic(3),
        };
        let eni = "eni-0a1b2c3d4e5f60718".parse().unwrap();
        counters.interfaces.insert(eni, interface);
        let pcx = "pcx-0a1b2c3d4e5f60718".parse().unwrap();
        counters.peerings.insert(pcx, traffic(4));

        let text = of(&counters);
        for line in [
            r#"tombolo_interface_sent_packets_total{interface="eni-0a1b2c3d4e5f60718"} 1"#,
            r#"tombolo_interface_received_bytes_total{interface="eni-0a1b2c3d4e5f60718"} 200"#,
            r#"tombolo_interface_dropped_packets_total{interface="eni-0a1b2c3d4e5f60718"} 3"#,
            r#"tombolo_peering_bytes_total{peering="pcx-0a1b2c3d4e5f60718"} 400"#,
            "# TYPE tombolo_peering_packets_total counter",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(text.lines().count(), 8 * 3, "{text}");
    }
}
