//! The engine's state on the machine, namespaces, links and maps, and how it converges to a desired
//! network.

pub(in crate::ebpf) mod decide;
mod inspect;
mod interfaces;
#[cfg(test)]
mod kernel_tests;
mod outside;
pub(in crate::ebpf) mod preflight;
pub(in crate::ebpf) mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use nix::net::if_::if_nametoindex;
use tombolo_domain::error_chain;
use tombolo_domain::id::NetworkInterfaceId;

use self::decide::Decision;
use self::inspect::Found;
use crate::drop_reason::DropReason;
use crate::ebpf::bpffs;
use crate::ebpf::config::EbpfConfig;
use crate::ebpf::error::Doing;
use crate::ebpf::flows::{FlowThreads, Owners};
use crate::ebpf::links::attachment::Attachments;
use crate::ebpf::links::netlink::{Link, Netlink};
use crate::ebpf::links::uplink::Uplink;
use crate::ebpf::maps::datapath::DataPath;
use crate::ebpf::maps::desired::{DesiredMaps, DesiredPorts};
use crate::ebpf::maps::pinned_fds::PinnedFds;
use crate::ebpf::names;
use crate::ebpf::namespace;
use crate::ebpf::sampler::{PeeredVpcs, Sampler};
use crate::engine::{Applied, EngineError};
use crate::flow::FlowPublisher;
use crate::indexed_network::{IndexedNetwork, Part};
use crate::network::Network;
use crate::network_change::NetworkChange;
use crate::verdict::{Packet, Verdict};

/// The engine's view of the machine. Its thread stays in the core namespace.
pub(in crate::ebpf) struct Machine {
    names: names::Names,
    bpffs: PathBuf,
    netlink: Netlink,
    data_path: DataPath,
    attachments: Attachments,
    /// Second descriptors of all that is pinned, to pin it again.
    pinned_fds: PinnedFds,
    /// The near ends in the core namespace, by name.
    links: BTreeMap<String, Link>,
    /// The workloads' namespaces.
    namespaces: BTreeSet<String>,
    /// Descriptors of those, to name them again: whoever is in one keeps its interface.
    namespace_fds: BTreeMap<String, File>,
    /// The interfaces in service, with their links' indices.
    placed: BTreeMap<NetworkInterfaceId, u32>,
    /// The same, for those who read about flows.
    owners: Owners,
    /// The peerings that packets are counted for.
    peered_vpcs: PeeredVpcs,
    flows: FlowThreads,
    /// The way outside that there should be.
    uplink: Option<Uplink>,
    /// What an earlier engine left, until the first `apply` has dealt with it.
    found: Option<Found>,
    /// What is wanted, other machines' VPCs included; `None` before the first `apply`.
    network: Option<IndexedNetwork>,
    /// Whether the machine is as it was left; else what is there must be looked at first, since
    /// something failed or nothing was applied yet.
    trusted: bool,
    /// The interfaces that could not be made. They are tried again when they are named, and when all
    /// is looked at.
    failed: BTreeSet<NetworkInterfaceId>,
    /// Why there is no way outside, where there should be one. It is tried again when all is looked at.
    no_outside: Option<String>,
    /// The interfaces that a test refuses when the data path knows them already.
    #[cfg(test)]
    not_commissioned: BTreeSet<NetworkInterfaceId>,
}

impl Machine {
    /// Takes over what an earlier engine of the same data directory left, or starts anew, and
    /// moves the calling thread into the core namespace. `home` is the machine's own.
    pub(in crate::ebpf) fn open(
        config: &EbpfConfig,
        home: &File,
        flows: &FlowPublisher,
    ) -> Result<Self, EngineError> {
        let uplink = open_uplink(config, home)?;
        let names = names::Names::new(&config.name);
        let core = names.core();
        let bpffs = config.directory.join("bpf");
        let found = Found::look(&core, &bpffs);
        if !namespace::exists(&core) {
            namespace::create(&core).doing(|| format!("making the namespace {core}"))?;
        }
        namespace::enter(&core).doing(|| format!("entering the namespace {core}"))?;
        bpffs::mount_on(&bpffs)
            .doing(|| format!("mounting a BPF file system on {}", bpffs.display()))?;
        let netlink = Netlink::open()
            .doing(|| format!("opening a netlink socket in the namespace {core}"))?;
        let data_path = DataPath::open(&bpffs, config.flow_table)?;
        let owners = Owners::default();
        Ok(Machine {
            pinned_fds: PinnedFds::open(&data_path.pins)?,
            flows: FlowThreads::spawn(
                &data_path.pins,
                config.flow_table,
                &owners,
                flows,
                &config.tasks,
            )?,
            attachments: Attachments::open(config.attachment, &bpffs)?,
            netlink,
            data_path,
            names,
            bpffs,
            links: BTreeMap::new(),
            namespaces: BTreeSet::new(),
            namespace_fds: BTreeMap::new(),
            placed: BTreeMap::new(),
            owners,
            peered_vpcs: PeeredVpcs::default(),
            uplink,
            found: Some(found),
            network: None,
            trusted: false,
            failed: BTreeSet::new(),
            no_outside: None,
            #[cfg(test)]
            not_commissioned: BTreeSet::new(),
        })
    }

    /// See [`crate::NetworkEngine::apply`].
    pub(in crate::ebpf) fn apply(&mut self, wanted: Network) -> Result<Applied, EngineError> {
        let current = self.network.as_ref().filter(|_| self.trusted);
        let current = current.map(IndexedNetwork::whole);
        // Asked for the same again: believe nothing.
        let Some(current) = current.filter(|current| **current != wanted) else {
            let before = self.network.take();
            let verified = self.verify(IndexedNetwork::new(wanted));
            if let Err(EngineError::Full { .. }) = &verified {
                self.network = before;
            }
            return verified;
        };
        let mut change = NetworkChange::between(current, &wanted);
        for id in &self.failed {
            if let Some(interface) = wanted.interfaces.get(id) {
                change
                    .interfaces
                    .insert(id.clone(), Some(interface.clone()));
            }
        }
        self.change(change)
    }

    /// See [`crate::NetworkEngine::change`].
    pub(in crate::ebpf) fn change(
        &mut self,
        change: NetworkChange,
    ) -> Result<Applied, EngineError> {
        let mut network = self.network.take().ok_or(EngineError::NothingApplied)?;
        let changed = network.change(change);
        if !self.trusted {
            let verified = self.verify(network);
            if let (Err(EngineError::Full { .. }), Some(network)) = (&verified, &mut self.network) {
                network.undo(changed.undo);
            }
            return verified;
        }
        let pairs = changed.pairs.iter();
        let firsts = pairs.map(|pair| (*pair, network.first_between(*pair)));
        let firsts: Vec<_> = firsts.map(|(pair, id)| (pair, id.cloned())).collect();
        let change = Change {
            before: Some(changed.before),
            after: changed.after,
            interfaces: Some(changed.interfaces),
            interface_count: network.whole().interfaces.len(),
        };
        let mut applied = Applied::default();
        let converged = self.converge(&change, &mut applied);
        if let Err(EngineError::Full { .. }) = &converged {
            network.undo(changed.undo);
        } else {
            self.trusted = converged.is_ok();
            self.peered_vpcs.update(firsts);
        }
        self.network = Some(network);
        converged?;
        self.finish(&change, applied, false)
    }

    /// Believes nothing, and looks at all that is there.
    fn verify(&mut self, network: IndexedNetwork) -> Result<Applied, EngineError> {
        self.trusted = false;
        let change = Change {
            before: None,
            interface_count: network.whole().interfaces.len(),
            after: network.live(),
            interfaces: None,
        };
        // Whatever becomes of it, this is what is wanted now.
        self.network = Some(network);
        let mut applied = Applied::default();
        applied.changes += self.inspect(&change.after.network, &mut applied.repairs)?;
        self.converge(&change, &mut applied)?;
        self.peered_vpcs.set(&change.after.network);
        self.found = None;
        self.trusted = true;
        self.no_outside = applied.outside.clone();
        self.finish(&change, applied, true)
    }

    /// Takes note of what could not be made, and logs it.
    fn finish(
        &mut self,
        change: &Change,
        mut applied: Applied,
        verified: bool,
    ) -> Result<Applied, EngineError> {
        match &change.interfaces {
            Some(touched) => self.failed.retain(|id| !touched.contains(id)),
            None => self.failed.clear(),
        }
        self.failed.extend(applied.failed.keys().cloned());
        for (id, reason) in &applied.failed {
            tracing::warn!(interface = %id, reason, "a network interface could not be made");
        }
        applied.outside.clone_from(&self.no_outside);
        applied.compiled = change.size();
        let Applied {
            changes, compiled, ..
        } = applied;
        tracing::debug!(changes, compiled, verified, "applied the network");
        Ok(applied)
    }

    /// The order keeps VPCs apart at every moment: first nothing may cross that should not, then
    /// interfaces go and come, then the data path learns of the new ones, and the peering ACL comes
    /// last.
    fn converge(&mut self, change: &Change, applied: &mut Applied) -> Result<(), EngineError> {
        let network = &change.after.network;
        let before = change.before.as_ref().map(|part| self.compile(part));
        let before = before.as_ref();
        let (old_maps, old_ports) = (before.map(|(maps, _)| maps), before.map(|(_, ports)| ports));
        let mut wanted = DesiredMaps::compile(network);
        self.data_path
            .check_capacity(old_maps, &wanted, change.interface_count)?;

        let kept = self.kept(change);
        let ports = DesiredPorts::place(&change.after.mapping, &kept);
        applied.changes += self.data_path.close_ports(old_ports, &ports)?;
        applied.changes += self.data_path.retain(old_maps, &wanted)?;

        wanted.place(network, &kept);
        applied.changes += self.data_path.retain_interfaces(old_maps, &wanted)?;
        applied.changes += self.remove_unwanted(change, &kept)?;

        let was_joined = match change.before {
            None => self.join_outside(applied)?,
            Some(_) => true,
        };
        let mut in_place = kept.clone();
        let made = self.make_missing(change, &kept, applied);
        in_place.extend(made.clone());
        self.set_placed(change, &in_place);
        wanted.place(network, &made);
        applied.changes += self.data_path.extend(&wanted)?;
        let ports = DesiredPorts::place(&change.after.mapping, &in_place);
        applied.changes += self.data_path.open_ports(&ports)?;

        if change.before.is_none() {
            self.attach_outside(was_joined, applied)?;
            self.attach_kept(&kept, applied);
            // What an earlier build's program let through by its own maps is decided again.
            self.data_path.next_generation()?;
            self.data_path.pins.remove_others()?;
        }
        self.adjust_kept(change, &kept, applied);
        self.commission(change, &made, applied);

        self.forget_failed(change, applied)
    }

    /// Takes those out of the data path that failed when it knew them already: their links are gone, and
    /// no later change would name these.
    fn forget_failed(&mut self, change: &Change, applied: &mut Applied) -> Result<(), EngineError> {
        let placed = &self.placed;
        let failed = applied.failed.keys().filter(|id| placed.contains_key(*id));
        let failed: Vec<NetworkInterfaceId> = failed.cloned().collect();
        if failed.is_empty() {
            return Ok(());
        }
        let (maps, ports) = self.compile(&change.after);
        for id in &failed {
            if let Some(link) = self.placed.remove(id) {
                self.owners.update([link], []);
            }
        }
        let (wanted, wanted_ports) = self.compile(&change.after);
        applied.changes += self.data_path.close_ports(Some(&ports), &wanted_ports)?
            + self.data_path.retain_interfaces(Some(&maps), &wanted)?
            + self.data_path.open_ports(&wanted_ports)?;
        self.flows.sweep();
        Ok(())
    }

    /// What the maps hold for a part whose interfaces are in service.
    fn compile(&self, part: &Part) -> (DesiredMaps, DesiredPorts) {
        let ids = part.network.interfaces.keys();
        let placed = ids.filter_map(|id| Some((id.clone(), *self.placed.get(id)?)));
        let placed = placed.collect();
        let mut maps = DesiredMaps::compile(&part.network);
        maps.place(&part.network, &placed);
        (maps, DesiredPorts::place(&part.mapping, &placed))
    }

    /// Takes note of which interfaces are in service, of those that the change names.
    fn set_placed(&mut self, change: &Change, in_place: &BTreeMap<NetworkInterfaceId, u32>) {
        let gone: BTreeSet<u32> = match &change.interfaces {
            None => {
                let before = std::mem::replace(&mut self.placed, in_place.clone());
                let owners = in_place.iter().map(|(id, link)| (*link, id.clone()));
                self.owners.set(owners.collect());
                before.into_values().collect()
            }
            Some(touched) => {
                let before = touched.iter().filter_map(|id| self.placed.remove(id));
                let before: BTreeSet<u32> = before.collect();
                let touched = in_place.iter().filter(|(id, _)| touched.contains(*id));
                let touched: Vec<_> = touched.map(|(id, link)| (id.clone(), *link)).collect();
                let owners = touched.iter().map(|(id, link)| (*link, id.clone()));
                self.owners.update(before.iter().copied(), owners);
                self.placed.extend(touched);
                before
            }
        };
        let here: BTreeSet<u32> = in_place.values().copied().collect();
        if !gone.is_subset(&here) {
            self.flows.sweep();
        }
    }

    /// Whether there is nothing to [`settle`](Self::settle).
    pub(in crate::ebpf) fn is_settled(&self) -> bool {
        self.attachments.is_settled()
    }

    /// Does one of the things that can wait until nothing else is to be done.
    pub(in crate::ebpf) fn settle(&mut self) {
        let program = &mut self.data_path.guest_egress;
        if let Err(error) = self.attachments.settle(program, &mut self.netlink) {
            // The filter goes on, and the next look at all that is there tries again.
            tracing::warn!(
                "replacing a tc filter by a TCX link: {}",
                error_chain(&error)
            );
        }
    }

    /// What counts, by descriptors of its own.
    pub(in crate::ebpf) fn sampler(&self) -> Result<Arc<Sampler>, EngineError> {
        Sampler::open(
            &self.data_path,
            self.owners.clone(),
            self.peered_vpcs.clone(),
        )
    }

    /// See [`crate::NetworkEngine::decide`].
    pub(in crate::ebpf) fn decide(
        &mut self,
        from: &NetworkInterfaceId,
        packet: &Packet,
    ) -> Result<Verdict, EngineError> {
        let link = if_nametoindex(names::link(from).as_str()).ok();
        let (to, way) = match decide::decide(&self.data_path, link, packet)? {
            Decision::Drop(reason) => return Ok(Verdict::Drop(reason)),
            Decision::Local(link) => (link, Verdict::Local as fn(_) -> _),
            Decision::Peering(link) => (link, Verdict::Peering as fn(_) -> _),
            Decision::Outside => return Ok(Verdict::Outside),
        };
        let links = self.list_links()?;
        let id = links
            .values()
            .find(|link| link.index == to)
            .and_then(|link| names::interface_of(&link.alias));
        // The endpoint names a link that went behind our back: the kernel would drop the packet.
        Ok(id.map_or(Verdict::Drop(DropReason::Redirect), way))
    }

    /// See [`crate::NetworkEngine::teardown`].
    pub(in crate::ebpf) fn teardown(mut self) -> Result<(), EngineError> {
        let nothing = Change {
            before: None,
            after: Part::default(),
            interfaces: None,
            interface_count: 0,
        };
        let mut applied = Applied::default();
        let looked = self
            .inspect(&nothing.after.network, &mut applied.repairs)
            .map(drop);
        // Not before it was looked at, or it would be reported as somebody else's.
        self.uplink = None;
        let emptied = self.converge(&nothing, &mut applied);
        let core = self.names.core();
        let unnamed = namespace::remove(&core).doing(|| format!("removing the namespace {core}"));
        let bpffs = self.bpffs.clone();
        // Our own descriptors of pinned objects first.
        drop(self);
        let unmounted = bpffs::unmount(&bpffs)
            .doing(|| format!("unmounting the BPF file system {}", bpffs.display()));
        looked.and(emptied).and(unnamed).and(unmounted)
    }
}

/// A change of the network: of all of it, or of a part.
struct Change {
    /// What there was in place of `after`; `None` when that is all there should be, and whatever else
    /// is there is not wanted.
    before: Option<Part>,
    /// What the data path's tables are compiled from.
    after: Part,
    /// The interfaces that may not be as they are wanted; `None` is all of them.
    interfaces: Option<BTreeSet<NetworkInterfaceId>>,
    /// How many interfaces there are in all.
    interface_count: usize,
}

impl Change {
    /// Whether the interface is one that may not be as it is wanted.
    fn touches(&self, id: &NetworkInterfaceId) -> bool {
        self.interfaces
            .as_ref()
            .is_none_or(|interfaces| interfaces.contains(id))
    }

    /// How much is compiled for it.
    fn size(&self) -> usize {
        let before = self.before.as_ref();
        before.map_or(0, |part| part.network.size()) + self.after.network.size()
    }
}

/// The way outside that is configured, if it can be had here.
fn open_uplink(config: &EbpfConfig, home: &File) -> Result<Option<Uplink>, EngineError> {
    let Some(outside) = &config.outside else {
        return Ok(None);
    };
    let opening = || format!("looking for a way outside as {}", outside.address);
    let home = home.try_clone().doing(opening)?;
    let uplink = Uplink::new(outside.clone(), &config.name, home);
    uplink.check().doing(opening)?;
    Ok(Some(uplink))
}
