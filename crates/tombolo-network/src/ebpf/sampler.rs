//! What the data path counted, for everybody who asks.
//!
//! It is read on the runtime's threads for blocking work, never on the engine's own: that of a
//! million flows takes longer than a peering that was deleted may still carry packets. Callers share
//! what is read: one that finds another's reading under way gets the next one, with all who wait.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;
use tokio::task::spawn_blocking;
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};

use crate::counters::{TableUsage, TrafficCounters};
use crate::ebpf::flows::Owners;
use crate::ebpf::maps::counters::CounterMaps;
use crate::ebpf::maps::datapath::DataPath;
use crate::ebpf::maps::mirrored_map::Usage;
use crate::engine::EngineError;
use crate::indexed_network::{Pair, pair};
use crate::network::Network;

/// How many times as long as it took to read every flow its outcome is given again: so reading them
/// takes a tenth of one CPU at most, however many ask.
const FLOWS_REST: u32 = 10;

/// The peerings that packets are counted for: the first of those between the same two VPCs. A clone
/// is the same list.
#[derive(Debug, Clone, Default)]
pub(super) struct PeeredVpcs(Arc<RwLock<BTreeMap<Pair, VpcPeeringConnectionId>>>);

impl PeeredVpcs {
    /// Those of a network's live part, and no others.
    pub(super) fn set(&self, live: &Network) {
        let mut peered = BTreeMap::new();
        for (id, peering) in &live.peerings {
            peered.entry(pair(peering)).or_insert_with(|| id.clone());
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = peered;
    }

    /// Those of these pairs anew.
    pub(super) fn update(
        &self,
        pairs: impl IntoIterator<Item = (Pair, Option<VpcPeeringConnectionId>)>,
    ) {
        let mut peered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (pair, first) in pairs {
            match first {
                Some(id) => peered.insert(pair, id),
                None => peered.remove(&pair),
            };
        }
    }

    fn list(&self) -> BTreeMap<Pair, VpcPeeringConnectionId> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What counts at the moment; `None` before the engine has anything on the machine. A clone is the
/// same place.
#[derive(Debug, Clone, Default)]
pub(super) struct CurrentSampler(Arc<Mutex<Option<Arc<Sampler>>>>);

impl CurrentSampler {
    pub(super) fn set(&self, sampler: Option<Arc<Sampler>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sampler;
    }

    pub(super) fn get(&self) -> Option<Arc<Sampler>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Reads what the data path counts.
pub(super) struct Sampler {
    counted: Arc<Counted>,
    traffic: Shared<TrafficCounters>,
    tables: Shared<BTreeMap<String, TableUsage>>,
    active_ports: Shared<BTreeMap<NetworkInterfaceId, u32>>,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").finish_non_exhaustive()
    }
}

/// What there is to read, and whom it is about.
struct Counted {
    maps: CounterMaps,
    tables: [(&'static str, Usage); 7],
    flow_capacity: u64,
    owners: Owners,
    peered_vpcs: PeeredVpcs,
}

impl Sampler {
    /// Of the maps that `data_path` has pinned.
    pub(super) fn open(
        data_path: &DataPath,
        owners: Owners,
        peered_vpcs: PeeredVpcs,
    ) -> Result<Arc<Self>, EngineError> {
        let counted = Counted {
            maps: CounterMaps::open(&data_path.pins)?,
            tables: data_path.usage(),
            flow_capacity: data_path.flow_capacity(),
            owners,
            peered_vpcs,
        };
        Ok(Arc::new(Sampler {
            counted: Arc::new(counted),
            traffic: Shared::default(),
            tables: Shared::default(),
            active_ports: Shared::default(),
        }))
    }

    /// See [`crate::NetworkEngine::traffic`].
    pub(super) async fn traffic(&self) -> Result<TrafficCounters, EngineError> {
        let counted = self.counted.clone();
        self.traffic.get(0, move || counted.traffic()).await
    }

    /// See [`crate::NetworkEngine::tables`].
    pub(super) async fn tables(&self) -> Result<BTreeMap<String, TableUsage>, EngineError> {
        let counted = self.counted.clone();
        self.tables.get(0, move || counted.tables()).await
    }

    /// See [`crate::NetworkEngine::active_ports`].
    pub(super) async fn active_ports(
        &self,
    ) -> Result<BTreeMap<NetworkInterfaceId, u32>, EngineError> {
        let counted = self.counted.clone();
        self.active_ports
            .get(FLOWS_REST, move || counted.active_ports())
            .await
    }
}

impl Counted {
    fn traffic(&self) -> Result<TrafficCounters, EngineError> {
        let mut counters = self.maps.totals()?;
        for (link, id) in self.owners.current() {
            if let Some(traffic) = self.maps.traffic_of(link)? {
                counters.interfaces.insert(id, traffic);
            }
        }
        for ([a, b], id) in self.peered_vpcs.list() {
            let traffic = self.maps.traffic_between(a, b)?;
            counters.peerings.insert(id, traffic);
        }
        Ok(counters)
    }

    fn tables(&self) -> Result<BTreeMap<String, TableUsage>, EngineError> {
        let tables = self.tables.iter();
        let mut tables: BTreeMap<String, TableUsage> = tables
            .map(|(name, usage)| ((*name).to_owned(), usage.now()))
            .collect();
        let flows = TableUsage {
            used: self.maps.flows_in_use()?,
            capacity: self.flow_capacity,
        };
        tables.insert("flows".to_owned(), flows);
        Ok(tables)
    }

    fn active_ports(&self) -> Result<BTreeMap<NetworkInterfaceId, u32>, EngineError> {
        let active = self.maps.active_ports()?;
        if active.is_empty() {
            return Ok(BTreeMap::new());
        }
        let owners = self.owners.current().into_iter();
        Ok(owners
            .filter_map(|(link, id)| Some((id, *active.get(&link)?)))
            .collect())
    }
}

/// A reading that several callers share.
struct Shared<T>(AsyncMutex<Option<Reading<T>>>);

struct Reading<T> {
    value: T,
    began: Instant,
    took: Duration,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared(AsyncMutex::default())
    }
}

impl<T: Clone + Send + 'static> Shared<T> {
    /// What `read` reads, or has read for another: after this call began, or not longer ago than
    /// `rest` times what it took.
    async fn get(
        &self,
        rest: u32,
        read: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some(reading) = &*last
            && (reading.began >= asked || reading.ended().elapsed() < reading.took * rest)
        {
            return Ok(reading.value.clone());
        }
        let began = Instant::now();
        // The lock is held meanwhile: whoever asks now waits, and shares what comes of it or of the
        // next one.
        let value = match spawn_blocking(read).await {
            Ok(read) => read?,
            // A panic in there was logged by its thread, and at its end a runtime runs no more.
            Err(_) => return Err(EngineError::Stopped),
        };
        *last = Some(Reading {
            value: value.clone(),
            began,
            took: began.elapsed(),
        });
        Ok(value)
    }
}

impl<T> Reading<T> {
    fn ended(&self) -> Instant {
        self.began + self.took
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::join_all;

    use super::*;

    /// However many ask, at most two read: the first one, and one for all who came while it did.
    #[tokio::test]
    async fn callers_that_ask_at_the_same_time_share_a_reading() {
        let shared = Shared::default();
        let reads = Arc::new(AtomicU32::new(0));
        let callers = (0..50).map(|_| {
            let reads = reads.clone();
            shared.get(0, move || Ok(reads.fetch_add(1, Ordering::Relaxed)))
        });
        let answers = join_all(callers).await;
        assert!(answers.iter().all(Result::is_ok));
        assert!(reads.load(Ordering::Relaxed) <= 2);
    }

    #[tokio::test]
    async fn a_reading_that_must_be_new_is_never_an_earlier_one() {
        let shared = Shared::default();
        for turn in 0..3 {
            assert_eq!(shared.get(0, move || Ok(turn)).await.unwrap(), turn);
        }
    }

    #[tokio::test]
    async fn a_reading_that_took_long_is_given_again_for_a_multiple_of_that() {
        let shared = Shared::default();
        let reading = Reading {
            value: 1,
            began: Instant::now(),
            took: Duration::from_secs(60),
        };
        *shared.0.lock().await = Some(reading);
        assert_eq!(shared.get(10, || Ok(2)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_could_not_be_read_is_read_again() {
        let shared = Shared::default();
        let failed = shared.get(10, || Err::<u32, _>(EngineError::Stopped)).await;
        assert!(failed.is_err());
        assert_eq!(shared.get(10, || Ok(1)).await.unwrap(), 1);
    }
}
