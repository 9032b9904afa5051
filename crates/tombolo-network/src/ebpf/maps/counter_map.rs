//! Maps that the program counts in. It only adds to entries that are there: user space gives each
//! interface and each peering its place, so the program never runs out of them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use aya::Pod;
use aya::maps::{HashMap, Map, MapData, MapError, PerCpuHashMap, PerCpuValues};
use aya::util::nr_cpus;

use crate::ebpf::error::Doing;
use crate::ebpf::maps::mirrored_map::{is_not_found, open_pinned};
use crate::engine::EngineError;
use crate::repair::{RepairKind, Repairs};

/// A map to count in, and the places that it is known to have.
pub(in crate::ebpf) struct CounterMap<M, K> {
    name: &'static str,
    pub(in crate::ebpf) map: M,
    known: BTreeSet<K>,
    /// Whether `known` was ever read.
    was_read: bool,
}

/// The types of map that have places.
pub(in crate::ebpf) trait CounterEntries<K>: Sized {
    fn open(map: Map) -> Result<Self, MapError>;
    fn keys_present(&self) -> Result<BTreeSet<K>, MapError>;
    /// Makes an entry of zeros.
    fn put(&mut self, key: &K) -> Result<(), MapError>;
    fn remove(&mut self, key: &K) -> Result<(), MapError>;
}

impl<M: CounterEntries<K>, K: Ord + Clone + fmt::Debug> CounterMap<M, K> {
    /// Opens the map that is pinned as `name` in `directory`; call [`Self::read`] before use.
    pub(in crate::ebpf) fn open(directory: &Path, name: &'static str) -> Result<Self, EngineError> {
        Ok(CounterMap {
            name,
            map: open_pinned(directory, name, M::open)?,
            known: BTreeSet::new(),
            was_read: false,
        })
    }

    /// Reads which places there really are, and reports which are not as they were left.
    pub(in crate::ebpf) fn read(&mut self, repairs: &mut Repairs) -> Result<(), EngineError> {
        let name = self.name;
        let found = self
            .map
            .keys_present()
            .doing(|| format!("reading the BPF map {name}"))?;
        let left = std::mem::replace(&mut self.known, found);
        if std::mem::replace(&mut self.was_read, true) {
            for key in left.symmetric_difference(&self.known) {
                let how = match left.contains(key) {
                    true => "gone",
                    false => "somebody else's",
                };
                repairs.add(RepairKind::MapEntry(name.to_owned()), || {
                    format!("the entry {key:?} of the BPF map {name} was {how}")
                });
            }
        }
        Ok(())
    }

    /// The places that it is known to have.
    #[cfg(test)]
    pub(in crate::ebpf) fn places(&self) -> &BTreeSet<K> {
        &self.known
    }

    /// Removes the places of `before`, or of all that there are, that are not wanted; returns how
    /// many those were.
    pub(in crate::ebpf) fn retain(
        &mut self,
        before: Option<&BTreeSet<K>>,
        wanted: &BTreeSet<K>,
    ) -> Result<usize, EngineError> {
        let before = before.unwrap_or(&self.known);
        let unwanted: Vec<K> = before.difference(wanted).cloned().collect();
        for key in &unwanted {
            match self.map.remove(key) {
                // Someone else removed it since it was read.
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) if is_not_found(&error) => {}
                other => other.doing(|| format!("removing from the BPF map {}", self.name))?,
            }
            self.known.remove(key);
        }
        Ok(unwanted.len())
    }

    /// Makes the places that are missing, with nothing counted; returns how many those were.
    pub(in crate::ebpf) fn extend(&mut self, wanted: &BTreeSet<K>) -> Result<usize, EngineError> {
        let known = &self.known;
        let missing: Vec<K> = wanted
            .iter()
            .filter(|key| !known.contains(key))
            .cloned()
            .collect();
        for key in &missing {
            self.put(key).doing(|| {
                format!(
                    "adding to the {} entries of the BPF map {}",
                    self.known.len(),
                    self.name
                )
            })?;
            self.known.insert(key.clone());
        }
        Ok(missing.len())
    }

    /// The kernel takes the memory for each entry from a reserve that it fills in the background, so
    /// that of thousands made at once one may come too early.
    fn put(&mut self, key: &K) -> Result<(), MapError> {
        let began = Instant::now();
        loop {
            match self.map.put(key) {
                Err(error) if is_out_of_memory(&error) && began.elapsed() < RESERVE_DEADLINE => {
                    thread::sleep(RESERVE_INTERVAL);
                }
                put => return put,
            }
        }
    }
}

/// How long the kernel may take to fill its reserve: a machine that is out of memory does not.
const RESERVE_DEADLINE: Duration = Duration::from_secs(1);
const RESERVE_INTERVAL: Duration = Duration::from_millis(1);

fn is_out_of_memory(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error)
        if error.io_error.raw_os_error() == Some(libc::ENOMEM))
}

impl<K: Pod + Ord> CounterEntries<K> for HashMap<MapData, K, u64> {
    fn open(map: Map) -> Result<Self, MapError> {
        map.try_into()
    }

    fn keys_present(&self) -> Result<BTreeSet<K>, MapError> {
        self.keys().collect()
    }

    fn put(&mut self, key: &K) -> Result<(), MapError> {
        self.insert(key, 0, 0)
    }

    fn remove(&mut self, key: &K) -> Result<(), MapError> {
        HashMap::remove(self, key)
    }
}

impl<K: Pod + Ord, V: Pod + Default> CounterEntries<K> for PerCpuHashMap<MapData, K, V> {
    fn open(map: Map) -> Result<Self, MapError> {
        map.try_into()
    }

    fn keys_present(&self) -> Result<BTreeSet<K>, MapError> {
        self.keys().collect()
    }

    fn put(&mut self, key: &K) -> Result<(), MapError> {
        let cpus = nr_cpus().map_err(|(_, error)| MapError::IoError(error))?;
        let zeros = PerCpuValues::try_from(vec![V::default(); cpus])?;
        self.insert(key, zeros, 0)
    }

    fn remove(&mut self, key: &K) -> Result<(), MapError> {
        PerCpuHashMap::remove(self, key)
    }
}
