//! Hosts, and the boots that processes are of.

pub(crate) mod v1 {
    use tombolo_domain::host;
    use tombolo_domain::id::{BootId, HostId};

    record! {
        struct HostBoot of host::HostBoot {
            host: HostId,
            boot: BootId,
        }
    }
}
