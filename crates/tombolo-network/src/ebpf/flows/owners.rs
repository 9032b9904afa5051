//! Which interface a link's index in the core namespace stands for.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tombolo_domain::id::NetworkInterfaceId;

use crate::ebpf::maps::flow_entries::OUTSIDE_LINK;

/// The links of the core namespace and whose they are; a clone is the same list. An index is not
/// given twice, so one that went can be remembered for the flows that it still had.
#[derive(Debug, Clone, Default)]
pub(in crate::ebpf) struct Owners {
    lists: Arc<RwLock<Lists>>,
}

#[derive(Debug, Default)]
struct Lists {
    /// `None` until the first `apply`.
    here: Option<BTreeMap<u32, NetworkInterfaceId>>,
    /// Those that went since the sweep before the last.
    gone: [BTreeMap<u32, NetworkInterfaceId>; 2],
}

impl Owners {
    /// The interfaces that there are now.
    pub(in crate::ebpf) fn set(&self, here: BTreeMap<u32, NetworkInterfaceId>) {
        self.change(|lists| {
            let before = lists.here.take().unwrap_or_default();
            let gone = before
                .into_iter()
                .filter(|(link, _)| !here.contains_key(link));
            lists.gone[0].extend(gone);
            lists.here = Some(here);
        });
    }

    /// That these links went, and those came.
    pub(in crate::ebpf) fn update(
        &self,
        gone: impl IntoIterator<Item = u32>,
        come: impl IntoIterator<Item = (u32, NetworkInterfaceId)>,
    ) {
        self.change(|lists| {
            let here = lists.here.get_or_insert_default();
            for link in gone {
                if let Some(id) = here.remove(&link) {
                    lists.gone[0].insert(link, id);
                }
            }
            here.extend(come);
        });
    }

    /// The interfaces that there are now, by their links.
    pub(in crate::ebpf) fn current(&self) -> BTreeMap<u32, NetworkInterfaceId> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        lists.here.clone().unwrap_or_default()
    }

    /// Whose link that is, or was a moment ago.
    pub(super) fn interface(&self, link: u32) -> Option<NetworkInterfaceId> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        let [new, old] = &lists.gone;
        let mut among = lists.here.iter().chain([new, old]);
        among.find_map(|list| list.get(&link)).cloned()
    }

    /// Whether that link is gone; none is while nobody knows.
    pub(super) fn is_gone(&self, link: u32) -> bool {
        if link == OUTSIDE_LINK {
            return false;
        }
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        let here = lists.here.as_ref();
        here.is_some_and(|here| !here.contains_key(&link))
    }

    /// A sweep begins: what went before the last one has no flows any more.
    pub(super) fn age(&self) {
        self.change(|lists| {
            let [new, old] = &mut lists.gone;
            *old = std::mem::take(new);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Lists)) {
        // Each entry is put or removed whole, so a panic elsewhere leaves none half-made.
        change(&mut self.lists.write().unwrap_or_else(PoisonError::into_inner));
    }
}
