//! The BPF object: its programs and maps, loaded into the kernel and pinned.
//!
//! Each build of the object has a directory of its own on the BPF file system, with its own maps,
//! so the layout of a map never has to be compatible with another build's. Apart from those are
//! the maps that remember flows, in a directory for their layout and size: an upgrade goes on with
//! the flows that are there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::ebpf::bpffs;
use crate::ebpf::error::Doing;
use crate::ebpf::names::fnv1a;
use crate::ebpf::namespace;
use crate::engine::{EngineError, EngineKind};

/// `bpf/tombolo.c`, compiled by `cargo xtask bpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../bpf/tombolo.o");

/// Where the kernel describes its own types.
const KERNEL_TYPES: &str = "/sys/kernel/btf";

/// The program of interfaces, which is pinned last.
pub(in crate::ebpf) const GUEST_EGRESS: &str = "guest_egress";
/// The program at the core namespace's end of the uplink.
pub(in crate::ebpf) const UPLINK_INGRESS: &str = "uplink_ingress";
/// The program at the machine's interface that the outside is behind.
pub(in crate::ebpf) const HOST_INGRESS: &str = "host_ingress";
/// The program at the uplink's other end.
pub(in crate::ebpf) const HOST_EGRESS: &str = "host_egress";

pub(in crate::ebpf) const PROGRAMS: [&str; 4] =
    [UPLINK_INGRESS, HOST_INGRESS, HOST_EGRESS, GUEST_EGRESS];

/// The maps of a build.
const MAPS: [&str; 14] = [
    "interfaces",
    "endpoints",
    "routes",
    "admissions",
    "outside",
    "public_ports",
    "mapped_ports",
    "rule_blocks",
    "rule_ports",
    "fragments",
    "flow_shares",
    "counters",
    "interface_traffic",
    "peering_traffic",
];

/// The maps that outlive a build.
const FLOW_MAPS: [&str; 10] = [
    "flows",
    "flow_use",
    "flow_ended",
    "vpc_flows",
    "vpc_flows_ended",
    "group_flows",
    "group_flows_ended",
    "flow_events",
    "settings",
    "translations",
];

/// The version of the layout of the maps in [`FLOW_MAPS`], which an upgrade takes over; it is in the
/// name of their directory. Whoever changes one of their structs counts on, and an upgrade then
/// begins with an empty table. A map that comes to them leaves it as it is: an upgrade makes it
/// beside the others. `tests/golden` has each layout that there has been.
const FLOW_LAYOUT: u32 = 1;

/// How many flows the data path remembers. A flow that does not fit cannot begin: its first packet
/// is dropped and counted as [`FlowTableFull`](crate::DropReason::FlowTableFull), and the flows that
/// are in the table go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowTable {
    /// All flows, also the expired that are not swept out yet. Memory is taken as they come, about
    /// 200 bytes each.
    pub capacity: u32,
    /// Of these, how many that one interface began, so that no workload fills the table for the
    /// others.
    pub share: u32,
    /// How many that the interfaces of one VPC began.
    pub vpc_share: u32,
    /// How many that the VPCs of one share group began.
    pub group_share: u32,
    /// How much of the table is kept for share groups that have less than [`Self::reserved`] flows,
    /// when others have filled the rest.
    pub reserve: u32,
    /// How many flows a share group may have out of the reserve.
    pub reserved: u32,
}

impl FlowTable {
    /// A table for so many flows: a sixteenth of it is an interface's share, a quarter a VPC's, half a
    /// share group's; an eighth is the reserve, of which a group may have a 256th of the table.
    pub const fn with_capacity(capacity: u32) -> Self {
        FlowTable {
            capacity,
            share: capacity / 16,
            vpc_share: capacity / 4,
            group_share: capacity / 2,
            reserve: capacity / 8,
            reserved: capacity / 256,
        }
    }
}

impl Default for FlowTable {
    /// 1,048,576 flows: 65,536 an interface, 262,144 a VPC, 524,288 a share group; 131,072 are the
    /// reserve, 4,096 a group.
    fn default() -> Self {
        FlowTable::with_capacity(1 << 20)
    }
}

/// Where a build is pinned.
#[derive(Debug, Clone)]
pub(in crate::ebpf) struct Pins {
    bpffs: PathBuf,
    /// The programs and their maps.
    pub(in crate::ebpf) build: PathBuf,
    /// The maps that remember flows.
    pub(in crate::ebpf) flows: PathBuf,
}

impl Pins {
    /// The places of this build on `bpffs`.
    pub(in crate::ebpf) fn new(bpffs: &Path, table: FlowTable) -> Self {
        let flows = format!("flows-{FLOW_LAYOUT}-{}", table.capacity);
        // The program holds on to the table that it was loaded with.
        let build = fnv1a(OBJECT) ^ fnv1a(flows.as_bytes());
        Pins {
            bpffs: bpffs.to_owned(),
            build: bpffs.join(format!("build-{build:016x}")),
            flows: bpffs.join(flows),
        }
    }

    /// Loads and pins what is not there yet.
    pub(in crate::ebpf) fn ensure(&self, table: FlowTable) -> Result<(), EngineError> {
        // The interfaces' program is pinned last: with it, all of the build is there.
        let flows = FLOW_MAPS.iter().all(|name| self.flows.join(name).exists());
        if flows && self.build.join(GUEST_EGRESS).exists() {
            return Ok(());
        }
        let build = &self.build;
        bpffs::remove_if_there(build).doing(|| format!("removing {}", build.display()))?;
        for directory in [build, &self.flows] {
            fs::create_dir_all(directory).doing(|| format!("making {}", directory.display()))?;
        }
        let mut object = load_with(|loader| {
            loader.map_max_entries("flows", table.capacity);
            loader.map_max_entries("translations", table.capacity);
            for name in FLOW_MAPS {
                // Taken from there, or else pinned there.
                loader.map_pin_path(name, self.flows.join(name));
            }
        })?;
        let pinning = |name: &str| format!("pinning {name} in {}", build.display());
        for name in MAPS {
            let map = object.map(name).ok_or_else(|| incomplete(name))?;
            map.pin(build.join(name)).doing(|| pinning(name))?;
        }
        for name in PROGRAMS {
            program(&mut object, name)?
                .pin(build.join(name))
                .doing(|| pinning(name))?;
        }
        Ok(())
    }

    /// Removes the pins of other builds, once nothing is attached to them any more.
    pub(in crate::ebpf) fn remove_others(&self) -> Result<(), EngineError> {
        let doing = || format!("removing earlier builds from {}", self.bpffs.display());
        for entry in fs::read_dir(&self.bpffs).doing(doing)? {
            let entry = entry.doing(doing)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = name.starts_with("build-") || name.starts_with("flows-");
            let path = entry.path();
            if ours && path != self.build && path != self.flows {
                bpffs::remove_if_there(&path).doing(doing)?;
            }
        }
        Ok(())
    }
}

/// Loads the object into the kernel, whose verifier has the last word on it.
pub(in crate::ebpf) fn load() -> Result<Ebpf, EngineError> {
    load_with(|_| {})
}

/// aya 0.14 parses the types of the whole kernel for every object, which takes 35 ms and tens of
/// megabytes, and offers no way not to. This object uses none of them, so it is loaded by a thread
/// that does not see them.
fn load_with(configure: impl FnOnce(&mut EbpfLoader<'_>) + Send) -> Result<Ebpf, EngineError> {
    let loading = || "loading the BPF object".to_owned();
    namespace::on_own_thread(|| {
        hide_kernel_types()?;
        let mut loader = EbpfLoader::new();
        configure(&mut loader);
        Ok(loader.load(OBJECT).doing(loading).and_then(|mut object| {
            for name in PROGRAMS {
                program(&mut object, name)?.load().doing(loading)?;
            }
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

/// A program of the object.
fn program<'o>(object: &'o mut Ebpf, name: &str) -> Result<&'o mut SchedClassifier, EngineError> {
    let Some(program) = object.program_mut(name) else {
        return Err(incomplete(name));
    };
    program
        .try_into()
        .doing(|| format!("taking {name} for a tc program"))
}

fn incomplete(name: &str) -> EngineError {
    EngineError::Unsupported {
        engine: EngineKind::Ebpf,
        reason: format!("this build's BPF object has no {name}; rebuild it with `cargo xtask bpf`"),
    }
}
