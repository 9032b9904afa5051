//! Removes the flows that are over from the flow table, so that their place, and their part of
//! what their interface may begin, can be used again.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tombolo_tasks::{Reason, Returned, Task};

use super::owners::Owners;
use super::record::{self, Epoch};
use super::recount::{Counts, InTable, Recount};
use crate::ebpf::error::Doing;
use crate::ebpf::maps::flow_entries::{
    EVERY_GROUP, FlowEntry, FlowKey, Translation, TranslationKey,
};
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

/// So many flows are taken out before it is counted that they ended: who is stopped in between leaves
/// no more to count anew.
const REMOVED_AT_ONCE: usize = 256;

pub(in crate::ebpf) struct Sweeper {
    table: FlowTable,
    flows: KernelMap<FlowKey, FlowEntry>,
    /// How many flows each link began.
    began: KernelMap<u32, u64>,
    /// How many flows of an interface's share were removed, by its link. Nobody else writes it.
    ended: KernelMap<u32, u64>,
    /// The same of VPCs and share groups.
    counts: FlowCounts,
    recount: Recount,
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
            recount: Recount::default(),
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
    /// used up what has been idle; returns how much. What is counted otherwise than it is there is set
    /// right.
    pub(in crate::ebpf) fn sweep(&mut self) -> Result<usize, EngineError> {
        let sweeping = || "reading the BPF map flows".to_owned();
        let counting = || "reading how many flows there are".to_owned();
        self.owners.age();
        let epoch = Epoch::read().doing(|| "reading the clock".to_owned())?;
        // Asked anew for each flow, since a link may come while the table is swept: it is known
        // before its first flow begins.
        let is_over = |key: &FlowKey, flow: &FlowEntry| {
            flow.is_over(key.protocol, epoch.now)
                || flow.links.iter().any(|link| self.owners.is_gone(*link))
        };
        let before = self.counted().doing(counting)?;
        let mut pressed = self.pressed(&before);
        let mut in_table = InTable::default();
        let mut swept = 0;
        let mut over = Vec::new();
        let mut batches = self.flows.batches();
        while let Some(batch) = batches.next().doing(sweeping)? {
            for (key, flow) in batch {
                in_table.count(key, flow, 1);
                if is_over(key, flow) {
                    over.push(*key);
                } else if !pressed.is_empty() && flow.idle(epoch.now) >= IDLE {
                    let vpc = key.ends[flow.payers_end()].vpc;
                    pressed.consider(key, flow, vpc);
                }
            }
            swept += self.remove(&over, &epoch, is_over, &mut in_table)?;
            over.clear();
        }
        let evicted: Vec<FlowKey> = pressed.evicted().into_iter().collect();
        if !evicted.is_empty() {
            let is_idle = |_: &FlowKey, flow: &FlowEntry| flow.idle(epoch.now) >= IDLE;
            let evicted = self.remove(&evicted, &epoch, is_idle, &mut in_table)?;
            tracing::info!(
                evicted,
                "removed idle flows of interfaces, VPCs or accounts whose share of the flow table \
                 is nearly used up"
            );
            swept += evicted;
        }
        let after = self.counted().doing(counting)?;
        in_table.add_groups(&before.groups);
        let wrong = self
            .recount
            .compare(&before.began, &after.began, &after.ended, &in_table);
        for (sharer, more) in wrong {
            self.correct(sharer, more)?;
            tracing::info!(?sharer, more, "counted anew how many flows have ended");
        }
        Ok(swept)
    }

    /// Removes what is over, and counts it as ended; returns how much that was.
    fn remove(
        &self,
        over: &[FlowKey],
        epoch: &Epoch,
        is_over: impl Fn(&FlowKey, &FlowEntry) -> bool,
        in_table: &mut InTable,
    ) -> Result<usize, EngineError> {
        let mut removed = 0;
        for some in over.chunks(REMOVED_AT_ONCE) {
            let mut ended = Ended::default();
            let taken = self.take_out(some, epoch, &is_over, &mut ended, in_table);
            // What was taken out before an error has ended all the same.
            self.count_ended(ended)?;
            removed += taken?;
        }
        Ok(removed)
    }

    fn take_out(
        &self,
        over: &[FlowKey],
        epoch: &Epoch,
        is_over: impl Fn(&FlowKey, &FlowEntry) -> bool,
        ended: &mut Ended,
        in_table: &mut InTable,
    ) -> Result<usize, EngineError> {
        let removing = || "removing from the BPF map flows".to_owned();
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
            in_table.count(key, &flow, -1);
            *ended.of_links.entry(flow.payer()).or_default() += 1;
            if flow.shared != 0 {
                let vpc = key.ends[flow.payers_end()].vpc;
                *ended.of_vpcs.entry(vpc).or_default() += 1;
            }
            if let Some(event) = record::tail(key, &flow) {
                for record in record::records(&event, epoch, &self.owners) {
                    self.publisher.publish(FlowEvent::Record(record));
                }
            }
        }
        Ok(removed)
    }

    fn count_ended(&self, ended: Ended) -> Result<(), EngineError> {
        for (link, more) in ended.of_links {
            self.add_ended(link, more)?;
        }
        for (vpc, more) in ended.of_vpcs {
            self.counts
                .end(vpc, more)
                .doing(|| format!("counting what VPC {vpc} has no more in the BPF map flows"))?;
        }
        Ok(())
    }

    /// What is counted of all who have a share.
    fn counted(&self) -> io::Result<Counted> {
        let mut counted = Counted::default();
        let (vpcs, groups) = self.counts.began()?;
        let vpcs_began = vpcs.iter().map(|(vpc, of_vpc)| (*vpc, of_vpc.began));
        let vpcs_began = vpcs_began.map(|(vpc, began)| (Sharer::Vpc(vpc), began));
        counted.began.extend(vpcs_began);
        let of_groups = |groups: BTreeMap<u64, u64>| {
            let groups = groups.into_iter();
            groups.map(|(group, flows)| (Sharer::Group(group), flows))
        };
        counted.began.extend(of_groups(groups));
        let of_links = |links: BTreeMap<u32, u64>| {
            let links = links.into_iter();
            links.map(|(link, flows)| (Sharer::Interface(link), flows))
        };
        counted.began.extend(of_links(self.began.entries()?));
        let (vpcs_ended, groups_ended) = self.counts.ended()?;
        let vpcs_ended = vpcs_ended.into_iter();
        let vpcs_ended = vpcs_ended.map(|(vpc, ended)| (Sharer::Vpc(vpc), ended));
        counted.ended.extend(vpcs_ended);
        counted.ended.extend(of_groups(groups_ended));
        counted.ended.extend(of_links(self.ended.entries()?));
        let groups = vpcs.into_iter();
        counted.groups = groups
            .map(|(vpc, of_vpc)| (vpc, of_vpc.share_group))
            .collect();
        Ok(counted)
    }

    /// Whose share is nearly used up.
    fn pressed(&self, counted: &Counted) -> Pressed {
        let mut pressed = Pressed {
            groups: counted.groups.clone(),
            ..Pressed::default()
        };
        for (sharer, began) in &counted.began {
            let share = match sharer {
                Sharer::Interface(_) => self.table.share,
                Sharer::Vpc(_) => self.table.vpc_share,
                Sharer::Group(EVERY_GROUP) => continue,
                Sharer::Group(_) => self.table.group_share,
            };
            let flows = difference(*began, counted.ended.get(sharer));
            pressed.add(*sharer, flows, share);
        }
        pressed
    }

    /// Sets right how many flows have ended.
    fn correct(&self, sharer: Sharer, more: i64) -> Result<(), EngineError> {
        let correcting = || format!("setting right what is counted of the flows of {sharer:?}");
        match sharer {
            Sharer::Interface(link) => self.add_ended(link, more.cast_unsigned()),
            Sharer::Vpc(vpc) => self.counts.correct_vpc(vpc, more).doing(correcting),
            Sharer::Group(group) => self.counts.correct_group(group, more).doing(correcting),
        }
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

/// How many flows of links and of VPCs were taken out and are not counted as ended yet.
#[derive(Default)]
struct Ended {
    of_links: BTreeMap<u32, u64>,
    of_vpcs: BTreeMap<u32, u64>,
}

/// What is counted at a moment.
#[derive(Default)]
struct Counted {
    began: Counts,
    ended: Counts,
    /// The share group of each VPC.
    groups: BTreeMap<u32, u64>,
}

/// Who has a share of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sharer {
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
