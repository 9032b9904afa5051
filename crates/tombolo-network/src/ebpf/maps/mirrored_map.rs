//! A BPF map together with what is known to be in it, so that a small change costs a small
//! number of system calls however large the map is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aya::Pod;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, IterableMap, Map, MapData, MapError};

use crate::counters::TableUsage;
use crate::difference::only_in;
use crate::ebpf::error::Doing;
use crate::ebpf::maps::entries::PrefixKey;
use crate::ebpf::maps::kernel_map::Batches;
use crate::engine::EngineError;
use crate::repair::{RepairKind, Repairs};

/// A map of the data path, and its contents as last read and since written.
pub(in crate::ebpf) struct MirroredMap<M, K, V> {
    name: &'static str,
    map: M,
    known: BTreeMap<K, V>,
    /// Whether `known` was ever read.
    was_read: bool,
    usage: Usage,
}

/// How full a map is, as another thread can ask.
#[derive(Debug, Clone)]
pub(in crate::ebpf) struct Usage {
    used: Arc<AtomicU64>,
    capacity: u64,
}

impl Usage {
    /// How many entries there are, and how many there can be.
    pub(in crate::ebpf) fn now(&self) -> TableUsage {
        TableUsage {
            used: self.used.load(Ordering::Relaxed),
            capacity: self.capacity,
        }
    }
}

/// The two types of map that the data path looks packets up in.
pub(in crate::ebpf) trait Entries<K, V>: Sized {
    fn open(map: Map) -> Result<Self, MapError>;
    /// How many entries it has room for.
    fn capacity(&self) -> Result<u64, MapError>;
    fn read(&self) -> Result<BTreeMap<K, V>, MapError>;
    fn get(&self, key: &K) -> Result<V, MapError>;
    fn put(&mut self, key: &K, value: &V) -> Result<(), MapError>;
    fn remove(&mut self, key: &K) -> Result<(), MapError>;
}

impl<M, K, V> MirroredMap<M, K, V>
where
    M: Entries<K, V>,
    K: Ord + Clone + fmt::Debug,
    V: PartialEq + Clone,
{
    /// Opens the map that is pinned as `name` in `directory`; call [`Self::read`] before use.
    pub(in crate::ebpf) fn open(directory: &Path, name: &'static str) -> Result<Self, EngineError> {
        let map = open_pinned(directory, name, M::open)?;
        let capacity = map
            .capacity()
            .doing(|| format!("asking for the size of the BPF map {name}"))?;
        Ok(MirroredMap {
            name,
            map,
            known: BTreeMap::new(),
            was_read: false,
            usage: Usage {
                used: Arc::default(),
                capacity,
            },
        })
    }

    /// Reads what is really in the map, and reports what is not as it was left.
    pub(in crate::ebpf) fn read(&mut self, repairs: &mut Repairs) -> Result<(), EngineError> {
        let name = self.name;
        let found = self
            .map
            .read()
            .doing(|| format!("reading the BPF map {name}"))?;
        let left = std::mem::replace(&mut self.known, found);
        if std::mem::replace(&mut self.was_read, true) {
            let mut report = |key: &K, how: &str| {
                repairs.add(RepairKind::MapEntry(name.to_owned()), || {
                    format!("the entry {key:02x?} of the BPF map {name} was {how}")
                });
            };
            for (key, _) in only_in(&left, &self.known) {
                let is_there = self.known.contains_key(key);
                report(key, if is_there { "changed" } else { "gone" });
            }
            for (key, _) in only_in(&self.known, &left) {
                if !left.contains_key(key) {
                    report(key, "somebody else's");
                }
            }
        }
        self.note_usage();
        Ok(())
    }

    /// The contents, as last read and since written.
    #[cfg(test)]
    pub(in crate::ebpf) fn entries(&self) -> &BTreeMap<K, V> {
        &self.known
    }

    /// How full it is, from now on.
    pub(in crate::ebpf) fn usage(&self) -> Usage {
        self.usage.clone()
    }

    fn note_usage(&self) {
        let used = self.known.len() as u64;
        self.usage.used.store(used, Ordering::Relaxed);
    }

    /// Checks that the map's capacity allows a change of `before`, or of all that is there, into
    /// `wanted`.
    pub(in crate::ebpf) fn check_capacity(
        &self,
        before: Option<&BTreeMap<K, V>>,
        wanted: &BTreeMap<K, V>,
    ) -> Result<(), EngineError> {
        let known = self.known.len();
        let before = before.map_or(known, BTreeMap::len);
        self.check_capacity_for(known.saturating_sub(before) + wanted.len())
    }

    /// Checks that the map's capacity allows so many entries.
    pub(in crate::ebpf) fn check_capacity_for(&self, entries: usize) -> Result<(), EngineError> {
        let needed = entries as u64;
        if needed <= self.usage.capacity {
            return Ok(());
        }
        Err(EngineError::Full {
            table: self.name.to_owned(),
            needed,
            capacity: self.usage.capacity,
        })
    }

    /// Asks the kernel for the value of `key`, which in a trie is that of the longest prefix that
    /// `key` has.
    pub(in crate::ebpf) fn look_up(&self, key: &K) -> Result<Option<V>, EngineError> {
        match self.map.get(key) {
            Ok(value) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error).doing(|| format!("reading the BPF map {}", self.name)),
        }
    }

    /// Removes what of `before`, or of all that is there, is not in `wanted` exactly so; returns
    /// how many entries that were.
    pub(in crate::ebpf) fn retain(
        &mut self,
        before: Option<&BTreeMap<K, V>>,
        wanted: &BTreeMap<K, V>,
    ) -> Result<usize, EngineError> {
        let unwanted: Vec<K> = only_in(before.unwrap_or(&self.known), wanted)
            .map(|(key, _)| key.clone())
            .collect();
        self.remove(&unwanted)
    }

    /// Removes the keys of `before`, or of all that is there, that `wanted` lacks, and leaves what
    /// has another value there for [`Self::extend`] to replace in place, so that no packet finds
    /// nothing in between; returns how many entries that were.
    pub(in crate::ebpf) fn retain_keys(
        &mut self,
        before: Option<&BTreeMap<K, V>>,
        wanted: &BTreeMap<K, V>,
    ) -> Result<usize, EngineError> {
        let before = before.unwrap_or(&self.known);
        let unwanted: Vec<K> = before
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .cloned()
            .collect();
        self.remove(&unwanted)
    }

    fn remove(&mut self, unwanted: &[K]) -> Result<usize, EngineError> {
        for key in unwanted {
            match self.map.remove(key) {
                // Someone else removed it since it was read.
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) if is_not_found(&error) => {}
                other => other.doing(|| format!("removing from the BPF map {}", self.name))?,
            }
            self.known.remove(key);
            self.note_usage();
        }
        Ok(unwanted.len())
    }

    /// Puts what of `wanted` is not there; returns how many entries that were.
    pub(in crate::ebpf) fn extend(
        &mut self,
        wanted: &BTreeMap<K, V>,
    ) -> Result<usize, EngineError> {
        let missing: Vec<(K, V)> = wanted
            .iter()
            .filter(|&(key, value)| self.known.get(key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let put = missing.len();
        for (key, value) in missing {
            self.map.put(&key, &value).doing(|| {
                format!(
                    "adding to the {} entries of the BPF map {}",
                    self.known.len(),
                    self.name
                )
            })?;
            self.known.insert(key, value);
            self.note_usage();
        }
        Ok(put)
    }
}

impl<K: Pod + Ord, V: Pod> Entries<K, V> for HashMap<MapData, K, V> {
    fn open(map: Map) -> Result<Self, MapError> {
        map.try_into()
    }

    fn capacity(&self) -> Result<u64, MapError> {
        Ok(self.map().info()?.max_entries().into())
    }

    fn read(&self) -> Result<BTreeMap<K, V>, MapError> {
        read_all(self.map(), |key, value| (*key, *value))
    }

    fn get(&self, key: &K) -> Result<V, MapError> {
        HashMap::get(self, key, 0)
    }

    fn put(&mut self, key: &K, value: &V) -> Result<(), MapError> {
        self.insert(key, value, 0)
    }

    fn remove(&mut self, key: &K) -> Result<(), MapError> {
        HashMap::remove(self, key)
    }
}

impl<const BYTES: usize, V: Pod> Entries<PrefixKey<BYTES>, V> for LpmTrie<MapData, [u8; BYTES], V> {
    fn open(map: Map) -> Result<Self, MapError> {
        map.try_into()
    }

    fn capacity(&self) -> Result<u64, MapError> {
        Ok(self.map().info()?.max_entries().into())
    }

    fn read(&self) -> Result<BTreeMap<PrefixKey<BYTES>, V>, MapError> {
        read_all(self.map(), |key: &Key<[u8; BYTES]>, value| {
            ((key.data(), key.prefix_len()), *value)
        })
    }

    fn get(&self, key: &PrefixKey<BYTES>) -> Result<V, MapError> {
        LpmTrie::get(self, &Key::new(key.1, key.0), 0)
    }

    fn put(&mut self, key: &PrefixKey<BYTES>, value: &V) -> Result<(), MapError> {
        self.insert(&Key::new(key.1, key.0), value, 0)
    }

    fn remove(&mut self, key: &PrefixKey<BYTES>) -> Result<(), MapError> {
        LpmTrie::remove(self, &Key::new(key.1, key.0))
    }
}

fn read_all<K: Pod, V: Pod, E: Ord, T>(
    map: &MapData,
    entry: impl Fn(&K, &V) -> (E, T),
) -> Result<BTreeMap<E, T>, MapError> {
    let mut all = BTreeMap::new();
    let mut batches = Batches::of(map);
    while let Some(batch) = batches.next().map_err(MapError::IoError)? {
        all.extend(batch.map(|(key, value)| entry(key, value)));
    }
    Ok(all)
}

/// Opens the map that is pinned as `name` in `directory`, as the type that `open` makes of it.
pub(in crate::ebpf) fn open_pinned<M>(
    directory: &Path,
    name: &str,
    open: impl FnOnce(Map) -> Result<M, MapError>,
) -> Result<M, EngineError> {
    let path = directory.join(name);
    MapData::from_pin(&path)
        .and_then(Map::from_map_data)
        .and_then(open)
        .doing(|| format!("opening the pinned BPF map {}", path.display()))
}

pub(in crate::ebpf) fn is_not_found(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error)
        if error.io_error.kind() == std::io::ErrorKind::NotFound)
}
