//! BPF maps by the operations of bpf(2) that aya has no function for.

use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use aya::Pod;
use aya::maps::MapData;

use crate::ebpf::error::Doing;
use crate::engine::EngineError;

/// `enum bpf_cmd` of linux/bpf.h.
const MAP_LOOKUP_ELEM: libc::c_int = 1;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_LOOKUP_AND_DELETE_ELEM: libc::c_int = 21;
const MAP_LOOKUP_BATCH: libc::c_int = 24;

/// `union bpf_attr` for the operations on one element.
#[repr(C)]
struct ElementAttributes {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr` for `MAP_LOOKUP_BATCH`.
#[repr(C)]
struct BatchAttributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// When [`KernelMap::put`] puts.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(in crate::ebpf) enum UpdateFlag {
    /// `BPF_NOEXIST`.
    IfAbsent = 1,
    /// `BPF_EXIST`.
    IfThere = 2,
}

/// A hash map with one value for all CPUs.
#[derive(Debug)]
pub(in crate::ebpf) struct KernelMap<K, V> {
    data: MapData,
    entries: PhantomData<(K, V)>,
}

impl<K: Pod, V: Pod> KernelMap<K, V> {
    /// Opens the map that is pinned as `name` in `directory`, whose keys and values must have the
    /// sizes of `K` and `V`.
    pub(in crate::ebpf) fn open(directory: &Path, name: &str) -> Result<Self, EngineError> {
        let path = directory.join(name);
        let opening = || format!("opening the pinned BPF map {}", path.display());
        let data = MapData::from_pin(&path).doing(opening)?;
        let info = data.info().doing(opening)?;
        let sizes = (info.key_size() as usize, info.value_size() as usize);
        if sizes != (mem::size_of::<K>(), mem::size_of::<V>()) {
            return Err(io::Error::other(format!(
                "its keys and values have {sizes:?} bytes, which is another build's layout"
            )))
            .doing(opening);
        }
        Ok(KernelMap {
            data,
            entries: PhantomData,
        })
    }

    /// Reads the map in pieces.
    pub(in crate::ebpf) fn batches(&self) -> Batches<'_, K, V> {
        Batches::of(&self.data)
    }

    /// All entries at once.
    pub(in crate::ebpf) fn entries(&self) -> io::Result<BTreeMap<K, V>>
    where
        K: Ord,
    {
        let mut entries = BTreeMap::new();
        let mut batches = self.batches();
        while let Some(batch) = batches.next()? {
            entries.extend(batch.map(|(key, value)| (*key, *value)));
        }
        Ok(entries)
    }

    /// The value of a key.
    pub(in crate::ebpf) fn get(&self, key: &K) -> io::Result<Option<V>> {
        self.read(MAP_LOOKUP_ELEM, key)
    }

    /// Removes an entry and returns the value that it had at that moment.
    pub(in crate::ebpf) fn take(&self, key: &K) -> io::Result<Option<V>> {
        self.read(MAP_LOOKUP_AND_DELETE_ELEM, key)
    }

    /// Puts an entry; says whether the condition held.
    pub(in crate::ebpf) fn put(&self, key: &K, value: &V, put: UpdateFlag) -> io::Result<bool> {
        let mut attributes = self.element(key, std::ptr::from_ref(value) as u64, put as u64);
        // SAFETY: the kernel reads a key and a value of the sizes that `open` compared; both
        // outlive the call.
        match unsafe { bpf(MAP_UPDATE_ELEM, &mut attributes) } {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists => Ok(false),
                _ => Err(error),
            },
        }
    }

    fn read(&self, command: libc::c_int, key: &K) -> io::Result<Option<V>> {
        let mut value = MaybeUninit::<V>::zeroed();
        let mut attributes = self.element(key, value.as_mut_ptr() as u64, 0);
        // SAFETY: the kernel reads a key and writes a value of the sizes that `open` compared;
        // both outlive the call.
        match unsafe { bpf(command, &mut attributes) } {
            // SAFETY: it was zeroed, and of a `Pod` all bytes are a value.
            Ok(()) => Ok(Some(unsafe { value.assume_init() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn element(&self, key: &K, value: u64, flags: u64) -> ElementAttributes {
        ElementAttributes {
            map: self.data.fd().as_fd().as_raw_fd() as u32,
            padding: 0,
            key: std::ptr::from_ref(key) as u64,
            value,
            flags,
        }
    }
}

/// The entries of a hash map or a trie, thousands with a system call. What is put or removed
/// meanwhile may be seen or not; what stays is seen once.
pub(in crate::ebpf) struct Batches<'a, K, V> {
    map: BorrowedFd<'a>,
    /// The kernel's place in the map, once there is one: a bucket's number, or a key.
    place: Option<Vec<u8>>,
    done: bool,
    keys: Vec<K>,
    values: Vec<V>,
}

impl<'a, K: Pod, V: Pod> Batches<'a, K, V> {
    /// From the map's beginning. `K` and `V` must have the sizes of its keys and values, as aya and
    /// [`KernelMap::open`] see to.
    pub(in crate::ebpf) fn of(map: &'a MapData) -> Self {
        Batches {
            map: map.fd().as_fd(),
            place: None,
            done: false,
            keys: Vec::with_capacity(Self::ENTRIES),
            values: Vec::with_capacity(Self::ENTRIES),
        }
    }

    /// How many entries at a time. The kernel gives whole buckets, so it must be more than any
    /// bucket has.
    const ENTRIES: usize = 4096;

    /// The next entries; `None` after the last.
    pub(in crate::ebpf) fn next(&mut self) -> io::Result<Option<impl Iterator<Item = (&K, &V)>>> {
        if self.done {
            return Ok(None);
        }
        self.keys.clear();
        self.values.clear();
        let mut next_place = vec![0; mem::size_of::<K>().max(mem::size_of::<u32>())];
        let mut attributes = BatchAttributes {
            in_batch: self.place.as_ref().map_or(0, |place| place.as_ptr() as u64),
            out_batch: next_place.as_mut_ptr() as u64,
            keys: self.keys.as_mut_ptr() as u64,
            values: self.values.as_mut_ptr() as u64,
            count: Self::ENTRIES as u32,
            map: self.map.as_raw_fd() as u32,
            element_flags: 0,
            flags: 0,
        };
        // SAFETY: the kernel writes at most `count` keys and values, for which both vectors have
        // room, and a place, which has no more bytes than a number or a key; all outlive the call.
        match unsafe { bpf(MAP_LOOKUP_BATCH, &mut attributes) } {
            Ok(()) => self.place = Some(next_place),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.done = true,
            Err(error) => return Err(error),
        }
        let count = (attributes.count as usize).min(Self::ENTRIES);
        // SAFETY: the kernel has written that many of each, and of a `Pod` all bytes are a value.
        unsafe {
            self.keys.set_len(count);
            self.values.set_len(count);
        }
        Ok(Some(self.keys.iter().zip(&self.values)))
    }
}

/// The system call.
///
/// # Safety
/// `attributes` must be laid out as the kernel has them for `command`, and the addresses in it be
/// good for what the command reads and writes.
unsafe fn bpf<A>(command: libc::c_int, attributes: &mut A) -> io::Result<()> {
    let size = mem::size_of::<A>();
    // SAFETY: as the caller promises.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
