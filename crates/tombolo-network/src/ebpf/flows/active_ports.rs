//! Which ports players are at.

use std::collections::{BTreeMap, BTreeSet};

use nix::time::{ClockId, clock_gettime};

use crate::ebpf::error::Doing;
use crate::ebpf::maps::datapath::DataPath;
use crate::ebpf::maps::entries::{InsidePort, PublicPort};
use crate::ebpf::maps::flow_entries::{FlowEntry, FlowKey, OUTSIDE_VPC};
use crate::engine::EngineError;

/// How many ports of each link have a live flow that began outside, by the port of the public
/// address that leads there now. All flows are read for it, thousands with a system call.
pub(in crate::ebpf) fn active_ports(
    data_path: &DataPath,
) -> Result<BTreeMap<u32, u32>, EngineError> {
    if data_path.public_ports.room().used == 0 {
        return Ok(BTreeMap::new());
    }
    let now =
        clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).doing(|| "reading the clock".to_owned())?;
    let now = now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64;
    let mut active = BTreeSet::new();
    let mut batches = data_path.live.batches();
    while let Some(batch) = batches
        .next()
        .doing(|| "reading the BPF map flows".to_owned())?
    {
        let live = batch.filter(|(key, flow)| !flow.is_over(key.protocol, now));
        active.extend(live.filter_map(|(key, flow)| inside(data_path, key, flow)));
    }
    let mut ports = BTreeMap::new();
    for port in active {
        *ports.entry(port.link).or_default() += 1;
    }
    Ok(ports)
}

/// The port that a flow of the outside goes to, if it still leads there.
fn inside(data_path: &DataPath, key: &FlowKey, flow: &FlowEntry) -> Option<InsidePort> {
    let began = usize::from(flow.began != 0);
    if key.ends[began].vpc != OUTSIDE_VPC {
        return None;
    }
    let port = key.ends[1 - began].port;
    let inside = InsidePort::new(flow.links[1], key.protocol, port);
    let public = PublicPort::new(key.protocol, flow.public_port);
    (data_path.public_ports.known(&public) == Some(&inside)).then_some(inside)
}
