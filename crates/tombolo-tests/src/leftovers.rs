//! What a server may have left on the machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::probe;

/// What a server with a running probe has on the machine, to see later that it is gone.
#[derive(Debug)]
pub struct Left {
    directory: PathBuf,
    namespaces: Vec<String>,
}

impl Left {
    /// Looks at the server of a data directory.
    ///
    /// # Panics
    /// No probe of its fleets runs.
    #[track_caller]
    pub fn look(directory: &Path) -> Self {
        let probes = processes_with(&probe::mark(directory));
        let probe = probes.first().expect("a probe runs");
        Left {
            directory: directory.to_owned(),
            namespaces: namespaces_beside(*probe),
        }
    }

    /// The processes of the server's fleets.
    pub fn processes(&self) -> Vec<u32> {
        processes_with(&probe::mark(&self.directory))
    }

    /// The namespaces that are a workload's, and not the server's own.
    pub fn workloads(&self) -> Vec<String> {
        let all = self.namespaces.iter();
        all.filter(|name| !name.ends_with("-core"))
            .cloned()
            .collect()
    }

    /// Fails when something is left of the server.
    ///
    /// # Panics
    /// Something is; the message says what.
    #[track_caller]
    pub fn assert_gone(&self) {
        assert_eq!(self.processes(), Vec::<u32>::new(), "processes are left");
        let mounts = mounts_in(&self.directory);
        assert_eq!(mounts, Vec::<String>::new(), "mounts are left");
        let left = namespaces();
        let left: Vec<_> = self
            .namespaces
            .iter()
            .filter(|name| left.contains(name))
            .collect();
        assert!(left.is_empty(), "the namespaces {left:?} are left");
    }
}

/// Ids of the processes whose command line has `text` in it, this one not among them.
pub fn processes_with(text: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("reading /proc").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&id| id != std::process::id() && command_line(id).contains(text))
        .collect()
}

/// Ids of the processes that were started in an environment with `text` in it, this one not among
/// them. Server processes of a fleet have none of the server's environment.
pub fn processes_in(text: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("reading /proc").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&id| {
        // A process may end while it is looked at.
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        id != std::process::id() && String::from_utf8_lossy(&environment).contains(text)
    })
    .collect()
}

/// Mounts of this machine that have `directory` in them.
pub fn mounts_in(directory: &Path) -> Vec<String> {
    let directory = directory.to_string_lossy();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("reading the mounts");
    let left = mounts.lines().filter(|line| line.contains(&*directory));
    left.map(ToOwned::to_owned).collect()
}

/// Names of the network namespaces that the server of process `pid`'s namespace has made.
///
/// # Panics
/// The process is in no namespace that has a name.
#[track_caller]
pub fn namespaces_beside(pid: u32) -> Vec<String> {
    let inode = fs::metadata(format!("/proc/{pid}/ns/net"))
        .expect("the process is there")
        .ino();
    let names = namespaces();
    let own = names.iter().find(|name| {
        let found = fs::metadata(format!("/run/netns/{name}"));
        found.is_ok_and(|found| found.ino() == inode)
    });
    let own = own.unwrap_or_else(|| panic!("process {pid} is in none of {names:?}"));
    let (prefix, _) = own.rsplit_once('-').expect("tmb-<server>-<interface>");
    let prefix = format!("{prefix}-");
    names
        .into_iter()
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

/// Names of all network namespaces of this machine that have one.
pub fn namespaces() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

fn command_line(id: u32) -> String {
    // A process may end while it is looked at; then it has no command line.
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
