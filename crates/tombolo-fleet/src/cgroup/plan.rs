//! Making the groups of an instance.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{CPU_PERIOD_USEC, Cgroup, Counted, Groups, HINT, Version, open};
use super::{Controller, Hierarchies};
use crate::api::spec::Limits;
use crate::step::{Doing, Hint, StepError};

/// Where a container's own processes go, so that its top group may have groups with limits.
const CONTAINER: &str = "tombolo-container";

/// The kernel's list of swap areas (`proc_swaps(5)`).
const SWAPS: &str = "/proc/swaps";

/// How often to look for processes of the container that were started meanwhile.
const VACATE_ROUNDS: usize = 100;

/// Which groups are to be made for what.
#[derive(Default)]
pub(super) struct Plan {
    controllers: Vec<ControllerGroup>,
}

/// A controller, and the group in which it limits or counts.
struct ControllerGroup {
    controller: Controller,
    version: Version,
    parent: PathBuf,
    group: PathBuf,
}

impl Plan {
    /// The groups with `name` that keep `limits`; `None` when nothing is to be limited.
    pub(super) fn of(limits: &Limits, name: &str) -> Result<Option<Self>, StepError> {
        if *limits == Limits::default() {
            return Ok(None);
        }
        let hierarchies = Hierarchies::of_this_process()
            .doing(|| "looking for control groups in /proc/self".into())
            .hint(|_| HINT)?;
        let mut plan = Plan::default();
        for (controller, is_asked_for) in [
            (Controller::Memory, limits.memory_bytes.is_some()),
            (Controller::Pids, limits.processes.is_some()),
            (Controller::Cpu, limits.cpu_millis.is_some()),
            (Controller::Cpuacct, false),
        ] {
            plan.add(&hierarchies, controller, is_asked_for, name)?;
        }
        Ok(Some(plan))
    }

    /// Lets the groups have the controllers.
    pub(super) fn enable(&self) -> Result<(), StepError> {
        let mut in_version_2 = self
            .controllers
            .iter()
            .filter(|controller| controller.version == Version::V2);
        in_version_2.try_for_each(|controller| enable(&controller.parent, controller.controller))
    }

    /// Plans a group `name` for `controller`. One that is not asked for is taken along where it
    /// costs nothing, to count.
    fn add(
        &mut self,
        hierarchies: &Hierarchies,
        controller: Controller,
        is_asked_for: bool,
        name: &str,
    ) -> Result<(), StepError> {
        let Some(parent) = hierarchies.parent(controller) else {
            if !is_asked_for {
                return Ok(());
            }
            let doing = format!(
                "limiting an instance: no control group hierarchy has the controller `{}`",
                controller.name()
            );
            return Err(StepError::new(
                doing,
                ErrorKind::NotFound.into(),
                Some(HINT),
            ));
        };
        let counts_for_free = match parent.version {
            Version::V1 => controller == Controller::Cpuacct,
            Version::V2 => true,
        };
        if is_asked_for || counts_for_free {
            self.controllers.push(ControllerGroup {
                controller,
                version: parent.version,
                group: parent.folder.join(name),
                parent: parent.folder,
            });
        }
        Ok(())
    }

    /// The groups, each once: one may be for several controllers.
    pub(super) fn groups(&self) -> Groups {
        let mut folders: Vec<PathBuf> = Vec::new();
        for controller in &self.controllers {
            if !folders.contains(&controller.group) {
                folders.push(controller.group.clone());
            }
        }
        Groups { groups: folders }
    }

    /// Makes the groups and writes the limits.
    pub(super) fn carry_out(&self, limits: &Limits) -> Result<Cgroup, StepError> {
        let (mut procs_files, mut locations) = (Vec::new(), Vec::new());
        for group in self.groups().groups {
            let made = fs::create_dir(&group);
            doing("making the control group", &group, adopt(made))?;
            procs_files.push(open_to_write(&group.join("cgroup.procs"))?);
            if let (Some(parent), Some(name)) = (group.parent(), group.file_name()) {
                locations.push((open(parent)?, name.to_owned()));
            }
        }
        let mut cgroup = Cgroup {
            procs_files,
            memory: None,
            processes: None,
            cpu: None,
            limits: limits.clone(),
            locations,
        };
        for controller in &self.controllers {
            controller.limit(limits)?;
            controller.count(&mut cgroup)?;
        }
        Ok(cgroup)
    }
}

/// A group of the same name, which another supervisor with this process id left, will do.
fn adopt(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

impl ControllerGroup {
    fn limit(&self, limits: &Limits) -> Result<(), StepError> {
        let Limits {
            memory_bytes,
            processes,
            cpu_millis,
        } = *limits;
        match (self.controller, self.version) {
            (Controller::Memory, Version::V1) => {
                let Some(bytes) = memory_bytes else {
                    return Ok(());
                };
                self.write("memory.limit_in_bytes", bytes)?;
                // Memory and swap together, where swap is counted; else none of it is swapped.
                match self.has("memory.memsw.limit_in_bytes") {
                    true => self.write("memory.memsw.limit_in_bytes", bytes),
                    false => self.write("memory.swappiness", 0),
                }
            }
            (Controller::Memory, Version::V2) => {
                let Some(bytes) = memory_bytes else {
                    return Ok(());
                };
                self.write("memory.max", bytes)?;
                self.forbid_swap(Path::new(SWAPS))
            }
            (Controller::Pids, _) => processes.map_or(Ok(()), |most| self.write("pids.max", most)),
            (Controller::Cpu, version) => {
                let Some(millis) = cpu_millis else {
                    return Ok(());
                };
                let quota = millis.saturating_mul(CPU_PERIOD_USEC) / 1000;
                match version {
                    Version::V1 => {
                        self.write("cpu.cfs_period_us", CPU_PERIOD_USEC)?;
                        self.write("cpu.cfs_quota_us", quota)
                    }
                    Version::V2 => self.write("cpu.max", format!("{quota} {CPU_PERIOD_USEC}")),
                }
            }
            (Controller::Cpuacct, _) => Ok(()),
        }
    }

    /// Opens what tells how much is used.
    fn count(&self, cgroup: &mut Cgroup) -> Result<(), StepError> {
        let file = |name: &str| open(&self.group.join(name));
        match (self.controller, self.version) {
            (Controller::Memory, version) => {
                let (current, events) = match version {
                    Version::V1 => ("memory.usage_in_bytes", "memory.oom_control"),
                    Version::V2 => ("memory.current", "memory.events"),
                };
                cgroup.memory = Some(Counted {
                    current: file(current)?,
                    events: Some(file(events)?),
                });
            }
            (Controller::Pids, _) => {
                cgroup.processes = Some(Counted {
                    current: file("pids.current")?,
                    events: None,
                });
            }
            (Controller::Cpuacct, _) => cgroup.cpu = Some((Version::V1, file("cpuacct.usage")?)),
            (Controller::Cpu, Version::V2) => cgroup.cpu = Some((Version::V2, file("cpu.stat")?)),
            (Controller::Cpu, Version::V1) => {}
        }
        Ok(())
    }

    /// Keeps the group's memory out of swap areas, of which `swaps` tells. A kernel that does not
    /// count swap cannot; without an area nothing is swapped.
    fn forbid_swap(&self, swaps: &Path) -> Result<(), StepError> {
        if self.has("memory.swap.max") {
            return self.write("memory.swap.max", 0);
        }
        let areas = match fs::read_to_string(swaps) {
            Ok(areas) => areas,
            // A kernel without swap.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return doing("reading", swaps, Err(error)),
        };
        // Below the heading, one line each.
        match areas.lines().nth(1) {
            None => Ok(()),
            Some(area) => Err(StepError::new(
                format!(
                    "limiting memory without swap: the machine swaps to {}, and {} is not there",
                    area.split_whitespace().next().unwrap_or_default(),
                    self.group.join("memory.swap.max").display()
                ),
                ErrorKind::Unsupported.into(),
                Some(
                    "start the kernel with swapaccount=1 or turn swapping off by `swapoff -a`; \
                     memory = \"none\" in [sandbox] of the configuration asks for no limit",
                ),
            )),
        }
    }

    fn has(&self, file: &str) -> bool {
        self.group.join(file).exists()
    }

    fn write(&self, file: &str, value: impl ToString) -> Result<(), StepError> {
        let (path, value) = (self.group.join(file), value.to_string());
        doing(
            &format!("writing {value} to"),
            &path,
            fs::write(&path, &value),
        )
    }
}

/// Gives the groups in `parent` the controller.
fn enable(parent: &Path, controller: Controller) -> Result<(), StepError> {
    let control = parent.join("cgroup.subtree_control");
    let enabled = doing("reading", &control, fs::read_to_string(&control))?;
    let name = controller.name();
    if enabled.split_whitespace().any(|there| there == name) {
        return Ok(());
    }
    let mut written = fs::write(&control, format!("+{name}"));
    // Only the machine's top group may have processes beside groups with controllers; it is known
    // by the file that it lacks. Another one on top is a container's, which is this server's.
    let is_busy = |error: &io::Error| error.raw_os_error() == Some(Errno::EBUSY as i32);
    if written.as_ref().is_err_and(is_busy) && parent.join("cgroup.type").exists() {
        doing("moving the processes out of", parent, vacate(parent))?;
        written = fs::write(&control, format!("+{name}"));
    }
    doing(&format!("writing +{name} to"), &control, written)
}

/// Moves the processes of the container's top group into a group below it.
fn vacate(top: &Path) -> io::Result<()> {
    let below = top.join(CONTAINER);
    adopt(fs::create_dir(&below))?;
    for _ in 0..VACATE_ROUNDS {
        let processes = fs::read_to_string(top.join("cgroup.procs"))?;
        if processes.is_empty() {
            return Ok(());
        }
        for process in processes.lines() {
            match fs::write(below.join("cgroup.procs"), process) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
                moved => moved?,
            }
        }
    }
    Err(ErrorKind::ResourceBusy.into())
}

fn open_to_write(path: &Path) -> Result<fs::File, StepError> {
    let file = fs::OpenOptions::new().write(true).open(path);
    doing("opening", path, file)
}

pub(super) fn doing<T>(what: &str, path: &Path, result: io::Result<T>) -> Result<T, StepError> {
    result
        .doing(|| format!("{what} {}", path.display()))
        .hint(|_| HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    #[test]
    fn memory_is_limited_without_swap_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let swaps = place.path().join("swaps");
        let group = ControllerGroup {
            controller: Controller::Memory,
            version: Version::V2,
            parent: place.path().to_owned(),
            group: place.path().to_owned(),
        };
        group.forbid_swap(&swaps).unwrap();
        fs::write(&swaps, HEADING).unwrap();
        group.forbid_swap(&swaps).unwrap();
        fs::write(&swaps, format!("{HEADING}/dev/vdb partition 1 0 -2\n")).unwrap();
        let error = group.forbid_swap(&swaps).unwrap_err();
        let report = error.report();
        assert!(report.contains("swaps to /dev/vdb"), "{report}");
        let limit = place.path().join("memory.swap.max");
        fs::write(&limit, "max").unwrap();
        group.forbid_swap(&swaps).unwrap();
        assert_eq!(fs::read_to_string(limit).unwrap(), "0");
    }
}
