//! The BPF program and its maps, pinned.
//!
//! Each build of the object has a directory of its own on the BPF file system, with its own maps,
//! so the layout of a map never has to be compatible with another build's. After an upgrade the
//! engine fills the new build's maps, moves every attachment to the new program, and only then
//! removes the old build: packets flow all the while.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{HashMap, Map, MapData, PerCpuArray};
use aya::programs::SchedClassifier;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use super::bpffs;
use super::entries::{EndpointEntry, EndpointKey, InterfaceEntry, PrefixKey, RouteEntry};
use super::error::Doing;
use super::fnv::fnv1a;
use super::map::MirroredMap;
use super::namespace;
use crate::{Counters, DropReason, EngineError, EngineKind, Traffic};

/// `bpf/tombolo.c`, compiled by `cargo xtask bpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/tombolo.o");

/// Where the kernel describes its own types.
const KERNEL_TYPES: &str = "/sys/kernel/btf";

const PROGRAM: &str = "tombolo";
const MAPS: [&str; 5] = [
    "interfaces",
    "endpoints",
    "routes",
    "admissions",
    "counters",
];

/// The slots of `counters` after the drops, which are numbered as [`DropReason`].
const FORWARDED_LOCAL: u32 = DropReason::ALL.len() as u32;
const FORWARDED_PEERING: u32 = FORWARDED_LOCAL + 1;

type Hash<K, V> = MirroredMap<HashMap<MapData, K, V>, K, V>;
type Trie<const BYTES: usize, V> =
    MirroredMap<LpmTrie<MapData, [u8; BYTES], V>, PrefixKey<BYTES>, V>;

/// What an admission's entry holds: that it is there is all that counts.
pub(super) const ADMITTED: u32 = 1;

/// The pinned program and maps of this build.
pub(super) struct DataPath {
    pub(super) program: SchedClassifier,
    pub(super) interfaces: Hash<u32, InterfaceEntry>,
    pub(super) endpoints: Hash<EndpointKey, EndpointEntry>,
    pub(super) routes: Trie<8, RouteEntry>,
    pub(super) admissions: Trie<12, u32>,
    counters: PerCpuArray<MapData, u64>,
    bpffs: PathBuf,
    build: String,
}

impl DataPath {
    /// Opens this build's pins on `bpffs`, or loads the object and pins it there.
    pub(super) fn open(bpffs: &Path) -> Result<Self, EngineError> {
        let build = format!("build-{:016x}", fnv1a(OBJECT));
        let directory = bpffs.join(&build);
        // The program is pinned last: with it, all of the build is there.
        if !directory.join(PROGRAM).exists() {
            bpffs::remove_if_there(&directory)
                .doing(|| format!("removing {}", directory.display()))?;
            load_and_pin(&directory)?;
        }
        let program = SchedClassifier::from_pin(directory.join(PROGRAM))
            .doing(|| format!("opening the pinned BPF program in {}", directory.display()))?;
        let counters = MapData::from_pin(directory.join("counters"))
            .and_then(Map::from_map_data)
            .and_then(PerCpuArray::try_from)
            .doing(|| {
                format!(
                    "opening the pinned BPF map counters in {}",
                    directory.display()
                )
            })?;
        Ok(DataPath {
            program,
            interfaces: MirroredMap::open(&directory, "interfaces")?,
            endpoints: MirroredMap::open(&directory, "endpoints")?,
            routes: MirroredMap::open(&directory, "routes")?,
            admissions: MirroredMap::open(&directory, "admissions")?,
            counters,
            bpffs: bpffs.to_owned(),
            build,
        })
    }

    /// Reads what is really in the maps.
    pub(super) fn read(&mut self) -> Result<(), EngineError> {
        self.interfaces.read()?;
        self.endpoints.read()?;
        self.routes.read()?;
        self.admissions.read()
    }

    /// The counters, summed over the CPUs.
    pub(super) fn counters(&self) -> Result<Counters, EngineError> {
        let traffic = |slot: u32| {
            self.counters
                .get(&slot, 0)
                .map(|values| Traffic {
                    packets: values.iter().sum(),
                    bytes: 0,
                })
                .doing(|| format!("reading slot {slot} of the BPF map counters"))
        };
        let mut dropped = BTreeMap::new();
        for reason in DropReason::ALL {
            dropped.insert(reason, traffic(reason as u32)?);
        }
        Ok(Counters {
            forwarded_local: traffic(FORWARDED_LOCAL)?,
            forwarded_peering: traffic(FORWARDED_PEERING)?,
            dropped,
            ..Counters::default()
        })
    }

    /// Removes the pins of other builds, once nothing is attached to them any more.
    pub(super) fn remove_other_builds(&self) -> Result<(), EngineError> {
        let doing = || format!("removing earlier builds from {}", self.bpffs.display());
        for entry in fs::read_dir(&self.bpffs).doing(doing)? {
            let entry = entry.doing(doing)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("build-") && name != self.build.as_str() {
                bpffs::remove_if_there(&entry.path()).doing(doing)?;
            }
        }
        Ok(())
    }
}

/// Loads the object into the kernel, whose verifier has the last word on it.
///
/// aya 0.14 parses the types of the whole kernel for every object, which takes 35 ms and tens of
/// megabytes, and offers no way not to. This object uses none of them, so it is loaded by a thread
/// that does not see them.
pub(super) fn load() -> Result<Ebpf, EngineError> {
    let loading = || "loading the BPF object".to_owned();
    namespace::on_own_thread(|| {
        hide_kernel_types()?;
        Ok(Ebpf::load(OBJECT).doing(loading).and_then(|mut object| {
            program(&mut object)?.load().doing(loading)?;
            Ok(object)
        }))
    })
    .doing(loading)?
}

fn hide_kernel_types() -> io::Result<()> {
    namespace::unshare_mounts()?;
    let empty = MsFlags::MS_RDONLY;
    match mount(
        Some("tombolo"),
        KERNEL_TYPES,
        Some("tmpfs"),
        empty,
        None::<&str>,
    ) {
        // A kernel without them.
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The program of a loaded object.
pub(super) fn program(object: &mut Ebpf) -> Result<&mut SchedClassifier, EngineError> {
    let Some(program) = object.program_mut(PROGRAM) else {
        return Err(incomplete(PROGRAM));
    };
    program
        .try_into()
        .doing(|| format!("taking {PROGRAM} for a tc program"))
}

fn load_and_pin(directory: &Path) -> Result<(), EngineError> {
    let pinning = |name: &str| format!("pinning {name} in {}", directory.display());
    let mut object = load()?;
    fs::create_dir_all(directory).doing(|| pinning("the BPF object"))?;
    for name in MAPS {
        let map = object.map(name).ok_or_else(|| incomplete(name))?;
        map.pin(directory.join(name)).doing(|| pinning(name))?;
    }
    program(&mut object)?
        .pin(directory.join(PROGRAM))
        .doing(|| pinning(PROGRAM))
}

fn incomplete(name: &str) -> EngineError {
    EngineError::Unsupported {
        engine: EngineKind::Ebpf,
        reason: format!("this build's BPF object has no {name}; rebuild it with `cargo xtask bpf`"),
    }
}
