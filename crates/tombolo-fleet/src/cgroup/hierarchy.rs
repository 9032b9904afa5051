//! Where control groups are made on this machine: in version 1, where each controller has a
//! hierarchy, in version 2, which has one, or in both side by side.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What limits something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
    /// Counts CPU time in version 1; in version 2 the cpu controller does.
    Cpuacct,
}

impl Controller {
    /// The kernel's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Cpu => "cpu",
            Controller::Cpuacct => "cpuacct",
        }
    }
}

/// The version of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A group in which groups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) version: Version,
    pub(crate) folder: PathBuf,
}

/// The hierarchies that are mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// In version 1, by the controllers' names, the group that this process is in.
    version_1: Vec<(String, PathBuf)>,
    /// In version 2, the group at the top, as far as it is seen: a group with processes in it gives
    /// no controllers to those below, and only the machine's own top may.
    version_2: Option<PathBuf>,
}

impl Hierarchies {
    pub(crate) fn of_this_process() -> io::Result<Self> {
        Ok(Self::read(
            &fs::read_to_string("/proc/self/mountinfo")?,
            &fs::read_to_string("/proc/self/cgroup")?,
        ))
    }

    /// From the texts of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`) and `/proc/self/cgroup`
    /// (`cgroups(7)`).
    fn read(mounts: &str, groups: &str) -> Self {
        let mut found = Hierarchies::default();
        for mount in mounts.lines().filter_map(Mount::read) {
            if mount.kind == "cgroup2" {
                found.version_2.get_or_insert(mount.point);
            } else if mount.kind == "cgroup" {
                for controller in mount.options.split(',') {
                    let group = group_of(groups, controller);
                    let folder = group.and_then(|group| mount.folder_of(group));
                    let is_new = !found.version_1.iter().any(|(name, _)| name == controller);
                    if let (Some(folder), true) = (folder, is_new) {
                        found.version_1.push((controller.to_owned(), folder));
                    }
                }
            }
        }
        found
    }

    /// Where the groups for `controller` are made. In version 2 it is asked whether the kernel has
    /// it there.
    pub(crate) fn parent(&self, controller: Controller) -> Option<Parent> {
        let in_version_1 = self
            .version_1
            .iter()
            .find(|(name, _)| name == controller.name())
            .map(|(_, folder)| Parent {
                version: Version::V1,
                folder: folder.clone(),
            });
        in_version_1.or_else(|| {
            let folder = self.version_2.clone()?;
            let there = fs::read_to_string(folder.join("cgroup.controllers")).ok()?;
            there
                .split_whitespace()
                .any(|name| name == controller.name())
                .then_some(Parent {
                    version: Version::V2,
                    folder,
                })
        })
    }
}

/// The group of this process in the hierarchy of a controller of version 1.
fn group_of<'a>(groups: &'a str, controller: &str) -> Option<&'a str> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then_some(group)
    })
}

/// A line of `mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut file_system = file_system.split(' ');
        Some(Mount {
            root,
            point: PathBuf::from(point.replace("\\040", " ")),
            kind: file_system.next()?,
            options: file_system.nth(1)?,
        })
    }

    /// The folder of `group`, where the mount shows it: a container may see a part of the hierarchy
    /// only.
    fn folder_of(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root).ok()?;
        Some(self.point.join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_version_1(found: &Hierarchies, controller: Controller) -> Option<PathBuf> {
        let parent = found.parent(controller)?;
        assert_eq!(parent.version, Version::V1);
        Some(parent.folder)
    }

    #[test]
    fn in_version_1_a_group_is_made_in_that_of_this_process() {
        let mounts = "\
31 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
33 31 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
36 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
38 31 0:34 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory
39 31 0:35 /docker/c0ffee /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
";
        let groups = "\
9:memory:/system.slice/tombolo.service
4:cpu,cpuacct:/system.slice
3:pids:/docker/c0ffee
1:name=systemd:/system.slice/tombolo.service
";
        let found = Hierarchies::read(mounts, groups);
        for (controller, folder) in [
            (
                Controller::Memory,
                "/sys/fs/cgroup/memory/system.slice/tombolo.service",
            ),
            (Controller::Cpu, "/sys/fs/cgroup/cpu,cpuacct/system.slice"),
            (
                Controller::Cpuacct,
                "/sys/fs/cgroup/cpu,cpuacct/system.slice",
            ),
            // The container sees its own group as the top.
            (Controller::Pids, "/sys/fs/cgroup/pids/"),
        ] {
            assert_eq!(in_version_1(&found, controller), Some(folder.into()));
        }
        assert_eq!(found.version_2, None);
    }

    #[test]
    fn in_version_2_a_group_is_made_at_the_top_if_the_controller_is_there() {
        let top = tempfile::tempdir().unwrap();
        let mounts = format!(
            "28 23 0:25 / {} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
            top.path().display()
        );
        let found = Hierarchies::read(&mounts, "0::/user.slice/session-1.scope\n");
        assert_eq!(found.parent(Controller::Memory), None);
        fs::write(
            top.path().join("cgroup.controllers"),
            "cpuset cpu io memory hugetlb pids\n",
        )
        .unwrap();
        let expected = Parent {
            version: Version::V2,
            folder: top.path().to_owned(),
        };
        for controller in [Controller::Memory, Controller::Pids, Controller::Cpu] {
            assert_eq!(found.parent(controller), Some(expected.clone()));
        }
        assert_eq!(found.parent(Controller::Cpuacct), None);
    }

    #[test]
    fn where_both_are_mounted_a_controller_is_where_the_kernel_has_it() {
        let mounts = "\
40 31 0:36 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
41 31 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
        let found = Hierarchies::read(mounts, "4:memory:/\n0::/\n");
        assert_eq!(
            in_version_1(&found, Controller::Memory),
            Some("/sys/fs/cgroup/memory/".into())
        );
        assert_eq!(found.version_2, Some("/sys/fs/cgroup/unified".into()));
    }
}
