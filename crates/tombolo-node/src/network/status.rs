//! Which interfaces the engine has, for those who wait for theirs.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;
use tombolo_domain::id::NetworkInterfaceId;

/// Which interfaces the engine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NetworkStatus {
    /// Made.
    pub(crate) ready: BTreeSet<NetworkInterfaceId>,
    /// Could not be made, and why.
    pub(crate) failed: BTreeMap<NetworkInterfaceId, String>,
}

impl NetworkStatus {
    /// Whether the engine has dealt with `interface`.
    pub(crate) fn knows(&self, interface: &NetworkInterfaceId) -> bool {
        self.ready.contains(interface) || self.failed.contains_key(interface)
    }

    /// Tells what is so of all interfaces. Every worker of a fleet and every instance waits for it, so
    /// nobody is woken when it was told already.
    pub(super) fn set(self, told: &watch::Sender<NetworkStatus>) {
        told.send_if_modified(|told| {
            let differs = *told != self;
            *told = self;
            differs
        });
    }

    /// Tells what has become of the interfaces `named`, each with whether it is wanted.
    pub(super) fn update(
        told: &watch::Sender<NetworkStatus>,
        named: &[(NetworkInterfaceId, bool)],
        failed: &BTreeMap<NetworkInterfaceId, String>,
    ) {
        told.send_if_modified(|told| {
            let mut differs = false;
            for (id, is_wanted) in named {
                let failed = failed.get(id);
                differs |= match *is_wanted && failed.is_none() {
                    true => told.ready.insert(id.clone()),
                    false => told.ready.remove(id),
                };
                differs |= match failed {
                    Some(reason) => {
                        told.failed.insert(id.clone(), reason.clone()).as_ref() != Some(reason)
                    }
                    None => told.failed.remove(id).is_some(),
                };
            }
            differs
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eni(number: u32) -> NetworkInterfaceId {
        format!("eni-{number:017x}").parse().unwrap()
    }

    #[test]
    fn nobody_is_woken_when_nothing_differs() {
        let (told, mut waiting) = watch::channel(NetworkStatus::default());
        let status = || NetworkStatus {
            ready: [eni(1)].into(),
            failed: [(eni(2), "the name is taken".to_owned())].into(),
        };
        let mut is_woken = || {
            let is_woken = waiting.has_changed().unwrap();
            waiting.mark_unchanged();
            is_woken
        };
        status().set(&told);
        assert!(is_woken());
        status().set(&told);
        assert!(!is_woken());

        let failed = status().failed;
        NetworkStatus::update(&told, &[(eni(1), true), (eni(2), true)], &failed);
        assert!(!is_woken());
        NetworkStatus::update(&told, &[], &BTreeMap::new());
        assert!(!is_woken());
        NetworkStatus::update(&told, &[(eni(2), true)], &BTreeMap::new());
        assert!(is_woken());
        NetworkStatus::update(&told, &[(eni(1), false)], &BTreeMap::new());
        assert!(is_woken());
        assert_eq!(told.borrow().ready, [eni(2)].into());
        assert!(told.borrow().failed.is_empty());
    }
}
