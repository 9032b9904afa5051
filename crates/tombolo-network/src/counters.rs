//! What an engine counts.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};

use crate::drop_reason::DropReason;

/// An amount of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets as they go over a wire: one that the kernel keeps whole and cuts up later counts
    /// for all of its parts.
    pub packets: u64,
    /// Bytes of IPv4: header and payload, without Ethernet's.
    pub bytes: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
    }
}

/// What the data path counted since it was made: a restart of the server does not reset it, an
/// upgrade of the BPF program does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Handed to an interface of the same VPC.
    pub forwarded_local: Traffic,
    /// Handed through a peering.
    pub forwarded_peering: Traffic,
    /// Handed to an instance, from outside.
    pub from_outside: Traffic,
    /// Handed on to the outside, from an instance.
    pub to_outside: Traffic,
    /// How many of an interface's ports have a live flow that began outside, by TCP and UDP port;
    /// interfaces with none are left out.
    pub busy_ports: BTreeMap<NetworkInterfaceId, u32>,
    /// Dropped, by reason; every reason is there, also at 0.
    pub dropped: BTreeMap<DropReason, Traffic>,
    /// By interface, since it was made.
    pub interfaces: BTreeMap<NetworkInterfaceId, InterfaceTraffic>,
    /// What each peering carried, both ways together. Where the same two VPCs have several, a
    /// packet counts for the first of them.
    pub peerings: BTreeMap<VpcPeeringConnectionId, Traffic>,
    /// How full the tables of the data path are, by their names.
    pub tables: BTreeMap<String, TableUsage>,
    /// Flow records that were lost, since they were not read in time.
    pub flow_records_lost: u64,
}

/// What of the [`Counters`] counts packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficCounters {
    /// See [`Counters::forwarded_local`].
    pub forwarded_local: Traffic,
    /// See [`Counters::forwarded_peering`].
    pub forwarded_peering: Traffic,
    /// See [`Counters::from_outside`].
    pub from_outside: Traffic,
    /// See [`Counters::to_outside`].
    pub to_outside: Traffic,
    /// See [`Counters::dropped`].
    pub dropped: BTreeMap<DropReason, Traffic>,
    /// See [`Counters::interfaces`].
    pub interfaces: BTreeMap<NetworkInterfaceId, InterfaceTraffic>,
    /// See [`Counters::peerings`].
    pub peerings: BTreeMap<VpcPeeringConnectionId, Traffic>,
    /// See [`Counters::flow_records_lost`].
    pub flow_records_lost: u64,
}

impl TrafficCounters {
    /// Nothing counted yet: every reason at 0.
    pub fn none() -> Self {
        TrafficCounters {
            dropped: DropReason::ALL
                .map(|reason| (reason, Traffic::default()))
                .into(),
            ..TrafficCounters::default()
        }
    }
}

impl Counters {
    /// Nothing counted yet: every reason at 0.
    pub fn none() -> Self {
        Counters::new(
            TrafficCounters::none(),
            BTreeMap::default(),
            BTreeMap::default(),
        )
    }

    /// All that an engine counts, of its parts.
    pub fn new(
        traffic: TrafficCounters,
        active_ports: BTreeMap<NetworkInterfaceId, u32>,
        tables: BTreeMap<String, TableUsage>,
    ) -> Self {
        let TrafficCounters {
            forwarded_local,
            forwarded_peering,
            from_outside,
            to_outside,
            dropped,
            interfaces,
            peerings,
            flow_records_lost,
        } = traffic;
        Counters {
            forwarded_local,
            forwarded_peering,
            from_outside,
            to_outside,
            busy_ports: active_ports,
            dropped,
            interfaces,
            peerings,
            tables,
            flow_records_lost,
        }
    }

    /// All that was dropped, whatever the reason.
    pub fn dropped_total(&self) -> Traffic {
        let mut total = Traffic::default();
        for &dropped in self.dropped.values() {
            total += dropped;
        }
        total
    }
}

/// The traffic of one interface, as its workload sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceTraffic {
    /// What it sent and the data path handed on.
    pub sent: Traffic,
    /// What was handed to it.
    pub received: Traffic,
    /// What it sent and the data path dropped.
    pub dropped: Traffic,
}

/// How full a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableUsage {
    /// Entries in it.
    pub used: u64,
    /// Entries that it has room for.
    pub capacity: u64,
}
