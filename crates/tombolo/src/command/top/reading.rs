//! What two readings of the counters say about the time in between.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};
use tombolo_network::{DropReason, EngineKind, InterfaceTraffic, Traffic, Use};

use crate::admin::message::{InterfaceDescription, PeeringDescription, TrafficReading};

/// The traffic of an interval.
#[derive(Debug, Serialize)]
pub(super) struct Top {
    /// Whether packets flow at all.
    pub(super) network: EngineKind,
    /// How long the interval was.
    pub(super) seconds: f64,
    /// Handed on within a VPC.
    pub(super) forwarded_local: Rate,
    /// Handed on through a peering.
    pub(super) forwarded_peering: Rate,
    /// Handed to instances, from outside.
    pub(super) from_outside: Rate,
    /// Handed on to the outside.
    pub(super) to_outside: Rate,
    /// The interfaces that are attached, the busiest first.
    pub(super) interfaces: Vec<InterfaceRow>,
    /// The peerings that let packets through, the busiest first.
    pub(super) peerings: Vec<PeeringRow>,
    /// Drops by reason.
    pub(super) dropped: BTreeMap<DropReason, Rate>,
    /// How full the tables of the data path are.
    pub(super) tables: BTreeMap<String, Use>,
    /// Flow records that were lost since the data path was made.
    pub(super) flow_records_lost: u64,
}

/// Traffic in an interval, and in all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Rate {
    pub(super) packets_per_second: f64,
    pub(super) bytes_per_second: f64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// One interface.
#[derive(Debug, Serialize)]
pub(super) struct InterfaceRow {
    #[serde(flatten)]
    pub(super) interface: InterfaceDescription,
    /// What it got.
    pub(super) received: Rate,
    /// What it sent and was handed on.
    pub(super) sent: Rate,
    /// What it sent and was dropped.
    pub(super) dropped: Rate,
}

/// One peering.
#[derive(Debug, Serialize)]
pub(super) struct PeeringRow {
    pub(super) id: VpcPeeringConnectionId,
    #[serde(flatten)]
    pub(super) between: PeeringDescription,
    /// What it carried, both ways.
    pub(super) carried: Rate,
}

impl Top {
    /// What happened between two readings.
    pub(super) fn between(
        before: &TrafficReading,
        now: &TrafficReading,
        elapsed: Duration,
    ) -> Self {
        let (was, is) = (&before.counters, &now.counters);
        let rate = |was: Traffic, is: Traffic| Rate::between(was, is, elapsed);
        let interface = |(id, interface): (&NetworkInterfaceId, &InterfaceDescription)| {
            let of = |counters: &BTreeMap<_, InterfaceTraffic>| {
                counters.get(id).copied().unwrap_or_default()
            };
            let (was, is) = (of(&was.interfaces), of(&is.interfaces));
            InterfaceRow {
                interface: interface.clone(),
                received: rate(was.received, is.received),
                sent: rate(was.sent, is.sent),
                dropped: rate(was.dropped, is.dropped),
            }
        };
        let peering = |(id, between): (&VpcPeeringConnectionId, &PeeringDescription)| {
            let of =
                |counters: &BTreeMap<_, Traffic>| counters.get(id).copied().unwrap_or_default();
            PeeringRow {
                id: id.clone(),
                between: between.clone(),
                carried: rate(of(&was.peerings), of(&is.peerings)),
            }
        };
        let dropped = is.dropped.iter().map(|(reason, is)| {
            let was = was.dropped.get(reason).copied().unwrap_or_default();
            (*reason, rate(was, *is))
        });
        let mut top = Top {
            network: now.network,
            seconds: elapsed.as_secs_f64(),
            forwarded_local: rate(was.forwarded_local, is.forwarded_local),
            forwarded_peering: rate(was.forwarded_peering, is.forwarded_peering),
            from_outside: rate(was.from_outside, is.from_outside),
            to_outside: rate(was.to_outside, is.to_outside),
            interfaces: now.interfaces.iter().map(interface).collect(),
            peerings: now.peerings.iter().map(peering).collect(),
            dropped: dropped.collect(),
            tables: is.tables.clone(),
            flow_records_lost: is.flow_records_lost,
        };
        top.interfaces
            .sort_by(|one, other| other.busy().total_cmp(&one.busy()));
        top.peerings
            .sort_by(|one, other| other.busy().total_cmp(&one.busy()));
        top
    }
}

impl InterfaceRow {
    fn busy(&self) -> f64 {
        let rates = [self.received, self.sent, self.dropped];
        rates.iter().map(|rate| rate.packets_per_second).sum()
    }
}

impl PeeringRow {
    fn busy(&self) -> f64 {
        self.carried.packets_per_second
    }
}

impl Rate {
    /// A counter that went back was made anew meanwhile, and counts from 0.
    fn between(was: Traffic, is: Traffic, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        let per_second = |was: u64, is: u64| is.checked_sub(was).unwrap_or(is) as f64 / seconds;
        Rate {
            packets_per_second: per_second(was.packets, is.packets),
            bytes_per_second: per_second(was.bytes, is.bytes),
            packets: is.packets,
            bytes: is.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_in_a_second_and_starts_over_with_its_counter() {
        let traffic = |packets, bytes| Traffic { packets, bytes };
        let elapsed = Duration::from_secs(2);
        let rate = Rate::between(traffic(10, 1000), traffic(30, 4000), elapsed);
        assert_eq!(
            (rate.packets_per_second, rate.bytes_per_second),
            (10.0, 1500.0)
        );
        assert_eq!((rate.packets, rate.bytes), (30, 4000));

        let anew = Rate::between(traffic(10, 1000), traffic(6, 600), elapsed);
        assert_eq!(
            (anew.packets_per_second, anew.bytes_per_second),
            (3.0, 300.0)
        );
    }
}
