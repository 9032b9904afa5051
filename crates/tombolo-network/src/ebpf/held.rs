//! Second descriptors of the pinned maps, so that what somebody unpins is not lost: neither the
//! flows that are remembered, nor what was counted.

use std::fs;
use std::path::{Path, PathBuf};

use aya::maps::MapData;
use aya::programs::SchedClassifier;

use super::error::Doing;
use super::object::{PROGRAM, Pins};
use crate::EngineError;

/// The maps of a build, and where they are pinned.
pub(super) struct Held {
    maps: Vec<(PathBuf, MapData)>,
    program: PathBuf,
}

impl Held {
    /// Takes hold of all that is pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, EngineError> {
        let program = pins.build.join(PROGRAM);
        let mut maps = Vec::new();
        for directory in [&pins.build, &pins.flows] {
            let reading = || format!("listing {}", directory.display());
            for entry in fs::read_dir(directory).doing(reading)? {
                let path = entry.doing(reading)?.path();
                if path != program {
                    let map = MapData::from_pin(&path)
                        .doing(|| format!("opening the pinned BPF map {}", path.display()))?;
                    maps.push((path, map));
                }
            }
        }
        Ok(Held { maps, program })
    }

    /// Pins again what is not pinned any more, and returns where that is. The program comes last:
    /// with it, a restart finds all of the build.
    pub(super) fn pin_missing(
        &self,
        program: &mut SchedClassifier,
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
        if !self.program.exists() {
            make_parent(&self.program)?;
            program
                .pin(&self.program)
                .doing(|| format!("pinning the BPF program {}", self.program.display()))?;
            pinned.push(self.program.clone());
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
