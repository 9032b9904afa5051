//! What of the sandbox this machine can do.

use std::fs;

use super::landlock_version;
use crate::cgroup::{Controller, Hierarchies, Version};

/// What of the sandbox of server processes this machine can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSupport {
    /// Whether system calls are filtered (`seccomp(2)`).
    pub seccomp: bool,
    /// The version of Landlock (`landlock(7)`), from 2; `None` is none that is of use.
    pub landlock: Option<i32>,
    /// Whether builds can have an `install.sh`, and log folders that they do not bring.
    pub overlay: bool,
    /// By which version of control groups memory is limited; `None` is not at all.
    pub memory: Option<u8>,
    /// By which version of control groups processes are limited; `None` is not at all.
    pub processes: Option<u8>,
    /// By which version of control groups CPU time is limited; `None` is not at all.
    pub cpu: Option<u8>,
}

impl SandboxSupport {
    /// Looks at this machine, and changes nothing.
    pub fn of_this_machine() -> Self {
        let hierarchies = Hierarchies::of_this_process().unwrap_or_default();
        let version = |controller| match hierarchies.parent(controller)?.version {
            Version::V1 => Some(1),
            Version::V2 => Some(2),
        };
        SandboxSupport {
            seccomp: fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail")
                .is_ok_and(|actions| actions.split_whitespace().any(|action| action == "errno")),
            landlock: landlock_version(),
            overlay: has_overlay(),
            memory: version(Controller::Memory),
            processes: version(Controller::Pids),
            cpu: version(Controller::Cpu),
        }
    }
}

/// Whether the kernel knows the overlay file system, or has a module for it.
fn has_overlay() -> bool {
    let knows = fs::read_to_string("/proc/filesystems")
        .is_ok_and(|all| all.split_whitespace().any(|name| name == "overlay"));
    knows
        || fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| {
            let modules = format!("/lib/modules/{}/modules.dep", release.trim());
            fs::read_to_string(modules).is_ok_and(|all| all.contains("/overlay.ko"))
        })
}
