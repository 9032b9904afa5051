//! Removes the flows that are over from the flow table, so that their place, and their part of
//! what their interface may begin, can be used again.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tombolo_tasks::{Reason, Returned, Task};

use super::owners::Owners;
use super::record::{self, Epoch};
use crate::ebpf::error::Doing;
use crate::ebpf::maps::flow_entries::{FlowEntry, FlowKey, Translation, TranslationKey};
use crate::ebpf::maps::flow_shares::{FlowCounts, difference};
use crate::ebpf::maps::kernel_map::{KernelMap, UpdateFlag};
use crate::ebpf::maps::object::FlowTable;
use crate::ebpf::maps::object::Pins;
use crate::engine::EngineError;
use crate::flow::{FlowEvent, FlowPublisher};

/// How often the table is swept. A flow that is over counts as absent at once; only its place is
/// free this much later.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// How long a flow must have been idle before it is evicted, in nanoseconds.
const IDLE: u64 = 10_000_000_000;

pub(in crate::ebpf) struct Sweeper {
    table: FlowTable,
    flows: KernelMap<FlowKey, FlowEntry>,
    /// How many flows each link began.
    began: KernelMap<u32, u64>,
    /// How many flows of an interface's share were removed, by its link. Nobody else writes it.
    ended: KernelMap<u32, u64>,
    /// The same of VPCs and share groups.
    counts: FlowCounts,
    translations: KernelMap<TranslationKey, Translation>,
    /// The translations that had no flow when last looked at.
    idle: BTreeSet<TranslationKey>,
    owners: Owners,
    publisher: FlowPublisher,
}

impl Sweeper {
    /// Sweeps the pinned maps.
    pub(in crate::ebpf) fn open(
        pins: &Pins,
        table: FlowTable,
        owners: Owners,
        publisher: FlowPublisher,
    ) -> Result<Self, EngineError> {
        Ok(Sweeper {
            table,
            began: KernelMap::open(&pins.flows, "flow_use")?,
            counts: FlowCounts::open(&pins.flows)?,
            flows: KernelMap::open(&pins.flows, "flows")?,
            ended: KernelMap::open(&pins.flows, "flow_ended")?,
            translations: KernelMap::open(&pins.flows, "translations")?,
            idle: BTreeSet::new(),
            owners,
            publisher,
        })
    }

    /// Sweeps, again and again and whenever it is woken, until the sender of `wake` is gone.
    pub(super) fn run(mut self, task: &Task, wake: &Receiver<()>) -> Returned {
        loop {
            let reason = match wake.recv_timeout(INTERVAL) {
                Ok(()) => Reason::Woken,
                Err(RecvTimeoutError::Timeout) => Reason::Period,
                Err(RecvTimeoutError::Disconnected) => return Returned::Stopped,
            };
            // A failure is logged by the task.
            let _ = task.run_blocking(reason, || {
                let swept = self.sweep();
                // Whatever became of the flows.
                let translations = self.sweep_translations();
                match swept? {
                    0 => {}
                    swept => tracing::debug!(swept, "removed flows that were over"),
                }
                translations
            });
        }
    }

    /// Removes what is over, what an interface had that is gone, and of those whose share is nearly
    /// used up what has been idle; returns how much.
    pub(in crate::ebpf) fn sweep(&self) -> Result<usize, EngineError> {
        let sweeping = || "reading the BPF map flows".to_owned();
        self.owners.age();
        let epoch = Epoch::read().doing(|| "reading the clock".to_owned())?;
        // Asked anew for each flow, since a link may come while the table is swept: it is known
        // before its first flow begins.
        let is_over = |key: &FlowKey, flow: &FlowEntry| {
            flow.is_over(key.protocol, epoch.now)
                || flow.links.iter().any(|link| self.owners.is_gone(*link))
        };
        let mut pressed = self
            .pressed()
            .doing(|| "reading how many flows there are".to_owned())?;
        let mut swept = 0;
        let mut over = Vec::new();
        let mut batches = self.flows.batches();
        while let Some(batch) = batches.next().doing(sweeping)? {
            for (key, flow) in batch {
                if is_over(key, flow) {
                    over.push(*key);
                } else if !pressed.is_empty() && flow.idle(epoch.now) >= IDLE {
                    let vpc = key.ends[flow.payers_end()].vpc;
                    pressed.consider(key, flow, vpc);
                }
            }
            swept += self.remove(&over, &epoch, is_over)?;
            over.clear();
        }
        let evicted: Vec<FlowKey> = pressed.evicted().into_iter().collect();
        if !evicted.is_empty() {
            let is_idle = |_: &FlowKey, flow: &FlowEntry| flow.idle(epoch.now) >= IDLE;
            let evicted = self.remove(&evicted, &epoch, is_idle)?;
            tracing::info!(
                evicted,
                "removed idle flows of interfaces, VPCs or accounts whose share of the flow table \
                 is nearly used up"
            );
            swept += evicted;
        }
        Ok(swept)
    }

    fn remove(
        &self,
        over: &[FlowKey],
        epoch: &Epoch,
        is_over: impl Fn(&FlowKey, &FlowEntry) -> bool,
    ) -> Result<usize, EngineError> {
        let removing = || "removing from the BPF map flows".to_owned();
        let mut ended = BTreeMap::<u32, u64>::new();
        let mut ended_of_vpcs = BTreeMap::<u32, u64>::new();
        let mut removed = 0;
        for key in over {
            let Some(flow) = self.flows.take(key).doing(removing)? else {
                continue;
            };
            // A packet may have begun it anew since it was read; then it goes back, unless yet
            // another packet was faster and its place is taken. Nor is there room for it when
            // others filled the table: then it is over, and counts as such.
            let goes_back = || {
                self.flows
                    .put(key, &flow, UpdateFlag::IfAbsent)
                    .unwrap_or(false)
            };
            if !is_over(key, &flow) && goes_back() {
                continue;
            }
            removed += 1;
            *ended.entry(flow.payer()).or_default() += 1;
            if flow.shared != 0 {
                let vpc = key.ends[flow.payers_end()].vpc;
                *ended_of_vpcs.entry(vpc).or_default() += 1;
            }
            if let Some(event) = record::tail(key, &flow) {
                for record in record::records(&event, epoch, &self.owners) {
                    self.publisher.publish(FlowEvent::Record(record));
                }
            }
        }
        for (link, more) in ended {
            self.add_ended(link, more)?;
        }
        for (vpc, more) in ended_of_vpcs {
            self.counts
                .end(vpc, more)
                .doing(|| format!("counting what VPC {vpc} has no more in the BPF map flows"))?;
        }
        Ok(removed)
    }

    /// Whose share is nearly used up.
    fn pressed(&self) -> io::Result<Pressed> {
        let mut pressed = Pressed::default();
        for (vpc, (flows, group)) in self.counts.of_vpcs()? {
            pressed.groups.insert(vpc, group);
            pressed.add(Sharer::Vpc(vpc), flows, self.table.vpc_share);
        }
        for (group, flows) in self.counts.of_groups()? {
            pressed.add(Sharer::Group(group), flows, self.table.group_share);
        }
        let ended = self.ended.entries()?;
        for (link, began) in self.began.entries()? {
            let flows = difference(began, ended.get(&link));
            pressed.add(Sharer::Interface(link), flows, self.table.share);
        }
        Ok(pressed)
    }

    /// Removes the translations that have no flow, so that their ports can be used again: those
    /// that had none at the last sweep either, since the program makes one before its flow.
    fn sweep_translations(&mut self) -> Result<(), EngineError> {
        let sweeping = || "sweeping the BPF map translations".to_owned();
        let mut idle = BTreeSet::new();
        let mut batches = self.translations.batches();
        while let Some(batch) = batches.next().doing(sweeping)? {
            let entries: Vec<_> = batch.map(|(key, value)| (*key, *value)).collect();
            for (key, translation) in entries {
                if self.is_used(&key, &translation)? {
                    continue;
                }
                if !self.idle.contains(&key) {
                    idle.insert(key);
                    continue;
                }
                let taken = self.translations.take(&key).doing(sweeping)?;
                // Its flow may have begun again just now, by the same port.
                if let Some(taken) = taken
                    && self.is_used(&key, &taken)?
                {
                    self.translations
                        .put(&key, &taken, UpdateFlag::IfAbsent)
                        .doing(sweeping)?;
                }
            }
        }
        self.idle = idle;
        Ok(())
    }

    fn is_used(&self, key: &TranslationKey, of: &Translation) -> Result<bool, EngineError> {
        let flow = self.flows.get(&key.flow(of));
        let flow = flow.doing(|| "reading the BPF map flows".to_owned())?;
        Ok(flow.is_some_and(|flow| flow.public_port == key.port))
    }

    fn add_ended(&self, link: u32, more: u64) -> Result<(), EngineError> {
        let adding = || format!("adding to the BPF map flow_ended for link {link}");
        // Without an entry its interface is gone, and its share with it.
        if let Some(before) = self.ended.get(&link).doing(adding)? {
            let ended = before.wrapping_add(more);
            self.ended
                .put(&link, &ended, UpdateFlag::IfThere)
                .doing(adding)?;
        }
        Ok(())
    }
}

/// Who has a share of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sharer {
    /// By its link.
    Interface(u32),
    Vpc(u32),
    Group(u64),
}

/// Those who have used up seven eighths of their share, and which of their flows go so that they have
/// three quarters: those that were never answered first, then those that have been idle longest.
/// Nobody else's flows make room for them.
#[derive(Default)]
struct Pressed {
    evictions: BTreeMap<Sharer, Eviction>,
    /// The share group of each VPC.
    groups: BTreeMap<u32, u64>,
}

struct Eviction {
    /// How many are to go at most.
    surplus: usize,
    /// The worst on top.
    chosen: BinaryHeap<Idle>,
}

/// A flow that may be evicted; the first in order is the first to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Idle {
    was_answered: bool,
    last: u64,
    key: FlowKey,
}

impl Pressed {
    fn is_empty(&self) -> bool {
        self.evictions.is_empty()
    }

    fn add(&mut self, sharer: Sharer, flows: u64, share: u32) {
        let share = u64::from(share);
        if flows * 8 < share * 7 || flows == 0 {
            return;
        }
        let eviction = Eviction {
            surplus: usize::try_from(flows - share * 3 / 4).unwrap_or(usize::MAX),
            chosen: BinaryHeap::new(),
        };
        self.evictions.insert(sharer, eviction);
    }

    fn consider(&mut self, key: &FlowKey, flow: &FlowEntry, vpc: u32) {
        let idle = Idle {
            was_answered: flow.was_answered(key.protocol),
            last: flow.last,
            key: *key,
        };
        let sharers = [
            Some(Sharer::Interface(flow.payer())),
            Some(Sharer::Vpc(vpc)),
            self.groups.get(&vpc).copied().map(Sharer::Group),
        ];
        for sharer in sharers.into_iter().flatten() {
            let Some(eviction) = self.evictions.get_mut(&sharer) else {
                continue;
            };
            eviction.chosen.push(idle);
            if eviction.chosen.len() > eviction.surplus {
                eviction.chosen.pop();
            }
        }
    }

    fn evicted(self) -> BTreeSet<FlowKey> {
        let evictions = self.evictions.into_values();
        let idle = evictions.flat_map(|eviction| eviction.chosen);
        idle.map(|idle| idle.key).collect()
    }
}
