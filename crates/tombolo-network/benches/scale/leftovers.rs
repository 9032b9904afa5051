//! What is left of interfaces that were taken away.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tombolo_testkit::netns::within;

/// Where network namespaces have their names.
const NAMES: &str = "/run/netns";

/// The links and namespaces of an engine's interfaces.
pub(crate) struct Leftovers {
    prefix: String,
    core: PathBuf,
}

impl Leftovers {
    pub(crate) fn of_engine(name: &str) -> Self {
        let prefix = format!("tmb-{name}-");
        Leftovers {
            core: Path::new(NAMES).join(format!("{prefix}core")),
            prefix,
        }
    }

    /// Waits until there is no link but the loopback, and no name but the core namespace's.
    pub(crate) fn wait_for_none(&self) {
        while self.links() > 1 || self.names() > 1 {
            thread::yield_now();
        }
    }

    fn links(&self) -> usize {
        let devices = within(&self.core, || {
            fs::read_to_string("/proc/thread-self/net/dev").unwrap()
        });
        devices.lines().filter(|line| line.contains(':')).count()
    }

    fn names(&self) -> usize {
        let names = fs::read_dir(NAMES).unwrap().map(|entry| entry.unwrap());
        names
            .filter(|name| name.file_name().to_string_lossy().starts_with(&self.prefix))
            .count()
    }
}

/// Waits until the kernel, which takes network namespaces apart after nobody has them any more, has
/// no more of them than a test may have at a time.
pub(crate) fn wait_for_the_kernel() {
    while namespaces() > 64 {
        // It takes minutes of one CPU, of which nobody should take more.
        thread::sleep(Duration::from_millis(50));
    }
}

/// How many network namespaces the kernel has, those that nobody can reach any more included.
fn namespaces() -> u64 {
    let slabs = fs::read_to_string("/proc/slabinfo").unwrap();
    let of_namespaces = slabs
        .lines()
        .find(|line| line.starts_with("net_namespace "));
    let active = of_namespaces.and_then(|line| line.split_whitespace().nth(1));
    active.map_or(0, |active| active.parse().unwrap())
}
