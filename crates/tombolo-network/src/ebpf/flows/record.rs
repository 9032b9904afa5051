//! From the program's events of a flow to the records of VPC Flow Logs.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};
use nix::time::{ClockId, clock_gettime};

use super::owners::Owners;
use crate::drop_reason::DropReason;
use crate::ebpf::maps::flow_entries::{ACCEPTED, FlowEntry, FlowEventEntry, FlowKey};
use crate::flow::{FlowDirection, FlowOutcome, FlowRecord};
use crate::rules::ICMP;

/// What the program's times are counted from: the machine's clock now, less the time that the
/// program would say it is. Taken anew for each batch, since the machine's clock is set at times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    at_zero: Timestamp,
    /// Now, in nanoseconds of the program's clock.
    pub(super) now: u64,
}

impl Epoch {
    pub(super) fn read() -> nix::Result<Self> {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?;
        let wall = clock_gettime(ClockId::CLOCK_REALTIME_COARSE)?;
        let zero = SignedDuration::new(wall.tv_sec(), wall.tv_nsec() as i32)
            - SignedDuration::new(now.tv_sec(), now.tv_nsec() as i32);
        Ok(Epoch {
            // Out of range only on a machine whose clock stands before the year -9999.
            at_zero: Timestamp::from_duration(zero).unwrap_or(Timestamp::UNIX_EPOCH),
            now: now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64,
        })
    }

    fn time(&self, nanoseconds: u64) -> Timestamp {
        let since = SignedDuration::from_nanos(nanoseconds as i64);
        self.at_zero.saturating_add(since).unwrap_or(self.at_zero)
    }
}

/// What a flow that is removed from the table carried since its last record, as the program would
/// have told it; `None` when that is nothing.
pub(super) fn tail(key: &FlowKey, flow: &FlowEntry) -> Option<FlowEventEntry> {
    if flow.packets == [0, 0] {
        return None;
    }
    let began = (flow.began & 1) as usize;
    let [beginner, other] = [key.ends[began], key.ends[1 - began]];
    Some(FlowEventEntry {
        start: flow.reported,
        end: flow.last,
        packets: flow.packets,
        bytes: flow.bytes,
        links: flow.links,
        addresses: [beginner.address, other.address],
        ports: [beginner.port, other.port],
        protocol: key.protocol.into(),
        outcome: ACCEPTED,
        padding: 0,
    })
}

/// The records of an event: of an accepted flow one for each interface and each direction that had
/// packets. What was rejected has one for the sender, and one for the receiver where it was the
/// receiver's security groups that rejected it. An interface that nobody knows any more has none.
pub(super) fn records(event: &FlowEventEntry, epoch: &Epoch, owners: &Owners) -> Vec<FlowRecord> {
    let outcome = match outcome(event.outcome) {
        Some(outcome) => outcome,
        None => return Vec::new(),
    };
    let for_receiver = matches!(
        outcome,
        FlowOutcome::Accepted | FlowOutcome::Rejected(DropReason::SecurityGroupIngress)
    );
    let mut records = Vec::new();
    for from in [0, 1] {
        if event.packets[from] == 0 {
            continue;
        }
        let to = 1 - from;
        let mut add = |link: usize, direction| {
            if let Some(interface) = owners.interface(event.links[link]) {
                records.push(FlowRecord {
                    interface,
                    direction,
                    source: Ipv4Addr::from(event.addresses[from]),
                    destination: Ipv4Addr::from(event.addresses[to]),
                    source_port: port(event, from),
                    destination_port: port(event, to),
                    protocol: event.protocol as u8,
                    packets: event.packets[from],
                    bytes: event.bytes[from],
                    start: epoch.time(event.start),
                    end: epoch.time(event.end),
                    outcome,
                });
            }
        };
        add(from, FlowDirection::Egress);
        if for_receiver {
            add(to, FlowDirection::Ingress);
        }
    }
    records
}

fn outcome(number: u32) -> Option<FlowOutcome> {
    if number == ACCEPTED {
        return Some(FlowOutcome::Accepted);
    }
    let reason = DropReason::ALL.get(number as usize)?;
    Some(FlowOutcome::Rejected(*reason))
}

/// The program keeps an ICMP query's identifier where ports are; VPC Flow Logs has 0 there.
fn port(event: &FlowEventEntry, end: usize) -> u16 {
    if event.protocol == u32::from(ICMP) {
        return 0;
    }
    u16::from_be_bytes(event.ports[end])
}
