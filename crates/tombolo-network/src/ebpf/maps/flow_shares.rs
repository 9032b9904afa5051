//! How many flows VPCs and their share groups have in the flow table, and how many they may have.
//!
//! The program adds to what began, the sweeper to what ended; the difference is in the table. User
//! space gives each VPC its place before its first interface, and takes it when its last flow is
//! gone: flows of interfaces that are gone stay until they are swept out, and a place that was made
//! anew meanwhile would count their end and not their beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use aya::Pod;
use aya::maps::{Array, MapData};

use crate::ebpf::error::Doing;
use crate::ebpf::maps::entries::InterfaceEntry;
use crate::ebpf::maps::flow_entries::{EVERY_GROUP, FlowSharesEntry, VpcFlowsEntry};
use crate::ebpf::maps::kernel_map::{KernelMap, UpdateFlag};
use crate::ebpf::maps::mirrored_map::open_pinned;
use crate::ebpf::maps::object::{FlowTable, Pins};
use crate::engine::EngineError;
use crate::repair::{RepairKind, Repairs};

/// The counts, for whoever writes what ended.
pub(in crate::ebpf) struct FlowCounts {
    vpcs: KernelMap<u32, VpcFlowsEntry>,
    vpcs_ended: KernelMap<u32, u64>,
    groups: KernelMap<u64, u64>,
    groups_ended: KernelMap<u64, u64>,
}

impl FlowCounts {
    pub(in crate::ebpf) fn open(flows: &Path) -> Result<Self, EngineError> {
        Ok(FlowCounts {
            vpcs: KernelMap::open(flows, "vpc_flows")?,
            vpcs_ended: KernelMap::open(flows, "vpc_flows_ended")?,
            groups: KernelMap::open(flows, "group_flows")?,
            groups_ended: KernelMap::open(flows, "group_flows_ended")?,
        })
    }

    /// Flows of a VPC that were counted are in the table no longer. Nobody else adds to what ended.
    pub(in crate::ebpf) fn end(&self, vpc: u32, flows: u64) -> io::Result<()> {
        let Some(of_vpc) = self.vpcs.get(&vpc)? else {
            return Ok(());
        };
        add(&self.vpcs_ended, &vpc, flows)?;
        add(&self.groups_ended, &of_vpc.share_group, flows)?;
        add(&self.groups_ended, &EVERY_GROUP, flows)
    }

    /// How many flows began, of each VPC and of each share group.
    pub(in crate::ebpf) fn began(
        &self,
    ) -> io::Result<(BTreeMap<u32, VpcFlowsEntry>, BTreeMap<u64, u64>)> {
        Ok((self.vpcs.entries()?, self.groups.entries()?))
    }

    /// How many of those are in the table no longer.
    pub(in crate::ebpf) fn ended(&self) -> io::Result<(BTreeMap<u32, u64>, BTreeMap<u64, u64>)> {
        Ok((self.vpcs_ended.entries()?, self.groups_ended.entries()?))
    }

    /// Sets right what a VPC's flows that ended were counted as, and no group's.
    pub(in crate::ebpf) fn correct_vpc(&self, vpc: u32, more: i64) -> io::Result<()> {
        add(&self.vpcs_ended, &vpc, more.cast_unsigned())
    }

    /// The same of a share group.
    pub(in crate::ebpf) fn correct_group(&self, group: u64, more: i64) -> io::Result<()> {
        add(&self.groups_ended, &group, more.cast_unsigned())
    }

    fn of_vpc(&self, vpc: u32) -> io::Result<u64> {
        let began = self.vpcs.get(&vpc)?.map_or(0, |of_vpc| of_vpc.began);
        Ok(difference(began, self.vpcs_ended.get(&vpc)?.as_ref()))
    }
}

/// The maps, as the engine keeps them.
pub(in crate::ebpf) struct FlowShares {
    counts: FlowCounts,
    limits: Array<MapData, FlowSharesEntry>,
    /// The VPCs that have a place, and their groups.
    known: BTreeMap<u32, u64>,
    /// How many of them each group has.
    members: BTreeMap<u64, usize>,
    /// The VPCs of the links of interfaces.
    links: BTreeMap<u32, u32>,
    /// How many of them each VPC has.
    interfaces: BTreeMap<u32, usize>,
    /// The VPCs that have no interface any more, and perhaps flows.
    leaving: BTreeSet<u32>,
    /// Whether `known` was ever read.
    was_read: bool,
}

impl FlowShares {
    pub(in crate::ebpf) fn open(pins: &Pins, table: FlowTable) -> Result<Self, EngineError> {
        let mut shares = FlowShares {
            counts: FlowCounts::open(&pins.flows)?,
            limits: open_pinned(&pins.build, "flow_shares", Array::try_from)?,
            known: BTreeMap::new(),
            members: BTreeMap::new(),
            links: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            leaving: BTreeSet::new(),
            was_read: false,
        };
        shares.set_limits(table)?;
        Ok(shares)
    }

    /// Writes how many flows there may be; says whether it was otherwise.
    pub(in crate::ebpf) fn set_limits(&mut self, table: FlowTable) -> Result<bool, EngineError> {
        let doing = || "writing the BPF map flow_shares".to_owned();
        let limits = FlowSharesEntry {
            vpc: table.vpc_share,
            group: table.group_share,
            all: table.capacity.saturating_sub(table.reserve),
            reserved: table.reserved,
        };
        if self.limits.get(&0, 0).doing(doing)? == limits {
            return Ok(false);
        }
        self.limits.set(0, limits, 0).doing(doing)?;
        Ok(true)
    }

    /// Reads which places there are, and reports which are not as they were left.
    pub(in crate::ebpf) fn read(&mut self, repairs: &mut Repairs) -> Result<(), EngineError> {
        let found = self.counts.vpcs.entries();
        let found = found.doing(|| "reading the BPF map vpc_flows".to_owned())?;
        let found = found.into_iter();
        let found = found.map(|(vpc, of_vpc)| (vpc, of_vpc.share_group));
        let left = std::mem::replace(&mut self.known, found.collect());
        self.members.clear();
        for group in self.known.values() {
            *self.members.entry(*group).or_default() += 1;
        }
        if !std::mem::replace(&mut self.was_read, true) {
            // Which of them have interfaces the next change says.
            self.leaving = self.known.keys().copied().collect();
            return Ok(());
        }
        for vpc in left.keys().filter(|vpc| !self.known.contains_key(vpc)) {
            repairs.add(RepairKind::MapEntry("vpc_flows".to_owned()), || {
                format!("the entry {vpc} of the BPF map vpc_flows was gone")
            });
        }
        Ok(())
    }

    /// Gives the VPC of each of these interfaces its place; returns how many had none.
    pub(in crate::ebpf) fn extend(
        &mut self,
        interfaces: &BTreeMap<u32, InterfaceEntry>,
        share_groups: &BTreeMap<u32, u64>,
    ) -> Result<usize, EngineError> {
        let mut made = 0;
        for (&link, &InterfaceEntry { vpc, .. }) in interfaces {
            let Some(&share_group) = share_groups.get(&vpc) else {
                continue;
            };
            if !self.known.contains_key(&vpc) {
                self.put(vpc, share_group)
                    .doing(|| format!("giving VPC {vpc} its share of the BPF map flows"))?;
                self.known.insert(vpc, share_group);
                *self.members.entry(share_group).or_default() += 1;
                made += 1;
            }
            self.leaving.remove(&vpc);
            if self.links.insert(link, vpc).is_none() {
                *self.interfaces.entry(vpc).or_default() += 1;
            }
        }
        Ok(made)
    }

    /// Counts no flow any more.
    #[cfg(test)]
    pub(in crate::ebpf) fn forget(&mut self) -> io::Result<()> {
        let of_vpcs = std::mem::take(&mut self.known);
        self.members.clear();
        for (vpc, share_group) in of_vpcs {
            self.counts.vpcs.take(&vpc)?;
            self.counts.vpcs_ended.take(&vpc)?;
            for group in [EVERY_GROUP, share_group] {
                self.counts.groups.take(&group)?;
                self.counts.groups_ended.take(&group)?;
            }
        }
        self.links.clear();
        self.interfaces.clear();
        self.leaving.clear();
        Ok(())
    }

    /// What ends comes before what begins, so that neither is ever alone where it counts.
    fn put(&self, vpc: u32, share_group: u64) -> io::Result<()> {
        for group in [EVERY_GROUP, share_group] {
            self.counts
                .groups_ended
                .put(&group, &0, UpdateFlag::IfAbsent)?;
            self.counts.groups.put(&group, &0, UpdateFlag::IfAbsent)?;
        }
        self.counts.vpcs_ended.put(&vpc, &0, UpdateFlag::IfAbsent)?;
        let place = VpcFlowsEntry {
            began: 0,
            share_group,
        };
        self.counts.vpcs.put(&vpc, &place, UpdateFlag::IfAbsent)?;
        Ok(())
    }

    /// Takes the places of VPCs whose last interface goes, once their last flow is gone: that is no
    /// change of the network, and may come long after one. Of the interfaces `before`, or of all that
    /// there are, those go that are not `wanted`.
    pub(in crate::ebpf) fn retain(
        &mut self,
        before: Option<&BTreeMap<u32, InterfaceEntry>>,
        wanted: &BTreeMap<u32, InterfaceEntry>,
        share_groups: &BTreeMap<u32, u64>,
    ) -> Result<(), EngineError> {
        let unwanted = |link: &&u32| !wanted.contains_key(link);
        let gone: Vec<u32> = match before {
            Some(before) => before.keys().filter(unwanted).copied().collect(),
            None => self.links.keys().filter(unwanted).copied().collect(),
        };
        for link in gone {
            let Some(vpc) = self.links.remove(&link) else {
                continue;
            };
            let interfaces = self.interfaces.entry(vpc).or_default();
            *interfaces = interfaces.saturating_sub(1);
            if *interfaces == 0 {
                self.interfaces.remove(&vpc);
                self.leaving.insert(vpc);
            }
        }
        let leaving = self.leaving.iter().copied();
        let leaving: Vec<u32> = leaving
            .filter(|vpc| !share_groups.contains_key(vpc))
            .collect();
        for vpc in leaving {
            let doing = || format!("taking VPC {vpc}'s share of the BPF map flows");
            if self.counts.of_vpc(vpc).doing(doing)? != 0 {
                continue;
            }
            self.take(vpc).doing(doing)?;
        }
        Ok(())
    }

    fn take(&mut self, vpc: u32) -> io::Result<()> {
        self.counts.vpcs.take(&vpc)?;
        self.counts.vpcs_ended.take(&vpc)?;
        self.leaving.remove(&vpc);
        let Some(group) = self.known.remove(&vpc) else {
            return Ok(());
        };
        let members = self.members.entry(group).or_default();
        *members = members.saturating_sub(1);
        // Without a VPC a group has no flow.
        if *members == 0 {
            self.members.remove(&group);
            self.counts.groups.take(&group)?;
            self.counts.groups_ended.take(&group)?;
        }
        Ok(())
    }
}

fn add<K: Pod>(ended: &KernelMap<K, u64>, key: &K, more: u64) -> io::Result<()> {
    if let Some(before) = ended.get(key)? {
        ended.put(key, &before.wrapping_add(more), UpdateFlag::IfThere)?;
    }
    Ok(())
}

/// How many flows are in the table, of those that began.
pub(in crate::ebpf) fn difference(began: u64, ended: Option<&u64>) -> u64 {
    let ended = ended.copied().unwrap_or(0);
    // The sweeper may have been faster than the program that counts a beginning.
    u64::try_from(began.wrapping_sub(ended) as i64).unwrap_or(0)
}
