//! The pinned BPF programs and their maps, and the order in which they become what is wanted.
//!
//! After an upgrade the engine fills the new build's maps, moves every attachment to the new
//! program, and only then removes the old build: packets flow all the while.

use std::path::Path;

use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{Array, HashMap, MapData, PerCpuHashMap};
use aya::programs::SchedClassifier;

use crate::ebpf::error::Doing;
use crate::ebpf::maps::counter_map::CounterMap;
use crate::ebpf::maps::desired::{DesiredMaps, DesiredPorts};
use crate::ebpf::maps::entries::{
    EndpointEntry, EndpointKey, InsidePort, InterfaceEntry, InterfaceTrafficEntry, OutsideEntry,
    PrefixKey, PublicPort, RouteEntry, SettingsEntry, TrafficEntry, VpcPair,
};
use crate::ebpf::maps::flow_shares::FlowShares;
use crate::ebpf::maps::mirrored_map::{MirroredMap, Usage, open_pinned};
use crate::ebpf::maps::object::FlowTable;
use crate::ebpf::maps::object::{GUEST_EGRESS, HOST_EGRESS, HOST_INGRESS, Pins, UPLINK_INGRESS};
use crate::engine::EngineError;
use crate::repair::{RepairKind, Repairs};

type Hash<K, V> = MirroredMap<HashMap<MapData, K, V>, K, V>;
type Trie<const BYTES: usize, V> =
    MirroredMap<LpmTrie<MapData, [u8; BYTES], V>, PrefixKey<BYTES>, V>;

/// The pinned programs and maps of this build.
pub(in crate::ebpf) struct DataPath {
    /// Of interfaces.
    pub(in crate::ebpf) guest_egress: SchedClassifier,
    /// Of the way outside: [`UPLINK_INGRESS`], [`HOST_INGRESS`] and [`HOST_EGRESS`].
    pub(in crate::ebpf) uplink_ingress: SchedClassifier,
    pub(in crate::ebpf) host_ingress: SchedClassifier,
    pub(in crate::ebpf) host_egress: SchedClassifier,
    pub(in crate::ebpf) interfaces: Hash<u32, InterfaceEntry>,
    pub(in crate::ebpf) endpoints: Hash<EndpointKey, EndpointEntry>,
    pub(in crate::ebpf) routes: Trie<8, RouteEntry>,
    /// In the kernel, in `/metrics` and in errors it is `admissions`.
    pub(in crate::ebpf) peering_acl: Trie<12, u32>,
    pub(in crate::ebpf) public_ports: Hash<PublicPort, InsidePort>,
    mapped_ports: Hash<InsidePort, PublicPort>,
    pub(in crate::ebpf) rule_blocks: Trie<12, u32>,
    pub(in crate::ebpf) rule_ports: Trie<16, u32>,
    pub(in crate::ebpf) interface_traffic:
        CounterMap<PerCpuHashMap<MapData, u32, InterfaceTrafficEntry>, u32>,
    pub(in crate::ebpf) peering_traffic:
        CounterMap<PerCpuHashMap<MapData, VpcPair, TrafficEntry>, VpcPair>,
    /// How many flows each link began, by the program.
    pub(in crate::ebpf) flow_use: CounterMap<HashMap<MapData, u32, u64>, u32>,
    /// How many of those were swept out of the table.
    pub(in crate::ebpf) flow_ended: CounterMap<HashMap<MapData, u32, u64>, u32>,
    pub(in crate::ebpf) flow_shares: FlowShares,
    flow_table: FlowTable,
    settings: Array<MapData, SettingsEntry>,
    outside: Array<MapData, OutsideEntry>,
    /// Where the maps are pinned, for those who read them from another thread.
    pub(in crate::ebpf) pins: Pins,
}

impl DataPath {
    /// Opens this build's pins on `bpffs`, or loads the object and pins it there.
    pub(in crate::ebpf) fn open(bpffs: &Path, table: FlowTable) -> Result<Self, EngineError> {
        let pins = Pins::new(bpffs, table);
        pins.ensure(table)?;
        let (build, flows) = (&pins.build, &pins.flows);
        let program = |name: &str| {
            SchedClassifier::from_pin(build.join(name)).doing(|| {
                format!(
                    "opening the pinned BPF program {name} in {}",
                    build.display()
                )
            })
        };
        let mut data_path = DataPath {
            guest_egress: program(GUEST_EGRESS)?,
            uplink_ingress: program(UPLINK_INGRESS)?,
            host_ingress: program(HOST_INGRESS)?,
            host_egress: program(HOST_EGRESS)?,
            interfaces: MirroredMap::open(build, "interfaces")?,
            endpoints: MirroredMap::open(build, "endpoints")?,
            routes: MirroredMap::open(build, "routes")?,
            peering_acl: MirroredMap::open(build, "admissions")?,
            public_ports: MirroredMap::open(build, "public_ports")?,
            mapped_ports: MirroredMap::open(build, "mapped_ports")?,
            rule_blocks: MirroredMap::open(build, "rule_blocks")?,
            rule_ports: MirroredMap::open(build, "rule_ports")?,
            interface_traffic: CounterMap::open(build, "interface_traffic")?,
            peering_traffic: CounterMap::open(build, "peering_traffic")?,
            flow_use: CounterMap::open(flows, "flow_use")?,
            flow_ended: CounterMap::open(flows, "flow_ended")?,
            flow_shares: FlowShares::open(&pins, table)?,
            flow_table: table,
            settings: open_pinned(flows, "settings", Array::try_from)?,
            outside: open_pinned(build, "outside", Array::try_from)?,
            pins,
        };
        // An earlier engine may have been stopped between a change of rules and saying so.
        data_path.next_generation()?;
        Ok(data_path)
    }

    /// Reads what is really in the maps, and reports what is not as it was left.
    pub(in crate::ebpf) fn read(&mut self, repairs: &mut Repairs) -> Result<(), EngineError> {
        self.interfaces.read(repairs)?;
        self.endpoints.read(repairs)?;
        self.routes.read(repairs)?;
        self.peering_acl.read(repairs)?;
        self.public_ports.read(repairs)?;
        self.mapped_ports.read(repairs)?;
        self.rule_blocks.read(repairs)?;
        self.rule_ports.read(repairs)?;
        self.interface_traffic.read(repairs)?;
        self.peering_traffic.read(repairs)?;
        self.flow_use.read(repairs)?;
        self.flow_ended.read(repairs)?;
        self.flow_shares.read(repairs)
    }

    /// Sets an interface's share of the flow table right where somebody changed it; returns how
    /// much that took.
    pub(in crate::ebpf) fn mend_settings(
        &mut self,
        repairs: &mut Repairs,
    ) -> Result<usize, EngineError> {
        let found = self.settings()?.flow_share;
        let share = self.flow_table.share;
        let mut mended = 0;
        if found != share {
            self.next_generation()?;
            repairs.add(RepairKind::MapEntry("settings".to_owned()), || {
                format!("an interface's share of the BPF map flows was {found}, not {share}")
            });
            mended += 1;
        }
        if self.flow_shares.set_limits(self.flow_table)? {
            repairs.add(RepairKind::MapEntry("flow_shares".to_owned()), || {
                "the shares of VPCs and groups of the BPF map flows were otherwise".to_owned()
            });
            mended += 1;
        }
        Ok(mended)
    }

    /// The programs, as [`PROGRAMS`](crate::ebpf::maps::object::PROGRAMS) names them.
    pub(in crate::ebpf) fn programs(
        &mut self,
    ) -> impl Iterator<Item = (&'static str, &mut SchedClassifier)> {
        [
            (UPLINK_INGRESS, &mut self.uplink_ingress),
            (HOST_INGRESS, &mut self.host_ingress),
            (HOST_EGRESS, &mut self.host_egress),
            (GUEST_EGRESS, &mut self.guest_egress),
        ]
        .into_iter()
    }

    /// How the core namespace is joined to what is outside.
    pub(in crate::ebpf) fn outside(&self) -> Result<OutsideEntry, EngineError> {
        self.outside
            .get(&0, 0)
            .doing(|| "reading the BPF map outside".to_owned())
    }

    /// Joins it otherwise; says whether that changed anything.
    pub(in crate::ebpf) fn set_outside(
        &mut self,
        entry: OutsideEntry,
    ) -> Result<bool, EngineError> {
        if self.outside()? == entry {
            return Ok(false);
        }
        self.outside
            .set(0, entry, 0)
            .doing(|| "writing the BPF map outside".to_owned())?;
        Ok(true)
    }

    /// Closes the ports of the public address, of `before` or of all that are open, that are not to
    /// lead where they do; returns how many entries that were.
    pub(in crate::ebpf) fn close_ports(
        &mut self,
        before: Option<&DesiredPorts>,
        wanted: &DesiredPorts,
    ) -> Result<usize, EngineError> {
        let old = before;
        Ok(self
            .public_ports
            .retain(old.map(|old| &old.public), &wanted.public)?
            + self
                .mapped_ports
                .retain(old.map(|old| &old.mapped), &wanted.mapped)?)
    }

    /// Opens those that do not lead anywhere yet.
    pub(in crate::ebpf) fn open_ports(
        &mut self,
        wanted: &DesiredPorts,
    ) -> Result<usize, EngineError> {
        Ok(self.public_ports.extend(&wanted.public)? + self.mapped_ports.extend(&wanted.mapped)?)
    }

    /// Checks that the maps' capacities allow what is wanted, with so many interfaces in all.
    pub(in crate::ebpf) fn check_capacity(
        &self,
        before: Option<&DesiredMaps>,
        wanted: &DesiredMaps,
        interfaces: usize,
    ) -> Result<(), EngineError> {
        let old = before;
        self.interfaces.check_capacity_for(interfaces)?;
        self.endpoints.check_capacity_for(interfaces)?;
        self.routes
            .check_capacity(old.map(|old| &old.routes), &wanted.routes)?;
        self.peering_acl
            .check_capacity(old.map(|old| &old.peering_acl), &wanted.peering_acl)?;
        self.rule_blocks
            .check_capacity(old.map(|old| &old.rule_blocks), &wanted.rule_blocks)?;
        self.rule_ports
            .check_capacity(old.map(|old| &old.rule_ports), &wanted.rule_ports)
    }

    /// Takes back the ways that are not wanted any more and makes the rules what they should be,
    /// at once for live flows too; returns how many entries that were. A route that is to lead
    /// elsewhere stays for [`Self::extend`] to replace: were it gone in between, a wider one would
    /// take its packets, perhaps to another VPC that has the same addresses.
    ///
    /// With `before` only what of it is not wanted any more goes, else whatever is there.
    pub(in crate::ebpf) fn retain(
        &mut self,
        before: Option<&DesiredMaps>,
        wanted: &DesiredMaps,
    ) -> Result<usize, EngineError> {
        let old = before;
        let ways = self
            .peering_acl
            .retain(old.map(|old| &old.peering_acl), &wanted.peering_acl)?
            + self
                .routes
                .retain_keys(old.map(|old| &old.routes), &wanted.routes)?
            + self
                .peering_traffic
                .retain(old.map(|old| &old.crossings), &wanted.crossings)?;
        let rules = match before {
            Some(before) => self.change_rules(before, wanted)?,
            None => self.set_rules(wanted)?,
        };
        if rules != 0 {
            self.next_generation()?;
        }
        Ok(ways + rules)
    }

    /// Goes from known rules to others. At every moment a block has the ports of the old rules,
    /// of the new, or of both: what both let is never refused, and what neither lets never passes.
    /// For a block that comes finds its ports, and one that goes leaves its addresses to a wider
    /// one, whose ports of before it had too.
    fn change_rules(
        &mut self,
        before: &DesiredMaps,
        wanted: &DesiredMaps,
    ) -> Result<usize, EngineError> {
        Ok(self.rule_ports.extend(&wanted.rule_ports)?
            + self.rule_blocks.extend(&wanted.rule_blocks)?
            + self
                .rule_blocks
                .retain(Some(&before.rule_blocks), &wanted.rule_blocks)?
            + self
                .rule_ports
                .retain(Some(&before.rule_ports), &wanted.rule_ports)?)
    }

    /// Goes from whatever is there to these rules. There may be ports of a block that is not, which
    /// a block that comes must not find: all that is too much goes before anything is added.
    fn set_rules(&mut self, wanted: &DesiredMaps) -> Result<usize, EngineError> {
        Ok(self.rule_blocks.retain(None, &wanted.rule_blocks)?
            + self.rule_ports.extend(&wanted.rule_ports)?
            + self.rule_ports.retain(None, &wanted.rule_ports)?
            + self.rule_blocks.extend(&wanted.rule_blocks)?)
    }

    /// Takes out the interfaces of `before`, or of all that there are, that `wanted` does not have
    /// placed, and gives those that stay their new groups; returns how many entries that were.
    pub(in crate::ebpf) fn retain_interfaces(
        &mut self,
        before: Option<&DesiredMaps>,
        wanted: &DesiredMaps,
    ) -> Result<usize, EngineError> {
        let old = before;
        let links = wanted.links();
        let old_links = old.map(DesiredMaps::links);
        let old_links = old_links.as_ref();
        let interfaces = self
            .endpoints
            .retain_keys(old.map(|old| &old.endpoints), &wanted.endpoints)?
            + self
                .interfaces
                .retain_keys(old.map(|old| &old.interfaces), &wanted.interfaces)?;
        // A flow that began after its VPC's place was looked at would be counted where it never ends, so
        // first nothing begins any more.
        self.flow_shares.retain(
            old.map(|old| &old.interfaces),
            &wanted.interfaces,
            &wanted.share_groups,
        )?;
        Ok(interfaces
            + self.interface_traffic.retain(old_links, &links)?
            + self.flow_use.retain(old_links, &links)?
            + self.flow_ended.retain(old_links, &links)?
            + self.place(wanted)?)
    }

    /// Adds all that is wanted and not there, and has routes lead where they should; returns how
    /// many entries that were. The peering ACL comes last.
    pub(in crate::ebpf) fn extend(&mut self, wanted: &DesiredMaps) -> Result<usize, EngineError> {
        Ok(self.place(wanted)?
            + self.peering_traffic.extend(&wanted.crossings)?
            + self.routes.extend(&wanted.routes)?
            + self.peering_acl.extend(&wanted.peering_acl)?)
    }

    /// Puts the interfaces that are placed. They have where to count before they send.
    fn place(&mut self, wanted: &DesiredMaps) -> Result<usize, EngineError> {
        let links = wanted.links();
        let places = self.interface_traffic.extend(&links)?
            + self.flow_use.extend(&links)?
            + self.flow_ended.extend(&links)?
            + self
                .flow_shares
                .extend(&wanted.interfaces, &wanted.share_groups)?;
        let carried = self.interfaces.extend(&wanted.interfaces)?
            + self.endpoints.extend(&wanted.endpoints)?;
        // They may carry other groups than before.
        if carried != 0 {
            self.next_generation()?;
        }
        Ok(places + carried)
    }

    /// Has every live flow decided again with its next packet.
    pub(in crate::ebpf) fn next_generation(&mut self) -> Result<(), EngineError> {
        let generation = self.settings()?.generation.wrapping_add(1);
        let settings = SettingsEntry {
            generation,
            flow_share: self.flow_table.share,
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

    /// How full each table is that only the engine writes, by its name.
    pub(in crate::ebpf) fn usage(&self) -> [(&'static str, Usage); 7] {
        [
            ("interfaces", self.interfaces.usage()),
            ("endpoints", self.endpoints.usage()),
            ("routes", self.routes.usage()),
            ("admissions", self.peering_acl.usage()),
            ("public_ports", self.public_ports.usage()),
            ("rule_blocks", self.rule_blocks.usage()),
            ("rule_ports", self.rule_ports.usage()),
        ]
    }

    /// How many flows there can be.
    pub(in crate::ebpf) fn flow_capacity(&self) -> u64 {
        self.flow_table.capacity.into()
    }
}
