//! Removes the flows that are over from the flow table, so that their place, and their part of
//! what their interface may begin, can be used again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tombolo_tasks::{Reason, Returned, Task};

use super::owners::Owners;
use super::record::{self, Epoch};
use crate::ebpf::error::Doing;
use crate::ebpf::maps::flow_entries::{FlowEntry, FlowKey, Translation, TranslationKey};
use crate::ebpf::maps::kernel_map::{KernelMap, UpdateFlag};
use crate::ebpf::maps::object::Pins;
use crate::engine::EngineError;
use crate::flow::{FlowEvent, FlowPublisher};

/// How often the table is swept. A flow that is over counts as absent at once; only its place is
/// free this much later.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Sweeper {
    flows: KernelMap<FlowKey, FlowEntry>,
    /// How many flows of an interface's share were removed, by its link. Nobody else writes it.
    ended: KernelMap<u32, u64>,
    translations: KernelMap<TranslationKey, Translation>,
    /// The translations that had no flow when last looked at.
    idle: BTreeSet<TranslationKey>,
    owners: Owners,
    publisher: FlowPublisher,
}

impl Sweeper {
    /// Sweeps the pinned maps.
    pub(super) fn open(
        pins: &Pins,
        owners: Owners,
        publisher: FlowPublisher,
    ) -> Result<Self, EngineError> {
        Ok(Sweeper {
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

    /// Removes what is over, and what an interface had that is gone; returns how much.
    fn sweep(&self) -> Result<usize, EngineError> {
        let sweeping = || "reading the BPF map flows".to_owned();
        self.owners.age();
        let epoch = Epoch::read().doing(|| "reading the clock".to_owned())?;
        // Asked anew for each flow, since a link may come while the table is swept: it is known
        // before its first flow begins.
        let is_over = |key: &FlowKey, flow: &FlowEntry| {
            flow.is_over(key.protocol, epoch.now)
                || flow.links.iter().any(|link| self.owners.is_gone(*link))
        };
        let mut swept = 0;
        let mut over = Vec::new();
        let mut batches = self.flows.batches();
        while let Some(batch) = batches.next().doing(sweeping)? {
            over.extend(
                batch
                    .filter(|(key, flow)| is_over(key, flow))
                    .map(|(key, _)| *key),
            );
            swept += self.remove(&over, &epoch, is_over)?;
            over.clear();
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
            if let Some(event) = record::tail(key, &flow) {
                for record in record::records(&event, epoch, &self.owners) {
                    self.publisher.publish(FlowEvent::Record(record));
                }
            }
        }
        for (link, more) in ended {
            self.add_ended(link, more)?;
        }
        Ok(removed)
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
