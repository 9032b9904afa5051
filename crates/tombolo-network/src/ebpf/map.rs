//! A BPF map together with what is known to be in it, so that a small change costs a small
//! number of system calls however large the map is.

use std::collections::BTreeMap;
use std::path::Path;

use aya::Pod;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, Map, MapData, MapError};

use super::entries::PrefixKey;
use super::error::Doing;
use crate::EngineError;
use crate::difference::only_in;

/// A map of the data path, and its contents as last read and since written.
pub(super) struct MirroredMap<M, K, V> {
    name: &'static str,
    map: M,
    known: BTreeMap<K, V>,
}

/// The two types of map that the data path looks packets up in.
pub(super) trait Entries<K, V>: Sized {
    fn open(map: Map) -> Result<Self, MapError>;
    fn read(&self) -> Result<BTreeMap<K, V>, MapError>;
    fn get(&self, key: &K) -> Result<V, MapError>;
    fn put(&mut self, key: &K, value: &V) -> Result<(), MapError>;
    fn remove(&mut self, key: &K) -> Result<(), MapError>;
}

impl<M, K, V> MirroredMap<M, K, V>
where
    M: Entries<K, V>,
    K: Ord + Clone,
    V: PartialEq + Clone,
{
    /// Opens the map that is pinned as `name` in `directory`; call [`Self::read`] before use.
    pub(super) fn open(directory: &Path, name: &'static str) -> Result<Self, EngineError> {
        let map = open_pinned(directory, name, M::open)?;
        Ok(MirroredMap {
            name,
            map,
            known: BTreeMap::new(),
        })
    }

    /// Reads what is really in the map.
    pub(super) fn read(&mut self) -> Result<(), EngineError> {
        let name = self.name;
        self.known = self
            .map
            .read()
            .doing(|| format!("reading the BPF map {name}"))?;
        Ok(())
    }

    /// Asks the kernel for the value of `key`, which in a trie is that of the longest prefix that
    /// `key` has.
    pub(super) fn look_up(&self, key: &K) -> Result<Option<V>, EngineError> {
        match self.map.get(key) {
            Ok(value) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error).doing(|| format!("reading the BPF map {}", self.name)),
        }
    }

    /// Removes what is not in `wanted` exactly so; returns how many entries that were.
    pub(super) fn retain(&mut self, wanted: &BTreeMap<K, V>) -> Result<usize, EngineError> {
        let unwanted: Vec<K> = only_in(&self.known, wanted)
            .map(|(key, _)| key.clone())
            .collect();
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

    /// Removes the keys that `wanted` lacks, and leaves what has another value there for
    /// [`Self::extend`] to replace in place, so that no packet finds nothing in between; returns
    /// how many entries that were.
    pub(super) fn retain_keys(&mut self, wanted: &BTreeMap<K, V>) -> Result<usize, EngineError> {
        let kept = self
            .known
            .iter()
            .filter(|(key, _)| wanted.contains_key(*key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        self.retain(&kept)
    }

    /// Puts what of `wanted` is not there; returns how many entries that were.
    pub(super) fn extend(&mut self, wanted: &BTreeMap<K, V>) -> Result<usize, EngineError> {
        let missing: Vec<(K, V)> = only_in(wanted, &self.known)
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
        }
        Ok(put)
    }
}

impl<K: Pod + Ord, V: Pod> Entries<K, V> for HashMap<MapData, K, V> {
    fn open(map: Map) -> Result<Self, MapError> {
        map.try_into()
    }

    fn read(&self) -> Result<BTreeMap<K, V>, MapError> {
        self.iter().collect()
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

    fn read(&self) -> Result<BTreeMap<PrefixKey<BYTES>, V>, MapError> {
        self.iter()
            .map(|entry| entry.map(|(key, value)| ((key.data(), key.prefix_len()), value)))
            .collect()
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

/// Opens the map that is pinned as `name` in `directory`, as the type that `open` makes of it.
pub(super) fn open_pinned<M>(
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

pub(super) fn is_not_found(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error)
        if error.io_error.kind() == std::io::ErrorKind::NotFound)
}
