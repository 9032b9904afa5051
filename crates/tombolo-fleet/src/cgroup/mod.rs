//! Control groups (`cgroups(7)`): what the processes of an instance may use together.
//!
//! An instance has a group `tombolo-INSTANCE-PID` in each hierarchy that limits something, which
//! its server processes are in. Its supervisor is not: it must outlive a bomb, and tell of it.
//! Where the groups are is in `cgroups.json` in the instance's directory before they are made, so
//! that whoever finds the supervisor dead can remove them.
//!
//! By hand and not by the crate cgroups-rs, which brings 94 others for one folder a hierarchy, and
//! keeps paths where a supervisor that leaves the host's mounts needs descriptors.

mod hierarchy;
mod plan;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use nix::unistd::{UnlinkatFlags, unlinkat};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::format::InstanceFile;
use crate::api::spec::{InstanceSpec, Limits};
use crate::api::status::Usage;
use crate::step::{Doing, Hint, StepError};
pub(crate) use hierarchy::{Controller, Hierarchies, Version};
use plan::{Plan, doing};

/// The period in which CPU time is counted out, in microseconds.
const CPU_PERIOD_USEC: u64 = 100_000;

/// The hint when a limit cannot be set.
const HINT: &str = "`tombolo doctor` says which limits this machine can keep; in [sandbox] of the \
                    configuration \"none\" asks for no limit";

/// The control group of an instance, by descriptors that are good in any mount namespace.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// `cgroup.procs` of each of its groups.
    procs_files: Vec<File>,
    memory: Option<Counted>,
    processes: Option<Counted>,
    cpu: Option<(Version, File)>,
    limits: Limits,
    /// Each group's name in the folder that it was made in.
    locations: Vec<(File, OsString)>,
}

/// What a group uses of something.
#[derive(Debug)]
struct Counted {
    current: File,
    /// What counts the processes that were killed for want of memory.
    events: Option<File>,
}

impl Cgroup {
    /// Lets groups have the controllers that `limits` take. To be called in the PID namespace of
    /// the server, whose processes may have to make room; from another one they have no numbers.
    pub(crate) fn enable(limits: &Limits) -> Result<(), StepError> {
        // No group is made, so that its name does not matter.
        Plan::of(limits, "tombolo")?.map_or(Ok(()), |plan| plan.enable())
    }

    /// Makes the groups of the instance and writes its limits into them. `None` when nothing is to
    /// be limited.
    pub(crate) fn make(spec: &InstanceSpec, pid: i32) -> Result<Option<Self>, StepError> {
        // What a supervisor that was killed left.
        remove(&spec.directory)
            .doing(|| {
                format!(
                    "removing the control groups of {}",
                    spec.directory.display()
                )
            })
            .hint(|_| "look for processes in them, in the file cgroup.procs")?;
        let limits = &spec.sandbox.limits;
        let name = format!("tombolo-{}-{pid}", spec.instance);
        let Some(plan) = Plan::of(limits, &name)? else {
            return Ok(None);
        };
        let noted = plan.groups().write(&spec.directory);
        doing(
            "noting the control groups in",
            &Groups::path_in(&spec.directory),
            noted,
        )?;
        plan.carry_out(limits).map(Some).inspect_err(|_| {
            // Tried again by whoever starts or removes the instance next.
            let _ = remove(&spec.directory);
        })
    }

    /// Moves this process into the group, where all that it starts will be too.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.procs_files
            .iter()
            .try_for_each(|mut procs| procs.write_all(b"0"))
    }

    /// Removes the groups, which are empty, and the note of them in the instance's `directory`.
    /// What cannot be removed is found by the note.
    pub(crate) fn remove(&self, directory: &File) {
        let removed = self.locations.iter().try_for_each(|(parent, name)| {
            unlinkat(parent, name.as_os_str(), UnlinkatFlags::RemoveDir)
        });
        if removed.is_ok() {
            let _ = unlinkat(directory, Groups::NAME, UnlinkatFlags::NoRemoveDir);
        }
    }

    /// What its processes use now.
    pub(crate) fn usage(&self) -> Usage {
        let number = |file: &File| read_at_start(file).ok()?.trim().parse().ok();
        let counted = |counted: &Option<Counted>| number(&counted.as_ref()?.current);
        Usage {
            cpu_usec: self.cpu.as_ref().and_then(|(version, file)| match version {
                Version::V1 => number(file).map(|nanoseconds| nanoseconds / 1000),
                Version::V2 => field(&read_at_start(file).ok()?, "usage_usec"),
            }),
            memory_bytes: counted(&self.memory),
            memory_limit: self.limits.memory_bytes,
            processes: counted(&self.processes),
            processes_limit: self.limits.processes,
        }
    }

    /// How many of its processes the kernel has killed because they used all the memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let events = self
            .memory
            .as_ref()
            .and_then(|memory| memory.events.as_ref());
        let text = events.and_then(|file| read_at_start(file).ok());
        text.and_then(|text| field(&text, "oom_kill")).unwrap_or(0)
    }
}

fn open(path: &Path) -> Result<File, StepError> {
    doing("opening", path, File::open(path))
}

/// What a file of a control group says now.
fn read_at_start(file: &File) -> io::Result<String> {
    use std::os::unix::fs::FileExt;
    let mut buffer = [0; 4096];
    let length = file.read_at(&mut buffer, 0)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// The number behind `name` in lines of a name and a number.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(key, value)| (key == name).then(|| value.trim().parse().ok())?)
}

/// The groups that an instance has, noted in `cgroups.json` in its directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Groups {
    /// Their folders.
    pub(crate) groups: Vec<PathBuf>,
}

/// Version 0 is the list of folders alone.
impl InstanceFile for Groups {
    const NAME: &'static str = "cgroups.json";
    const VERSION: u32 = 1;
    const REMEDY: &'static str =
        "remove the instance's control groups by rmdir, once it has ended, then the file";

    fn migrate(_from: u32, file: Value) -> Value {
        json!({ "groups": file })
    }
}

/// Whether an instance's `directory` has a note of control groups.
pub(crate) fn are_noted(directory: &Path) -> bool {
    Groups::path_in(directory).exists()
}

/// Removes the control groups that are noted in an instance's `directory`, once no process is in
/// them; without a note there are none.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    let groups = match Groups::read(directory) {
        Ok(groups) => groups,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    groups.remove()?;
    match fs::remove_file(Groups::path_in(directory)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Groups {
    fn remove(&self) -> io::Result<()> {
        self.groups
            .iter()
            .try_for_each(|group| match fs::remove_dir(group) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
    }
}
