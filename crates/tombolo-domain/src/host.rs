//! Hosts: the machines that nodes run on.

use crate::id::{BootId, HostId};

/// One boot of a host. No process lives longer than the boot that it started in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBoot {
    /// The host.
    pub host: HostId,
    /// The boot.
    pub boot: BootId,
}

/// What a host can tell of a process, by the boot that it started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locality {
    /// It is another host's: its pid means nothing here.
    OtherHost,
    /// It is of an earlier boot of this host: it has ended, whatever has its pid now.
    EarlierBoot,
    /// It started in this boot: its pid and start time say whether it runs.
    ThisBoot,
}

impl HostBoot {
    /// What this host, in this boot, can tell of a process that started in `boot`. One without a boot
    /// was recorded before hosts had ids: it is this host's, and only its start time tells it from
    /// another one.
    pub fn locality_of(&self, boot: Option<&HostBoot>) -> Locality {
        match boot {
            Some(other) if other.host != self.host => Locality::OtherHost,
            Some(other) if other.boot != self.boot => Locality::EarlierBoot,
            Some(_) | None => Locality::ThisBoot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededIds;

    #[test]
    fn a_process_is_judged_only_in_the_boot_that_it_started_in() {
        let ids = SeededIds::new(1);
        let boot = || BootId::generate(&ids);
        let here = HostBoot {
            host: HostId::generate(&ids),
            boot: boot(),
        };
        let earlier = HostBoot {
            boot: boot(),
            ..here.clone()
        };
        let elsewhere = HostBoot {
            host: HostId::generate(&ids),
            ..here.clone()
        };
        assert_eq!(here.locality_of(Some(&here)), Locality::ThisBoot);
        assert_eq!(here.locality_of(None), Locality::ThisBoot);
        assert_eq!(here.locality_of(Some(&earlier)), Locality::EarlierBoot);
        assert_eq!(here.locality_of(Some(&elsewhere)), Locality::OtherHost);
    }
}
