//! Compares the machine with what the engine made of it, and reports what another process changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use tombolo_domain::id::NetworkInterfaceId;

use super::Machine;
use crate::ebpf::bpffs;
use crate::ebpf::error::Doing;
use crate::ebpf::links::netlink::Link;
use crate::ebpf::links::uplink::NEAR_NAME;
use crate::ebpf::names;
use crate::ebpf::namespace;
use crate::engine::EngineError;
use crate::network::{Interface, Network};
use crate::repair::{RepairKind, Repairs};

/// What an engine finds of an earlier one of the same data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There was none.
    New,
    /// All of it, or at least nothing is missing as a whole.
    Left,
    /// It was here, and nothing is left, as after a reboot.
    NothingLeft,
    /// The core namespace is gone, and all links with it.
    NoCore,
    /// The BPF file system is gone, and what was pinned on it.
    NoFileSystem,
}

impl Found {
    /// Looks before anything is made. A teardown takes the directory away too, so one that is there
    /// says that an engine was.
    pub(super) fn look(core: &str, bpffs: &Path) -> Self {
        match (
            bpffs.exists(),
            bpffs::is_mounted_on(bpffs),
            namespace::exists(core),
        ) {
            (false, _, false) => Found::New,
            (_, false, false) => Found::NothingLeft,
            (_, false, true) => Found::NoFileSystem,
            (_, true, false) => Found::NoCore,
            (_, true, true) => Found::Left,
        }
    }
}

impl Machine {
    /// Looks at what is really there and takes note of it; what of it is not as it was left is in
    /// `repairs` then, and is put right here or by what follows. Returns how much was put right
    /// here.
    ///
    /// After a start there is no knowing what the earlier engine was asked for last, so the first
    /// time only what is missing as such counts: not another entry in a table, nor a link too many.
    pub(super) fn inspect(
        &mut self,
        wanted: &Network,
        repairs: &mut Repairs,
    ) -> Result<usize, EngineError> {
        let mut mended = self.inspect_core(repairs)?;
        mended += self.inspect_file_system(repairs)?;
        self.data_path.read(repairs)?;
        mended += self.data_path.mend_settings(repairs)?;
        self.links = self.list_links()?;
        mended += self.inspect_namespaces(repairs)?;
        let core = self.names.core();
        match self.found {
            Some(Found::New) => {}
            Some(Found::NothingLeft) => repairs.add(RepairKind::Everything, || {
                format!(
                    "nothing was left but {}, as after a reboot",
                    self.bpffs.display()
                )
            }),
            Some(Found::NoCore) => repairs.add(RepairKind::CoreNamespace, || {
                format!("the namespace {core} was gone, with all links in it")
            }),
            Some(Found::NoFileSystem) => repairs.add(RepairKind::FileSystem, || {
                let path = self.bpffs.display();
                format!("the BPF file system on {path} was gone, with the maps and programs on it")
            }),
            Some(Found::Left) => self.inspect_interfaces(wanted, repairs, |machine, id| {
                machine.links.contains_key(&names::link(id))
                    || machine.namespaces.contains(&machine.names.workload(id))
            }),
            None => {
                self.inspect_interfaces(wanted, repairs, |machine, id| {
                    machine.placed.contains_key(id)
                });
                self.inspect_strangers(repairs);
            }
        }
        Ok(mended)
    }

    fn inspect_core(&self, repairs: &mut Repairs) -> Result<usize, EngineError> {
        let core = self.names.core();
        if namespace::is_current(&core).doing(|| format!("looking at the namespace {core}"))? {
            return Ok(0);
        }
        // Without its name a restart would not find the links again.
        namespace::name_current(&core).doing(|| format!("naming the namespace {core}"))?;
        repairs.add(RepairKind::CoreNamespace, || {
            format!("the name of the namespace {core} was gone")
        });
        Ok(1)
    }

    /// Mounts the BPF file system again, and pins again what we still hold. The attachments that
    /// were pinned on it are for [`Machine::attach_kept`].
    fn inspect_file_system(&mut self, repairs: &mut Repairs) -> Result<usize, EngineError> {
        let path = self.bpffs.display().to_string();
        let mut mended = 0;
        if !bpffs::is_mounted_on(&self.bpffs) {
            bpffs::mount_on(&self.bpffs)
                .doing(|| format!("mounting a BPF file system on {path}"))?;
            repairs.add(RepairKind::FileSystem, || {
                format!("the BPF file system on {path} was gone")
            });
            mended += 1;
        }
        self.attachments.make_directory()?;
        for pin in self.pinned_fds.pin_missing(self.data_path.programs())? {
            repairs.add(RepairKind::FileSystem, || {
                format!("the pin {} was gone", pin.display())
            });
            mended += 1;
        }
        Ok(mended)
    }

    /// The near ends that are there, by name.
    pub(super) fn list_links(&mut self) -> Result<BTreeMap<String, Link>, EngineError> {
        let core = self.names.core();
        let links = self
            .netlink
            .links()
            .doing(|| format!("listing the links of the namespace {core}"))?;
        let links = links.into_iter().filter(|link| link.name != "lo");
        Ok(links.map(|link| (link.name.clone(), link)).collect())
    }

    fn inspect_namespaces(&mut self, repairs: &mut Repairs) -> Result<usize, EngineError> {
        let mut mended = 0;
        for (name, held) in &self.namespace_fds {
            if !namespace::exists(name) {
                namespace::name_again(held, name)
                    .doing(|| format!("naming the namespace {name} again"))?;
                repairs.add(RepairKind::Namespace, || {
                    format!("the name of the namespace {name} was gone")
                });
                mended += 1;
            }
        }
        let core = self.names.core();
        let prefix = self.names.prefix();
        let mut names =
            namespace::names(prefix).doing(|| format!("listing the namespaces {prefix}*"))?;
        names.retain(|name| *name != core);
        let (there, leftover): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| namespace::exists(name));
        for name in &leftover {
            namespace::remove(name).doing(|| format!("removing the leftover name {name}"))?;
        }
        for name in &there {
            self.hold(name);
        }
        self.namespaces = there.into_iter().collect();
        Ok(mended + leftover.len())
    }

    /// Keeps a descriptor of a workload's namespace. Without one, for want of descriptors, a name
    /// that is taken away leaves the workload without its interface.
    pub(super) fn hold(&mut self, namespace: &str) {
        if !self.namespace_fds.contains_key(namespace)
            && let Ok(held) = File::open(namespace::path(namespace))
        {
            self.namespace_fds.insert(namespace.to_owned(), held);
        }
    }

    /// Tells which of the wanted interfaces that `was_there` are not whole any more.
    fn inspect_interfaces(
        &self,
        wanted: &Network,
        repairs: &mut Repairs,
        was_there: impl Fn(&Machine, &NetworkInterfaceId) -> bool,
    ) {
        for (id, interface) in &wanted.interfaces {
            if was_there(self, id)
                && let Some((what, found)) = self.damage(id, interface)
            {
                repairs.add(what, || found);
            }
        }
    }

    fn damage(
        &self,
        id: &NetworkInterfaceId,
        interface: &Interface,
    ) -> Option<(RepairKind, String)> {
        let name = names::link(id);
        let namespace = self.names.workload(id);
        let of_link = |found: String| Some((RepairKind::Interface, found));
        if !self.namespaces.contains(&namespace) {
            let found = format!("the namespace {namespace} of {id} was gone");
            return Some((RepairKind::Namespace, found));
        }
        let Some(link) = self.links.get(&name) else {
            return of_link(format!("the link {name} of {id} was gone"));
        };
        if link.alias.is_empty() {
            return of_link(format!("the link {name} of {id} was only half made"));
        }
        if !link.up {
            return of_link(format!("the link {name} of {id} was down"));
        }
        if self.found.is_some() {
            return None;
        }
        let alias = names::alias(id, interface);
        if link.alias != alias {
            let found = &link.alias;
            return of_link(format!("the link {name} of {id} was made for `{found}`"));
        }
        let wanted = crate::ebpf::links::interface::mtu(interface);
        if link.mtu != wanted {
            let mtu = link.mtu;
            return of_link(format!(
                "the link {name} of {id} had an MTU of {mtu}, not {wanted}"
            ));
        }
        None
    }

    /// Tells which links and namespaces somebody else made among ours; they will be removed.
    fn inspect_strangers(&self, repairs: &mut Repairs) {
        let core = self.names.core();
        let mut ours: BTreeSet<String> = self.placed.keys().map(names::link).collect();
        ours.extend(self.uplink.iter().map(|_| NEAR_NAME.to_owned()));
        for name in self.links.keys().filter(|name| !ours.contains(*name)) {
            repairs.add(RepairKind::Interface, || {
                format!("the link {name} was in the namespace {core}, and is not Tombolo's")
            });
        }
        // One whose link could not be made has its namespace.
        let ours = self.placed.keys().chain(&self.failed);
        let ours = ours.map(|id| self.names.workload(id));
        let ours: BTreeSet<String> = ours.collect();
        for name in self.namespaces.difference(&ours) {
            repairs.add(RepairKind::Namespace, || {
                format!("the namespace {name} was there, of no interface")
            });
        }
    }
}
