//! What two readings of the counters say about the time in between.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tombolo_admin::message::{InterfaceDescription, PeeringDescription, TrafficReading};
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};
use tombolo_network::{DropReason, EngineKind, InterfaceTraffic, TableUsage, Traffic};

use crate::command::live::Rate;

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
    pub(super) tables: BTreeMap<String, TableUsage>,
    /// Flow records that were lost since the data path was made.
    pub(super) flow_records_lost: u64,
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
        top.interfaces.sort_by(|one, other| {
            other
                .packets_per_second()
                .total_cmp(&one.packets_per_second())
        });
        top.peerings.sort_by(|one, other| {
            other
                .packets_per_second()
                .total_cmp(&one.packets_per_second())
        });
        top
    }
}

impl InterfaceRow {
    fn packets_per_second(&self) -> f64 {
        let rates = [self.received, self.sent, self.dropped];
        rates.iter().map(|rate| rate.packets_per_second).sum()
    }
}

impl PeeringRow {
    fn packets_per_second(&self) -> f64 {
        self.carried.packets_per_second
    }
}
