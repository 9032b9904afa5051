//! Second descriptors of the pinned maps, so that what somebody unpins is not lost: neither the
//! flows that are remembered, nor what was counted.

use std::fs;
use std::path::{Path, PathBuf};

use aya::maps::MapData;
use aya::programs::SchedClassifier;

use crate::ebpf::error::Doing;
use crate::ebpf::maps::object::{PROGRAMS, Pins};
use crate::engine::EngineError;

/// The maps of a build, and where they are pinned.
pub(in crate::ebpf) struct PinnedFds {
    maps: Vec<(PathBuf, MapData)>,
    build: PathBuf,
}

impl PinnedFds {
    /// Takes hold of all that is pinned.
    pub(in crate::ebpf) fn open(pins: &Pins) -> Result<Self, EngineError> {
        let programs = PROGRAMS.map(|name| pins.build.join(name));
        let mut maps = Vec::new();
        for directory in [&pins.build, &pins.flows] {
            let reading = || format!("listing {}", directory.display());
            for entry in fs::read_dir(directory).doing(reading)? {
                let path = entry.doing(reading)?.path();
                if !programs.contains(&path) {
                    let map = MapData::from_pin(&path)
                        .doing(|| format!("opening the pinned BPF map {}", path.display()))?;
                    maps.push((path, map));
                }
            }
        }
        Ok(PinnedFds {
            maps,
            build: pins.build.clone(),
        })
    }

    /// Pins again what is not pinned any more, and returns where that is. The programs come last, in
    /// the order of [`PROGRAMS`]: with the last of them, a restart finds all of the build.
    pub(in crate::ebpf) fn pin_missing<'p>(
        &self,
        programs: impl Iterator<Item = (&'static str, &'p mut SchedClassifier)>,
    ) -> Result<Vec<PathBuf>, EngineError> {
        let mut pinned = Vec::new();
        for (path, map) in &self.maps {
            if !path.exists() {
                make_parent(path)?;
                map.pin(path)
                    .doing(|| format!("pinning the BPF map {}", path.display()))?;
                pinned.push(path.clone());
            }
        }
        for (name, program) in programs {
            let path = self.build.join(name);
            if !path.exists() {
                make_parent(&path)?;
                program
                    .pin(&path)
                    .doing(|| format!("pinning the BPF program {}", path.display()))?;
                pinned.push(path);
            }
        }
        Ok(pinned)
    }
}

fn make_parent(path: &Path) -> Result<(), EngineError> {
    match path.parent() {
        Some(directory) => {
            fs::create_dir_all(directory).doing(|| format!("making {}", directory.display()))
        }
        None => Ok(()),
    }
}
