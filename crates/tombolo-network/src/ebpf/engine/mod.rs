//! The engine's state on the machine, namespaces, links and maps, and how it converges to a desired
//! network.

pub(in crate::ebpf) mod decide;
mod inspect;
mod interfaces;
mod outside;
pub(in crate::ebpf) mod preflight;
pub(in crate::ebpf) mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;

use nix::net::if_::if_nametoindex;
use tombolo_domain::error_chain;
use tombolo_domain::id::NetworkInterfaceId;

use self::decide::Decision;
use self::inspect::Found;
use crate::change_set::ChangeSet;
use crate::counters::Counters;
use crate::drop_reason::DropReason;
use crate::ebpf::bpffs;
use crate::ebpf::config::EbpfConfig;
use crate::ebpf::error::Doing;
use crate::ebpf::flows::active_ports;
use crate::ebpf::flows::{FlowThreads, Owners};
use crate::ebpf::links::attachment::Attachments;
use crate::ebpf::links::netlink::{Link, Netlink};
use crate::ebpf::links::uplink::Uplink;
use crate::ebpf::maps::datapath::DataPath;
use crate::ebpf::maps::desired::{DesiredMaps, DesiredPorts};
use crate::ebpf::maps::pinned_fds::PinnedFds;
use crate::ebpf::names;
use crate::ebpf::namespace;
use crate::engine::{Applied, EngineError};
use crate::flow::FlowPublisher;
use crate::network::Network;
use crate::outside::Mapping;
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
    flows: FlowThreads,
    /// The way outside that there should be.
    uplink: Option<Uplink>,
    /// What an earlier engine left, until the first `apply` has dealt with it.
    found: Option<Found>,
    /// What was applied last.
    current: Network,
    /// What `current` was part of; `None` when what is there must be looked at first, since an
    /// `apply` failed or there was none yet.
    trusted: Option<Fingerprint>,
}

/// A value that tells two networks apart: what was asked for, whole.
pub(in crate::ebpf) type Fingerprint = u64;

/// What `apply` is asked for.
pub(in crate::ebpf) struct Asked {
    /// Of the whole network, other machines' interfaces included.
    pub(in crate::ebpf) fingerprint: Fingerprint,
    /// What of it matters here.
    pub(in crate::ebpf) network: Network,
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
            uplink,
            found: Some(found),
            current: Network::default(),
            trusted: None,
        })
    }

    /// See [`crate::NetworkEngine::apply`].
    pub(in crate::ebpf) fn apply(&mut self, asked: Asked) -> Result<Applied, EngineError> {
        let Asked {
            fingerprint,
            network,
        } = asked;
        // Asked for the same again, or for the first time: believe nothing. After a failure
        // nothing is trusted either, so the next call looks too.
        let verify = self
            .trusted
            .take()
            .is_none_or(|trusted| trusted == fingerprint);
        let mut applied = Applied::default();
        if verify {
            applied.changes += self.inspect(&network, &mut applied.repairs)?;
            self.converge(Change::everything(network), &mut applied)?;
            self.found = None;
        } else {
            let changes = ChangeSet::between(&self.current, &network);
            self.converge(
                Change::of_changes(changes, &self.current, network),
                &mut applied,
            )?;
        }
        let whole = applied.failed.is_empty() && applied.outside.is_none();
        self.trusted = whole.then_some(fingerprint);
        for (id, reason) in &applied.failed {
            tracing::warn!(interface = %id, reason, "a network interface could not be made");
        }
        tracing::debug!(changes = applied.changes, verify, "applied the network");
        Ok(applied)
    }

    /// The order keeps VPCs apart at every moment: first nothing may cross that should not, then
    /// interfaces go and come, then the data path learns of the new ones, and the peering ACL comes
    /// last.
    fn converge(&mut self, change: Change, applied: &mut Applied) -> Result<(), EngineError> {
        let before = change.before.as_ref().map(|network| {
            let mut before = DesiredMaps::compile(network);
            before.place(network, &self.links_of(network));
            before
        });
        let mut wanted = DesiredMaps::compile(&change.wanted);
        self.data_path
            .check_room(before.as_ref(), &wanted, change.network.interfaces.len())?;

        let mapping = Mapping::compile(&change.network);
        let kept = self.kept(&change);
        let ports = DesiredPorts::place(&mapping, &kept);
        applied.changes += self.data_path.close_ports(&ports)?;
        applied.changes += self.data_path.retain(before.as_ref(), &wanted)?;

        wanted.place(&change.wanted, &kept);
        applied.changes += self.data_path.retain_interfaces(before.as_ref(), &wanted)?;
        applied.changes += self.remove_unwanted(&change, &kept)?;

        let was_joined = match change.before {
            None => self.join_outside(applied)?,
            Some(_) => true,
        };
        let made = self.make_missing(&change, &kept, applied);
        let some_went = self.placed.keys().any(|id| !kept.contains_key(id));
        self.placed = kept.iter().chain(&made).map(owned).collect();
        let owners = self.placed.iter().map(|(id, link)| (*link, id.clone()));
        self.owners.set(owners.collect());
        if some_went {
            self.flows.sweep();
        }
        wanted.place(&change.wanted, &made);
        applied.changes += self.data_path.extend(&wanted)?;
        let ports = DesiredPorts::place(&mapping, &self.placed);
        applied.changes += self.data_path.open_ports(&ports)?;

        if change.before.is_none() {
            self.attach_outside(was_joined, applied)?;
            self.attach_kept(&kept, applied);
            // What an earlier build's program let through by its own maps is decided again.
            self.data_path.next_generation()?;
            self.data_path.pins.remove_others()?;
        }
        self.adjust_kept(&change, &kept, applied);
        self.commission(&change, &made, applied);

        self.placed.retain(|id, _| !applied.failed.contains_key(id));
        self.current = change.network;
        Ok(())
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

    /// See [`crate::NetworkEngine::counters`].
    pub(in crate::ebpf) fn counters(&self) -> Result<Counters, EngineError> {
        let mut counters = self.data_path.counters()?;
        for (id, &link) in &self.placed {
            if let Some(traffic) = self.data_path.traffic_of(link)? {
                counters.interfaces.insert(id.clone(), traffic);
            }
        }
        let active = active_ports::active_ports(&self.data_path)?;
        let placed = self.placed.iter();
        counters.busy_ports = placed
            .filter_map(|(id, link)| Some((id.clone(), *active.get(link)?)))
            .collect();
        // The first of several between the same two VPCs stands for all of them.
        let mut counted = BTreeSet::new();
        for (id, peering) in &self.current.peerings {
            let [a, b] = [peering.requester.vpc, peering.accepter.vpc];
            if counted.insert([a.min(b), a.max(b)]) {
                let traffic = self.data_path.traffic_between(a, b)?;
                counters.peerings.insert(id.clone(), traffic);
            }
        }
        Ok(counters)
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
        let nothing = Network::default();
        let mut applied = Applied::default();
        let looked = self.inspect(&nothing, &mut applied.repairs).map(drop);
        // Not before it was looked at, or it would be told as somebody else's.
        self.uplink = None;
        let emptied = self.converge(Change::everything(nothing), &mut applied);
        let core = self.names.core();
        let unnamed = namespace::remove(&core).doing(|| format!("removing the namespace {core}"));
        let bpffs = self.bpffs.clone();
        // Our own descriptors of pinned objects first.
        drop(self);
        let unmounted = bpffs::unmount(&bpffs)
            .doing(|| format!("unmounting the BPF file system {}", bpffs.display()));
        looked.and(emptied).and(unnamed).and(unmounted)
    }

    /// The links of those interfaces of `network` that are in service.
    fn links_of(&self, network: &Network) -> BTreeMap<NetworkInterfaceId, u32> {
        let ids = network.interfaces.keys();
        ids.filter_map(|id| Some((id.clone(), *self.placed.get(id)?)))
            .collect()
    }
}

/// A change of the network: before and after.
struct Change {
    /// The network that is wanted.
    network: Network,
    /// What of it the data path's tables are compiled from.
    wanted: Network,
    /// What stood in the tables in place of `wanted`; `None` when `wanted` is all of `network`, and
    /// whatever else is there is not wanted.
    before: Option<Network>,
    /// The interfaces that may not be as they are wanted; `None` is all of them.
    interfaces: Option<BTreeSet<NetworkInterfaceId>>,
}

impl Change {
    fn everything(network: Network) -> Self {
        Change {
            wanted: network.clone(),
            network,
            before: None,
            interfaces: None,
        }
    }

    fn of_changes(changes: ChangeSet, current: &Network, network: Network) -> Self {
        Change {
            wanted: changes.of(&network),
            before: Some(changes.of(current)),
            network,
            interfaces: Some(changes.interfaces),
        }
    }

    /// Whether the interface is one that may not be as it is wanted.
    fn touches(&self, id: &NetworkInterfaceId) -> bool {
        self.interfaces
            .as_ref()
            .is_none_or(|interfaces| interfaces.contains(id))
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

fn owned((id, link): (&NetworkInterfaceId, &u32)) -> (NetworkInterfaceId, u32) {
    (id.clone(), *link)
}
