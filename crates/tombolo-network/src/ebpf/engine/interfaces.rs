//! Making and removing network interfaces.

use std::collections::{BTreeMap, BTreeSet};

use tombolo_domain::error_chain;
use tombolo_domain::id::NetworkInterfaceId;

use super::{Change, Machine};
use crate::ebpf::error::Doing;
use crate::ebpf::links::attachment::{Attached, Attachments};
use crate::ebpf::links::interface;
use crate::ebpf::links::netlink::Link;
use crate::ebpf::links::uplink::NEAR_NAME;
use crate::ebpf::names;
use crate::ebpf::namespace;
use crate::engine::{Applied, EngineError};
use crate::network::Interface;
use crate::repair::RepairKind;

/// Interfaces with their links' indices.
type Links = BTreeMap<NetworkInterfaceId, u32>;

impl Machine {
    /// The wanted interfaces that are there, whole, but perhaps for their MTU.
    pub(super) fn kept(&self, change: &Change) -> Links {
        let is_kept = |(id, interface): (&NetworkInterfaceId, &Interface)| {
            if !change.touches(id) {
                return Some((id.clone(), *self.placed.get(id)?));
            }
            let link = self.links.get(&names::link(id))?;
            let whole = link.up && names::is_alias_but_for_mtu(&link.alias, id, interface);
            let housed = self.namespaces.contains(&self.names.workload(id));
            (whole && housed).then(|| (id.clone(), link.index))
        };
        let interfaces = &change.after.network.interfaces;
        interfaces.iter().filter_map(is_kept).collect()
    }

    /// Removes links that are not kept, and namespaces that no wanted interface has.
    pub(super) fn remove_unwanted(
        &mut self,
        change: &Change,
        kept: &Links,
    ) -> Result<usize, EngineError> {
        let wanted = &change.after.network.interfaces;
        let (links, namespaces): (Vec<Link>, Vec<String>) = match &change.interfaces {
            Some(touched) => {
                let gone = touched.iter().filter(|id| !kept.contains_key(id));
                let links = gone.filter_map(|id| self.links.get(&names::link(id)).cloned());
                let unwanted = touched.iter().filter(|id| !wanted.contains_key(id));
                let unwanted = unwanted.map(|id| self.names.workload(id));
                let namespaces = unwanted.filter(|name| self.namespaces.contains(name));
                (links.collect(), namespaces.collect())
            }
            None => {
                let kept: BTreeSet<String> = kept.keys().map(names::link).collect();
                let links = self.links.values();
                let links = links.filter(|link| !kept.contains(&link.name));
                let links = links.filter(|link| link.name != NEAR_NAME).cloned();
                let wanted = wanted.keys().map(|id| self.names.workload(id)).collect();
                let namespaces = self.namespaces.difference(&wanted).cloned();
                (links.collect(), namespaces.collect())
            }
        };
        self.delete(&links)?;
        for name in &namespaces {
            self.namespace_fds.remove(name);
            namespace::remove(name).doing(|| format!("removing the namespace {name}"))?;
            self.namespaces.remove(name);
        }
        Ok(links.len() + namespaces.len())
    }

    pub(super) fn delete(&mut self, links: &[Link]) -> Result<(), EngineError> {
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

    /// Makes the interfaces that are not kept; the data path does not know them yet.
    pub(super) fn make_missing(
        &mut self,
        change: &Change,
        kept: &Links,
        applied: &mut Applied,
    ) -> Links {
        let interfaces = change.after.network.interfaces.iter();
        let missing: Vec<_> = interfaces
            .filter(|(id, _)| change.touches(id) && !kept.contains_key(*id))
            .collect();
        let mut made = BTreeMap::new();
        for (id, interface) in missing {
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
        self.hold(&namespace);
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
            is_ethernet: true,
            other_end: 0,
        };
        self.links.insert(name.clone(), link);
        // The program first, so that no packet ever meets the core namespace's own stack.
        self.attachments
            .attach(&mut self.data_path.guest_egress, &name)?;
        interface::set_up(&mut self.netlink, index, &namespace, interface).doing(making)?;
        Ok(index)
    }

    /// Attaches the program where it is not, or not this build's. Where that fails the link goes:
    /// an earlier build's program would go by tables that nobody keeps any more.
    pub(super) fn attach_kept(&mut self, kept: &Links, applied: &mut Applied) {
        for id in kept.keys() {
            let name = names::link(id);
            let program = &mut self.data_path.guest_egress;
            match self.attachments.ensure(program, &name, Attachments::attach) {
                Ok(Attached::Already) => {}
                Ok(Attached::InPlaceOfAnother) => applied.changes += 1,
                Ok(Attached::Anew) => {
                    applied.changes += 1;
                    applied.repairs.add(RepairKind::Attachment, || {
                        format!("no program was attached to the link {name} of {id}")
                    });
                }
                Err(error) => {
                    applied
                        .failed
                        .insert(id.clone(), self.withdraw(&name, &error));
                }
            }
        }
    }

    /// Gives kept interfaces their MTU; the alias says which one they have, so it comes last.
    pub(super) fn adjust_kept(&mut self, change: &Change, kept: &Links, applied: &mut Applied) {
        for (id, &index) in kept {
            let Some(interface) = change.after.network.interfaces.get(id) else {
                continue;
            };
            if !change.touches(id) || applied.failed.contains_key(id) {
                continue;
            }
            let name = names::link(id);
            let alias = names::alias(id, interface);
            let Some(link) = self.links.get(&name).cloned() else {
                continue;
            };
            let mtu = interface::mtu(interface);
            if link.alias == alias && link.mtu == mtu {
                continue;
            }
            let namespace = self.names.workload(id);
            let adjusted = interface::change_mtu(&mut self.netlink, &link, &namespace, interface)
                .and_then(|()| self.netlink.set_alias(index, &alias))
                .doing(|| format!("giving the link {name} of {id} an MTU of {mtu}"));
            match adjusted {
                Ok(()) => {
                    self.links.insert(name, Link { alias, mtu, ..link });
                    applied.changes += 1;
                }
                Err(error) => {
                    let reason = self.withdraw(&name, &error);
                    applied.failed.insert(id.clone(), reason);
                }
            }
        }
    }

    /// Puts new interfaces into service, once the data path knows them: what is sent from now on
    /// arrives. The alias comes last and says that the interface is whole.
    pub(super) fn commission(&mut self, change: &Change, made: &Links, applied: &mut Applied) {
        for (id, &index) in made {
            let Some(interface) = change.after.network.interfaces.get(id) else {
                continue;
            };
            let name = names::link(id);
            let alias = names::alias(id, interface);
            let commissioned = self
                .netlink
                .wait_until_operational(index)
                .and_then(|()| self.netlink.set_alias(index, &alias))
                .doing(|| format!("putting the link {name} of {id} into service"));
            #[cfg(test)]
            let commissioned = match self.not_commissioned.contains(id) {
                true => Err(EngineError::Stopped),
                false => commissioned,
            };
            match commissioned {
                Ok(()) => {
                    self.links.entry(name).and_modify(|link| link.alias = alias);
                }
                Err(error) => {
                    let reason = self.withdraw(&name, &error);
                    applied.failed.insert(id.clone(), reason);
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
            Ok(()) => error_chain(error),
            Err(also) => format!("{}; and then {}", error_chain(error), error_chain(&also)),
        }
    }
}
