//! What the engine has made on the machine, and how it gets from there to what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use nix::net::if_::if_nametoindex;
use tombolo_domain::id::NetworkInterfaceId;

use super::attachment::Attachments;
use super::datapath::DataPath;
use super::decide::Decision;
use super::error::{Doing, with_sources};
use super::netlink::{Link, Netlink};
use super::wanted::Wanted;
use super::{EbpfConfig, bpffs, decide, interface, names, namespace};
use crate::{Applied, Counters, DropReason, EngineError, Interface, Network, Packet, Verdict};

/// The engine's part of the machine. Its thread is in the core namespace for good.
pub(super) struct Machine {
    names: names::Names,
    bpffs: PathBuf,
    netlink: Netlink,
    data_path: DataPath,
    attachments: Attachments,
    /// The near ends in the core namespace, by name.
    links: BTreeMap<String, Link>,
    /// The workloads' namespaces.
    namespaces: BTreeSet<String>,
    /// What the last `apply` made; `None` when what is there must be looked at first.
    last: Option<Network>,
}

impl Machine {
    /// Takes over what an earlier engine of the same data directory left, or starts anew, and
    /// moves the calling thread into the core namespace.
    pub(super) fn open(config: &EbpfConfig) -> Result<Self, EngineError> {
        let names = names::Names::new(&config.name);
        let core = names.core();
        if !namespace::exists(&core) {
            namespace::create(&core).doing(|| format!("making the namespace {core}"))?;
        }
        namespace::enter(&core).doing(|| format!("entering the namespace {core}"))?;
        let bpffs = config.directory.join("bpf");
        bpffs::mount_on(&bpffs)
            .doing(|| format!("mounting a BPF file system on {}", bpffs.display()))?;
        Ok(Machine {
            netlink: Netlink::open()
                .doing(|| format!("opening a netlink socket in the namespace {core}"))?,
            data_path: DataPath::open(&bpffs, config.flow_table)?,
            attachments: Attachments::open(config.attachment, &bpffs)?,
            names,
            bpffs,
            links: BTreeMap::new(),
            namespaces: BTreeSet::new(),
            last: None,
        })
    }

    /// See [`crate::NetworkEngine::apply`].
    ///
    /// The order keeps VPCs apart at every moment: first nothing may cross that should not, then
    /// interfaces go and come, then the data path learns of the new ones, and admissions are last.
    pub(super) fn apply(&mut self, network: Network) -> Result<Applied, EngineError> {
        // Asked for the same again, or for the first time: believe nothing. After a failure `last`
        // is empty, so the next call looks too.
        let verify = self.last.take().is_none_or(|last| last == network);
        let applied = self.converge(&network, verify)?;
        self.last = applied.failed.is_empty().then_some(network);
        for (id, reason) in &applied.failed {
            tracing::warn!(interface = %id, reason, "a network interface could not be made");
        }
        tracing::debug!(changes = applied.changes, verify, "applied the network");
        Ok(applied)
    }

    fn converge(&mut self, network: &Network, verify: bool) -> Result<Applied, EngineError> {
        let mut applied = Applied::default();
        if verify {
            applied.changes += self.inspect()?;
        }
        let mut wanted = Wanted::compile(network);

        applied.changes += self.data_path.retain(&wanted)?;

        let kept = self.kept(network);
        wanted.place(network, &kept);
        applied.changes += self.data_path.retain_interfaces(&wanted)?;
        applied.changes += self.remove_links(&kept)?;
        applied.changes += self.remove_namespaces(network)?;

        let made = self.make_missing(network, &kept, &mut applied);
        wanted.place(network, &made);
        applied.changes += self.data_path.extend(&wanted)?;

        if verify {
            applied.changes += self.attach_kept(&kept, &mut applied.failed);
            self.data_path.remove_other_builds()?;
        }
        self.commission(network, made, &mut applied.failed);
        Ok(applied)
    }

    /// See [`crate::NetworkEngine::counters`].
    pub(super) fn counters(&self) -> Result<Counters, EngineError> {
        self.data_path.counters()
    }

    /// See [`crate::NetworkEngine::decide`].
    pub(super) fn decide(
        &mut self,
        from: &NetworkInterfaceId,
        packet: &Packet,
    ) -> Result<Verdict, EngineError> {
        let link = if_nametoindex(names::link(from).as_str()).ok();
        let (to, way) = match decide::decide(&self.data_path, link, packet)? {
            Decision::Drop(reason) => return Ok(Verdict::Drop(reason)),
            Decision::Local(link) => (link, Verdict::Local as fn(_) -> _),
            Decision::Peering(link) => (link, Verdict::Peering as fn(_) -> _),
        };
        let core = self.names.core();
        let links = self
            .netlink
            .links()
            .doing(|| format!("listing the links of the namespace {core}"))?;
        let id = links
            .iter()
            .find(|link| link.index == to)
            .and_then(|link| names::interface_of(&link.alias));
        // The endpoint names a link that went behind our back: the kernel would drop the packet.
        Ok(id.map_or(Verdict::Drop(DropReason::Redirect), way))
    }

    /// See [`crate::NetworkEngine::teardown`].
    pub(super) fn teardown(mut self) -> Result<(), EngineError> {
        let looked = self.inspect().map(drop);
        let emptied = self.converge(&Network::default(), false).map(drop);
        let core = self.names.core();
        let unnamed = namespace::remove(&core).doing(|| format!("removing the namespace {core}"));
        let bpffs = self.bpffs.clone();
        // Our own descriptors of pinned objects first.
        drop(self);
        let unmounted = bpffs::unmount(&bpffs)
            .doing(|| format!("unmounting the BPF file system {}", bpffs.display()));
        looked.and(emptied).and(unnamed).and(unmounted)
    }

    /// Looks at what is really there; returns how much of it was mended on the way.
    fn inspect(&mut self) -> Result<usize, EngineError> {
        let core = self.names.core();
        let mut mended = 0;
        if !namespace::is_current(&core).doing(|| format!("looking at the namespace {core}"))? {
            // Its name was taken away; without it a restart would not find the links again.
            namespace::name_current(&core).doing(|| format!("naming the namespace {core}"))?;
            mended += 1;
        }
        self.data_path.read()?;
        let links = self
            .netlink
            .links()
            .doing(|| format!("listing the links of the namespace {core}"))?;
        self.links = links
            .into_iter()
            .map(|link| (link.name.clone(), link))
            .collect();
        self.links.remove("lo");
        mended += self.inspect_namespaces(&core)?;
        Ok(mended)
    }

    fn inspect_namespaces(&mut self, core: &str) -> Result<usize, EngineError> {
        let prefix = self.names.prefix();
        let mut names =
            namespace::names(prefix).doing(|| format!("listing the namespaces {prefix}*"))?;
        names.retain(|name| name != core);
        let (there, leftover): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| namespace::exists(name));
        for name in &leftover {
            namespace::remove(name).doing(|| format!("removing the leftover name {name}"))?;
        }
        self.namespaces = there.into_iter().collect();
        Ok(leftover.len())
    }

    /// The wanted interfaces that are there, whole, with their links' indices.
    fn kept(&self, network: &Network) -> BTreeMap<NetworkInterfaceId, u32> {
        let is_kept = |(id, interface): (&NetworkInterfaceId, &Interface)| {
            let link = self.links.get(&names::link(id))?;
            let whole = link.up && link.alias == names::alias(id, interface);
            let housed = self.namespaces.contains(&self.names.workload(id));
            (whole && housed).then(|| (id.clone(), link.index))
        };
        network.interfaces.iter().filter_map(is_kept).collect()
    }

    /// Deletes every link that is not kept.
    fn remove_links(
        &mut self,
        kept: &BTreeMap<NetworkInterfaceId, u32>,
    ) -> Result<usize, EngineError> {
        let kept: BTreeSet<String> = kept.keys().map(names::link).collect();
        let unwanted: Vec<Link> = self
            .links
            .values()
            .filter(|link| !kept.contains(&link.name))
            .cloned()
            .collect();
        self.delete(&unwanted)?;
        Ok(unwanted.len())
    }

    fn delete(&mut self, links: &[Link]) -> Result<(), EngineError> {
        for link in links {
            self.attachments.forget(&link.name)?;
        }
        let indices: Vec<u32> = links.iter().map(|link| link.index).collect();
        self.netlink.delete_links(&indices).doing(|| {
            let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
            format!("deleting the links {}", names.join(", "))
        })?;
        for link in links {
            self.links.remove(&link.name);
        }
        Ok(())
    }

    fn remove_namespaces(&mut self, network: &Network) -> Result<usize, EngineError> {
        let wanted: BTreeSet<String> = network
            .interfaces
            .keys()
            .map(|id| self.names.workload(id))
            .collect();
        let unwanted: Vec<String> = self.namespaces.difference(&wanted).cloned().collect();
        for name in &unwanted {
            namespace::remove(name).doing(|| format!("removing the namespace {name}"))?;
            self.namespaces.remove(name);
        }
        Ok(unwanted.len())
    }

    /// Makes the interfaces that are not kept; the data path does not know them yet.
    fn make_missing(
        &mut self,
        network: &Network,
        kept: &BTreeMap<NetworkInterfaceId, u32>,
        applied: &mut Applied,
    ) -> BTreeMap<NetworkInterfaceId, u32> {
        let mut made = BTreeMap::new();
        for (id, interface) in &network.interfaces {
            if kept.contains_key(id) {
                continue;
            }
            match self.make(id, interface) {
                Ok(index) => {
                    made.insert(id.clone(), index);
                    applied.changes += 1;
                }
                Err(error) => {
                    let reason = self.withdraw(&names::link(id), &error);
                    applied.failed.insert(id.clone(), reason);
                }
            }
        }
        made
    }

    fn make(&mut self, id: &NetworkInterfaceId, interface: &Interface) -> Result<u32, EngineError> {
        let namespace = self.names.workload(id);
        if !namespace::exists(&namespace) {
            namespace::create(&namespace)
                .doing(|| format!("making the namespace {namespace} of {id}"))?;
        }
        self.namespaces.insert(namespace.clone());
        let name = names::link(id);
        let making = || format!("making the veth pair of {id} from {name} to eth0 in {namespace}");
        let index =
            interface::create(&mut self.netlink, &name, &namespace, interface).doing(making)?;
        let link = Link {
            index,
            name: name.clone(),
            up: true,
            alias: String::new(),
            mtu: interface::mtu(interface),
        };
        self.links.insert(name.clone(), link);
        // The program first, so that no packet ever meets the core namespace's own stack.
        self.attachments
            .ensure(&mut self.data_path.program, &name)?;
        interface::set_up(&mut self.netlink, index, &namespace, interface).doing(making)?;
        Ok(index)
    }

    /// Attaches the program where it is not, or not this build's. Where that fails the link goes:
    /// an earlier build's program would go by tables that nobody keeps any more.
    fn attach_kept(
        &mut self,
        kept: &BTreeMap<NetworkInterfaceId, u32>,
        failed: &mut BTreeMap<NetworkInterfaceId, String>,
    ) -> usize {
        let mut changes = 0;
        for id in kept.keys() {
            match self
                .attachments
                .ensure(&mut self.data_path.program, &names::link(id))
            {
                Ok(changed) => changes += usize::from(changed),
                Err(error) => {
                    failed.insert(id.clone(), self.withdraw(&names::link(id), &error));
                }
            }
        }
        changes
    }

    /// Puts new interfaces into service, once the data path knows them: what is sent from now on
    /// arrives. The alias comes last and says that the interface is whole.
    fn commission(
        &mut self,
        network: &Network,
        made: BTreeMap<NetworkInterfaceId, u32>,
        failed: &mut BTreeMap<NetworkInterfaceId, String>,
    ) {
        for (id, index) in made {
            let Some(interface) = network.interfaces.get(&id) else {
                continue;
            };
            let name = names::link(&id);
            let alias = names::alias(&id, interface);
            let commissioned = self
                .netlink
                .wait_until_operational(index)
                .and_then(|()| self.netlink.set_alias(index, &alias))
                .doing(|| format!("putting the link {name} of {id} into service"));
            match commissioned {
                Ok(()) => {
                    self.links.entry(name).and_modify(|link| link.alias = alias);
                }
                Err(error) => {
                    failed.insert(id, self.withdraw(&name, &error));
                }
            }
        }
    }

    /// Removes a link that `error` made useless, and says why.
    fn withdraw(&mut self, link: &str, error: &EngineError) -> String {
        let removed = match self.links.get(link).cloned() {
            Some(link) => self.delete(&[link]),
            None => Ok(()),
        };
        match removed {
            Ok(()) => with_sources(error),
            Err(also) => format!("{}; and then {}", with_sources(error), with_sources(&also)),
        }
    }
}
