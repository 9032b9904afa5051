//! What the program counts, as it is read: by descriptors of the reader's own, so that nobody waits
//! for the thread that changes the tables.

use std::collections::{BTreeMap, BTreeSet};

use aya::maps::{MapData, MapError, PerCpuArray, PerCpuHashMap};
use nix::time::{ClockId, clock_gettime};

use crate::counters::{InterfaceTraffic, Traffic, TrafficCounters};
use crate::drop_reason::DropReason;
use crate::ebpf::error::Doing;
use crate::ebpf::maps::entries::{
    InsidePort, InterfaceTrafficEntry, PublicPort, TrafficEntry, VpcPair,
};
use crate::ebpf::maps::flow_entries::{FlowEntry, FlowKey, OUTSIDE_VPC};
use crate::ebpf::maps::kernel_map::KernelMap;
use crate::ebpf::maps::mirrored_map::{is_not_found, open_pinned};
use crate::ebpf::maps::object::Pins;
use crate::engine::EngineError;
use crate::network::VpcNumber;

/// The slots of `counters` after the drops, which are numbered as [`DropReason`].
const FORWARDED_LOCAL: u32 = DropReason::ALL.len() as u32;
const FORWARDED_PEERING: u32 = FORWARDED_LOCAL + 1;
const FROM_OUTSIDE: u32 = FORWARDED_PEERING + 1;
const TO_OUTSIDE: u32 = FROM_OUTSIDE + 1;
pub(in crate::ebpf) const EVENTS_LOST: u32 = TO_OUTSIDE + 1;

/// The maps to read.
pub(in crate::ebpf) struct CounterMaps {
    counters: PerCpuArray<MapData, TrafficEntry>,
    interface_traffic: PerCpuHashMap<MapData, u32, InterfaceTrafficEntry>,
    peering_traffic: PerCpuHashMap<MapData, VpcPair, TrafficEntry>,
    flow_use: KernelMap<u32, u64>,
    flow_ended: KernelMap<u32, u64>,
    flows: KernelMap<FlowKey, FlowEntry>,
    public_ports: KernelMap<PublicPort, InsidePort>,
}

impl CounterMaps {
    /// Opens those that are pinned.
    pub(in crate::ebpf) fn open(pins: &Pins) -> Result<Self, EngineError> {
        let (build, flows) = (&pins.build, &pins.flows);
        Ok(CounterMaps {
            counters: open_pinned(build, "counters", PerCpuArray::try_from)?,
            interface_traffic: open_pinned(build, "interface_traffic", PerCpuHashMap::try_from)?,
            peering_traffic: open_pinned(build, "peering_traffic", PerCpuHashMap::try_from)?,
            flow_use: KernelMap::open(flows, "flow_use")?,
            flow_ended: KernelMap::open(flows, "flow_ended")?,
            flows: KernelMap::open(flows, "flows")?,
            public_ports: KernelMap::open(build, "public_ports")?,
        })
    }

    /// What was counted, summed over the CPUs, but for interfaces and peerings.
    pub(in crate::ebpf) fn totals(&self) -> Result<TrafficCounters, EngineError> {
        let mut dropped = BTreeMap::new();
        for reason in DropReason::ALL {
            dropped.insert(reason, self.counted(reason as u32)?);
        }
        Ok(TrafficCounters {
            forwarded_local: self.counted(FORWARDED_LOCAL)?,
            forwarded_peering: self.counted(FORWARDED_PEERING)?,
            from_outside: self.counted(FROM_OUTSIDE)?,
            to_outside: self.counted(TO_OUTSIDE)?,
            dropped,
            flow_records_lost: self.counted(EVENTS_LOST)?.packets,
            ..TrafficCounters::default()
        })
    }

    fn counted(&self, slot: u32) -> Result<Traffic, EngineError> {
        let values = self
            .counters
            .get(&slot, 0)
            .doing(|| format!("reading slot {slot} of the BPF map counters"))?;
        Ok(Traffic {
            packets: values.iter().map(|value| value.packets).sum(),
            bytes: values.iter().map(|value| value.bytes).sum(),
        })
    }

    /// What an interface sent and received, by its link; `None` when nothing counts for it.
    pub(in crate::ebpf) fn traffic_of(
        &self,
        link: u32,
    ) -> Result<Option<InterfaceTraffic>, EngineError> {
        let reading = || format!("reading the BPF map interface_traffic for link {link}");
        let values = found(self.interface_traffic.get(&link, 0)).doing(reading)?;
        Ok(values.map(|values| {
            let mut sum = InterfaceTraffic::default();
            for value in values.iter() {
                sum.sent += value.sent.into();
                sum.received += value.received.into();
                sum.dropped += value.dropped.into();
            }
            sum
        }))
    }

    /// What crossed between two VPCs, both ways together.
    pub(in crate::ebpf) fn traffic_between(
        &self,
        a: VpcNumber,
        b: VpcNumber,
    ) -> Result<Traffic, EngineError> {
        let mut sum = Traffic::default();
        for (from, to) in [(a.0, b.0), (b.0, a.0)] {
            let reading = || format!("reading the BPF map peering_traffic from VPC {from} to {to}");
            let pair = VpcPair { from, to };
            let values = found(self.peering_traffic.get(&pair, 0)).doing(reading)?;
            for value in values.iter().flat_map(|values| values.iter()) {
                sum += (*value).into();
            }
        }
        Ok(sum)
    }

    /// How many flows were begun and not yet swept out, over all interfaces.
    pub(in crate::ebpf) fn flows_in_use(&self) -> Result<u64, EngineError> {
        let ended = sum(&self.flow_ended, "flow_ended")?;
        Ok(sum(&self.flow_use, "flow_use")?.saturating_sub(ended))
    }

    /// How many ports of each link have a live flow that began outside, by the port of the public
    /// address that leads there now. All flows are read for it, thousands with a system call.
    pub(in crate::ebpf) fn active_ports(&self) -> Result<BTreeMap<u32, u32>, EngineError> {
        let public = self.public_ports()?;
        let mut ports = BTreeMap::new();
        if public.is_empty() {
            return Ok(ports);
        }
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)
            .doing(|| "reading the clock".to_owned())?;
        let now = now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64;
        let mut active = BTreeSet::new();
        let mut batches = self.flows.batches();
        let reading = || "reading the BPF map flows".to_owned();
        while let Some(batch) = batches.next().doing(reading)? {
            let live = batch.filter(|(key, flow)| !flow.is_over(key.protocol, now));
            active.extend(live.filter_map(|(key, flow)| inside(&public, key, flow)));
        }
        for port in active {
            *ports.entry(port.link).or_default() += 1;
        }
        Ok(ports)
    }

    fn public_ports(&self) -> Result<BTreeMap<PublicPort, InsidePort>, EngineError> {
        let mut public = BTreeMap::new();
        let mut batches = self.public_ports.batches();
        let reading = || "reading the BPF map public_ports".to_owned();
        while let Some(batch) = batches.next().doing(reading)? {
            public.extend(batch.map(|(port, inside)| (*port, *inside)));
        }
        Ok(public)
    }
}

/// The port that a flow of the outside goes to, if it still leads there.
fn inside(
    public_ports: &BTreeMap<PublicPort, InsidePort>,
    key: &FlowKey,
    flow: &FlowEntry,
) -> Option<InsidePort> {
    let began = usize::from(flow.began != 0);
    if key.ends[began].vpc != OUTSIDE_VPC {
        return None;
    }
    let port = key.ends[1 - began].port;
    let inside = InsidePort::new(flow.links[1], key.protocol, port);
    let public = PublicPort::new(key.protocol, flow.public_port);
    (public_ports.get(&public) == Some(&inside)).then_some(inside)
}

fn sum(map: &KernelMap<u32, u64>, name: &str) -> Result<u64, EngineError> {
    let mut sum = 0_u64;
    let mut batches = map.batches();
    let reading = || format!("reading the BPF map {name}");
    while let Some(batch) = batches.next().doing(reading)? {
        sum = batch.fold(sum, |sum, (_, flows)| sum.wrapping_add(*flows));
    }
    Ok(sum)
}

/// What a lookup found; that there is no such key is no failure.
fn found<T>(looked_up: Result<T, MapError>) -> Result<Option<T>, MapError> {
    match looked_up {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<TrafficEntry> for Traffic {
    fn from(entry: TrafficEntry) -> Self {
        Traffic {
            packets: entry.packets,
            bytes: entry.bytes,
        }
    }
}
