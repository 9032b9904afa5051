//! How much memory the kernel uses.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use aya::maps::MapData;

/// Kernel memory at a moment, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Slab, page tables, stacks, per-CPU and vmalloc areas of the whole machine, so nothing else
    /// should happen on it meanwhile.
    pub(crate) kernel: u64,
    /// What the BPF maps are accounted with (`memlock` in their fdinfo).
    pub(crate) maps: u64,
}

impl Memory {
    /// What is used now, with the maps that are pinned below `directory`.
    pub(crate) fn now(directory: &Path) -> Self {
        Memory {
            kernel: kernel(),
            maps: maps(directory),
        }
    }

    /// How much more than `earlier`.
    pub(crate) fn since(&self, earlier: &Memory) -> Memory {
        Memory {
            kernel: self.kernel.saturating_sub(earlier.kernel),
            maps: self.maps.saturating_sub(earlier.maps),
        }
    }
}

fn kernel() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let counted = [
        "Slab:",
        "KernelStack:",
        "PageTables:",
        "Percpu:",
        "VmallocUsed:",
    ];
    text.lines()
        .filter(|line| counted.iter().any(|name| line.starts_with(name)))
        .map(|line| {
            let kilobytes = line.split_whitespace().nth(1).unwrap();
            kilobytes.parse::<u64>().unwrap() * 1024
        })
        .sum()
}

fn maps(directory: &Path) -> u64 {
    let Ok(builds) = fs::read_dir(directory.join("bpf")) else {
        return 0;
    };
    builds
        .map(|build| build.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|path| fs::read_dir(path).unwrap())
        .filter_map(|pin| MapData::from_pin(pin.unwrap().path()).ok())
        .map(|map| memlock(&map))
        .sum()
}

fn memlock(map: &MapData) -> u64 {
    let fd = map.fd().as_fd().as_raw_fd();
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("memlock:"))
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}
