//! The pinned BPF program and its maps, and the order in which they become what is wanted.
//!
//! After an upgrade the engine fills the new build's maps, moves every attachment to the new
//! program, and only then removes the old build: packets flow all the while.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{Array, HashMap, MapData, PerCpuArray, PerCpuHashMap};
use aya::programs::SchedClassifier;

use super::FlowTable;
use super::entries::{
    EndpointEntry, EndpointKey, InterfaceEntry, InterfaceTrafficEntry, PrefixKey, RouteEntry,
    SettingsEntry, TrafficEntry, VpcPair,
};
use super::error::Doing;
use super::map::{MirroredMap, open_pinned};
use super::object::{PROGRAM, Pins};
use super::places::Places;
use super::wanted::Wanted;
use crate::{Counters, DropReason, EngineError, Traffic};

/// The slots of `counters` after the drops, which are numbered as [`DropReason`].
const FORWARDED_LOCAL: u32 = DropReason::ALL.len() as u32;
const FORWARDED_PEERING: u32 = FORWARDED_LOCAL + 1;
const EVENTS_LOST: u32 = FORWARDED_PEERING + 1;

type Hash<K, V> = MirroredMap<HashMap<MapData, K, V>, K, V>;
type Trie<const BYTES: usize, V> =
    MirroredMap<LpmTrie<MapData, [u8; BYTES], V>, PrefixKey<BYTES>, V>;

/// What an entry holds of which nothing counts but that it is there.
pub(super) const LET: u32 = 1;

/// The pinned program and maps of this build.
pub(super) struct DataPath {
    pub(super) program: SchedClassifier,
    pub(super) interfaces: Hash<u32, InterfaceEntry>,
    pub(super) endpoints: Hash<EndpointKey, EndpointEntry>,
    pub(super) routes: Trie<8, RouteEntry>,
    pub(super) admissions: Trie<12, u32>,
    pub(super) rule_blocks: Trie<12, u32>,
    pub(super) rule_ports: Trie<16, u32>,
    pub(super) interface_traffic: Places<PerCpuHashMap<MapData, u32, InterfaceTrafficEntry>, u32>,
    pub(super) peering_traffic: Places<PerCpuHashMap<MapData, VpcPair, TrafficEntry>, VpcPair>,
    /// How many flows each link began, by the program.
    pub(super) flow_use: Places<HashMap<MapData, u32, u64>, u32>,
    /// How many of those were swept out of the table.
    pub(super) flow_ended: Places<HashMap<MapData, u32, u64>, u32>,
    settings: Array<MapData, SettingsEntry>,
    counters: PerCpuArray<MapData, TrafficEntry>,
    /// Where the maps are pinned, for those who read them from another thread.
    pub(super) pins: Pins,
}

impl DataPath {
    /// Opens this build's pins on `bpffs`, or loads the object and pins it there.
    pub(super) fn open(bpffs: &Path, table: FlowTable) -> Result<Self, EngineError> {
        let pins = Pins::new(bpffs, table);
        pins.ensure(table)?;
        let (build, flows) = (&pins.build, &pins.flows);
        let program = SchedClassifier::from_pin(build.join(PROGRAM))
            .doing(|| format!("opening the pinned BPF program in {}", build.display()))?;
        let mut data_path = DataPath {
            program,
            interfaces: MirroredMap::open(build, "interfaces")?,
            endpoints: MirroredMap::open(build, "endpoints")?,
            routes: MirroredMap::open(build, "routes")?,
            admissions: MirroredMap::open(build, "admissions")?,
            rule_blocks: MirroredMap::open(build, "rule_blocks")?,
            rule_ports: MirroredMap::open(build, "rule_ports")?,
            interface_traffic: Places::open(build, "interface_traffic")?,
            peering_traffic: Places::open(build, "peering_traffic")?,
            flow_use: Places::open(flows, "flow_use")?,
            flow_ended: Places::open(flows, "flow_ended")?,
            settings: open_pinned(flows, "settings", Array::try_from)?,
            counters: open_pinned(build, "counters", PerCpuArray::try_from)?,
            pins,
        };
        // An earlier engine may have been stopped between a change of rules and saying so.
        data_path.begin_generation(table.share)?;
        Ok(data_path)
    }

    /// Reads what is really in the maps.
    pub(super) fn read(&mut self) -> Result<(), EngineError> {
        self.interfaces.read()?;
        self.endpoints.read()?;
        self.routes.read()?;
        self.admissions.read()?;
        self.rule_blocks.read()?;
        self.rule_ports.read()?;
        self.interface_traffic.read()?;
        self.peering_traffic.read()?;
        self.flow_use.read()?;
        self.flow_ended.read()
    }

    /// Takes back the ways and the rules that are not wanted any more, at once for live flows too;
    /// returns how many entries that were.
    ///
    /// At no moment is anything let through that neither the old rules nor the new ones let: a
    /// block that goes leaves its addresses to the wider ones around it, before its ports are
    /// touched; and ports are right before [`Self::extend`] adds a block that uses them.
    pub(super) fn retain(&mut self, wanted: &Wanted) -> Result<usize, EngineError> {
        let ways = self.admissions.retain(&wanted.admissions)?
            + self.routes.retain(&wanted.routes)?
            + self.peering_traffic.retain(&wanted.crossings)?;
        let rules = self.rule_blocks.retain(&wanted.rule_blocks)?
            + self.rule_ports.extend(&wanted.rule_ports)?
            + self.rule_ports.retain(&wanted.rule_ports)?;
        if rules != 0 {
            self.next_generation()?;
        }
        Ok(ways + rules)
    }

    /// Takes out the interfaces that `wanted` does not have placed; returns how many entries that
    /// were.
    pub(super) fn retain_interfaces(&mut self, wanted: &Wanted) -> Result<usize, EngineError> {
        let links = wanted.links();
        Ok(self.endpoints.retain_keys(&wanted.endpoints)?
            + self.interfaces.retain_keys(&wanted.interfaces)?
            + self.retain_places(&links)?)
    }

    fn retain_places(&mut self, links: &BTreeSet<u32>) -> Result<usize, EngineError> {
        Ok(self.interface_traffic.retain(links)?
            + self.flow_use.retain(links)?
            + self.flow_ended.retain(links)?)
    }

    /// Adds all that is wanted and not there; returns how many entries that were. Interfaces have
    /// their places to count in before they send, and admissions come last.
    pub(super) fn extend(&mut self, wanted: &Wanted) -> Result<usize, EngineError> {
        let links = wanted.links();
        let places = self.interface_traffic.extend(&links)?
            + self.flow_use.extend(&links)?
            + self.flow_ended.extend(&links)?
            + self.peering_traffic.extend(&wanted.crossings)?;
        let rules = self.rule_blocks.extend(&wanted.rule_blocks)?;
        let carried = self.interfaces.extend(&wanted.interfaces)?
            + self.endpoints.extend(&wanted.endpoints)?;
        let ways =
            self.routes.extend(&wanted.routes)? + self.admissions.extend(&wanted.admissions)?;
        // They may carry other groups than before.
        if carried != 0 {
            self.next_generation()?;
        }
        Ok(places + rules + carried + ways)
    }

    /// Has every live flow decided again with its next packet.
    fn next_generation(&mut self) -> Result<(), EngineError> {
        let share = self.settings()?.flow_share;
        self.begin_generation(share)
    }

    fn begin_generation(&mut self, flow_share: u32) -> Result<(), EngineError> {
        let generation = self.settings()?.generation.wrapping_add(1);
        let settings = SettingsEntry {
            generation,
            flow_share,
        };
        self.settings
            .set(0, settings, 0)
            .doing(|| format!("beginning generation {generation} of the rules"))
    }

    fn settings(&self) -> Result<SettingsEntry, EngineError> {
        self.settings
            .get(&0, 0)
            .doing(|| "reading the BPF map settings".to_owned())
    }

    /// The counters, summed over the CPUs.
    pub(super) fn counters(&self) -> Result<Counters, EngineError> {
        let mut dropped = BTreeMap::new();
        for reason in DropReason::ALL {
            dropped.insert(reason, self.counted(reason as u32)?);
        }
        Ok(Counters {
            forwarded_local: self.counted(FORWARDED_LOCAL)?,
            forwarded_peering: self.counted(FORWARDED_PEERING)?,
            dropped,
            flow_records_lost: self.counted(EVENTS_LOST)?.packets,
            ..Counters::default()
        })
    }

    fn counted(&self, slot: u32) -> Result<Traffic, EngineError> {
        let values = self
            .counters
            .get(&slot, 0)
            .doing(|| format!("reading slot {slot} of the BPF map counters"))?;
        Ok(Traffic {
            packets: values.iter().map(|value| value.packets).sum(),
            bytes: values.iter().map(|value| value.bytes).sum(),
        })
    }

    /// Removes the pins of other builds, once nothing is attached to them any more.
    pub(super) fn remove_other_builds(&self) -> Result<(), EngineError> {
        self.pins.remove_others()
    }
}
