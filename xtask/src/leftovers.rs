//! What the tests left on the machine.
//!
//! A [`Run`] remembers what is there before the first test and gives the tests a directory of their own
//! for temporary files. Whatever is there afterwards and was not before is named, and fails the run.
//! What is provably this run's own, because it has that directory in it or descends from this process, is
//! then taken away, so that a run that was interrupted is no obstacle to the next one. Anything else may
//! be another program's.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access};

use crate::{orphans, workspace};

/// How long what was ended may take until it is gone.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether it is.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The directory for temporary files of programs without a TMPDIR.
const SHARED: &str = "/tmp";

/// How much must be free in memory for temporary files to be there, in bytes: several times what tests
/// without root have at a time.
const MIN_MEMORY: u64 = 1 << 30;

/// What the names of tests' temporary files begin with: of those by `tempfile`, the servers' and ours.
const TEMPORARY: [&str; 3] = [".tmp", "tombolo", "tmb-"];

/// What the name of a run's directory begins with.
const RUN: &str = "tmb-run-";

/// Something that can stay behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    /// By id and start time, so that no other process is taken for it.
    Process {
        id: u32,
        started: u64,
        command: String,
    },
    /// A network namespace, by its name.
    Namespace(String),
    Mount(PathBuf),
    /// A control group of an instance.
    Cgroup(PathBuf),
    /// A pinned BPF object.
    Pin(PathBuf),
    /// A link in this process's network namespace.
    Link(String),
    /// A temporary file or directory.
    File(PathBuf),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Process { id, command, .. } => write!(f, "process {id}, {command}"),
            Thing::Namespace(name) => write!(f, "network namespace {name}"),
            Thing::Mount(path) => write!(f, "mount {}", path.display()),
            Thing::Cgroup(path) => write!(f, "control group {}", path.display()),
            Thing::Pin(path) => write!(f, "pinned BPF object {}", path.display()),
            Thing::Link(name) => write!(f, "link {name}"),
            Thing::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// Where temporary files are in memory, so that no test waits for the disk: `/dev/shm`, if programs may run
/// there and it is large enough. Else, and where TMPDIR says another place, it is the usual one.
pub(crate) fn in_memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let is_fit = || -> nix::Result<bool> {
        access(memory, AccessFlags::W_OK | AccessFlags::X_OK)?;
        let space = statvfs(memory)?;
        let free = space.blocks_available() as u64 * space.fragment_size() as u64;
        Ok(statfs(memory)?.filesystem_type() == TMPFS_MAGIC
            && !space.flags().contains(FsFlags::ST_NOEXEC)
            && free >= MIN_MEMORY)
    };
    match std::env::var_os("TMPDIR") {
        None if is_fit().unwrap_or(false) => memory.to_owned(),
        _ => std::env::temp_dir(),
    }
}

/// One run of tests, between two looks at the machine.
#[derive(Debug)]
pub(crate) struct Run {
    directory: PathBuf,
    before: BTreeSet<Thing>,
}

impl Run {
    /// Looks at the machine before the tests run, whose temporary files are made below `parent`. From now on
    /// their orphans are this process's children.
    ///
    /// # Errors
    /// The directory for temporary files cannot be made, /proc or /sys cannot be read, or the kernel gives
    /// this process no orphans.
    pub(crate) fn begin(parent: &Path) -> anyhow::Result<Run> {
        orphans::adopt()?;
        let name = format!("{RUN}{}", std::process::id());
        let directory = parent.join(name);
        // A run that was killed left the directory, and the machine gave its process id again.
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .with_context(|| format!("removing {}", directory.display()))?;
        }
        fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
        // Server processes of instances, which have users of their own, come through it.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        let directory = directory.canonicalize()?;
        let before = look(&directory)?;
        Ok(Run { directory, before })
    }

    /// Has a command's temporary files made in this run's directory.
    pub(crate) fn contains(&self, command: &mut Command) {
        command.env("TMPDIR", &self.directory);
    }

    /// Takes away what is this run's own, and fails if there is anything.
    ///
    /// # Errors
    /// Names everything that is there and was not before.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        // A process that was ended may be there a moment longer.
        let left = self.until(|left| left.is_empty())?;
        if left.is_empty() {
            return Ok(());
        }
        let own: BTreeSet<Thing> = left
            .iter()
            .filter(|thing| self.owns(thing))
            .cloned()
            .collect();
        self.take_away(&own)?;
        let now = self.until(|now| own.is_disjoint(now))?;
        let lines = left.iter().map(|thing| match now.contains(thing) {
            true => format!("  {thing} (still there)"),
            false => format!("  {thing} (taken away now)"),
        });
        let lines: Vec<String> = lines.collect();
        // It was reported once; the next check is about what comes after it.
        self.before.extend(now);
        bail!("the tests left on this machine:\n{}", lines.join("\n"))
    }

    /// What is there and was not before, once `is_so`, or when it has been waited for long enough.
    fn until(&self, is_so: impl Fn(&BTreeSet<Thing>) -> bool) -> anyhow::Result<BTreeSet<Thing>> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        loop {
            let now = look(&self.directory)?;
            let left: BTreeSet<Thing> = now.difference(&self.before).cloned().collect();
            if is_so(&left) || Instant::now() >= deadline {
                return Ok(left);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Whether something is provably of this run.
    fn owns(&self, thing: &Thing) -> bool {
        match thing {
            Thing::Process { id, .. } => is_of_the_run(*id, &self.directory),
            Thing::Mount(path) | Thing::File(path) => path.starts_with(&self.directory),
            Thing::Namespace(name) => directories_below(&self.directory)
                .iter()
                .any(|directory| name.starts_with(&format!("tmb-{}-", engine_name(directory)))),
            // An instance notes its groups in its directory before it makes them.
            Thing::Cgroup(path) => directories_below(&self.directory).iter().any(|directory| {
                let note = fs::read_to_string(directory.join("cgroups.json"));
                note.is_ok_and(|note| note.contains(&*path.to_string_lossy()))
            }),
            Thing::Pin(_) | Thing::Link(_) => false,
        }
    }

    /// Processes go first, since they keep mounts and groups, and files last, since the rest is known
    /// by them.
    fn take_away(&self, own: &BTreeSet<Thing>) -> anyhow::Result<()> {
        for thing in own {
            if let Thing::Process { id, started, .. } = thing
                && started_at(*id) == Some(*started)
            {
                quietly(Command::new("kill").args(["-KILL", &id.to_string()]));
            }
        }
        self.until(|now| {
            let processes = |thing: &&Thing| matches!(thing, Thing::Process { .. });
            !own.iter()
                .filter(processes)
                .any(|thing| now.contains(thing))
        })?;
        // The inner ones first.
        for thing in own.iter().rev() {
            match thing {
                Thing::Namespace(name) => {
                    quietly(Command::new("ip").args(["netns", "delete", name]))
                }
                Thing::Cgroup(path) => quietly(Command::new("rmdir").arg(path)),
                Thing::Mount(path) => quietly(Command::new("umount").arg("--lazy").arg(path)),
                Thing::Process { .. } | Thing::Pin(_) | Thing::Link(_) | Thing::File(_) => {}
            }
        }
        for thing in own {
            if let Thing::File(path) = thing {
                let removed = match path.is_dir() && !path.is_symlink() {
                    true => fs::remove_dir_all(path),
                    false => fs::remove_file(path),
                };
                removed.with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

impl Drop for Run {
    /// Removes the directory; if anything is in it, it has been reported.
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}

/// Everything on this machine that tests could have left, for a run with this directory.
fn look(directory: &Path) -> anyhow::Result<BTreeSet<Thing>> {
    let mut things = BTreeSet::new();
    processes(directory, &mut things)?;
    let names = |folder: &str| names_in(Path::new(folder));
    things.extend(names("/run/netns").into_iter().map(Thing::Namespace));
    things.extend(names("/sys/class/net").into_iter().map(Thing::Link));
    let pins = names("/sys/fs/bpf").into_iter();
    things.extend(pins.map(|name| Thing::Pin(Path::new("/sys/fs/bpf").join(name))));
    things.extend(mounts()?.into_iter().map(Thing::Mount));
    let mut groups = Vec::new();
    cgroups(Path::new("/sys/fs/cgroup"), &mut groups);
    things.extend(groups.into_iter().map(Thing::Cgroup));
    let files = names_in(directory).into_iter();
    things.extend(files.map(|name| Thing::File(directory.join(name))));
    let shared = names(SHARED).into_iter().filter(|name| {
        // Another run looks after its own directory.
        TEMPORARY.iter().any(|start| name.starts_with(start)) && !name.starts_with(RUN)
    });
    things.extend(shared.map(|name| Thing::File(Path::new(SHARED).join(name))));
    Ok(things)
}

/// Processes that run a program from the target directory, or that are [`is_of_the_run`].
fn processes(directory: &Path, things: &mut BTreeSet<Thing>) -> anyhow::Result<()> {
    let target = workspace::target();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let Some(id) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may end while it is looked at.
        let Some(started) = started_at(id) else {
            continue;
        };
        let program = fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
        let is_built_here = program.starts_with(&target);
        if id == std::process::id() || !(is_built_here || is_of_the_run(id, directory)) {
            continue;
        }
        let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let command: String = command.trim_end().chars().take(200).collect();
        things.insert(Thing::Process {
            id,
            started,
            command,
        });
    }
    Ok(())
}

/// Whether a process has been started by this one, directly or not, or has to do with `directory`.
fn is_of_the_run(id: u32, directory: &Path) -> bool {
    orphans::descends_from(id, std::process::id()) || has_to_do_with(id, directory)
}

/// Whether a process has `directory` in its command or its environment, or has mounted something of it
/// in a mount namespace of its own.
fn has_to_do_with(id: u32, directory: &Path) -> bool {
    let bytes = directory.as_os_str().as_encoded_bytes();
    let is_named = ["cmdline", "environ"].iter().any(|file| {
        let text = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        text.windows(bytes.len()).any(|part| part == bytes)
    });
    is_named || has_mounted_from(id, directory)
}

/// Whether a process sees something of `directory` elsewhere. Where it is mounted does not count: a
/// namespace begins with all mounts of the machine, whoever made them, and every process of this
/// namespace has those of the tests that run.
fn has_mounted_from(id: u32, directory: &Path) -> bool {
    let namespace = |id: &str| fs::read_link(format!("/proc/{id}/ns/mnt")).ok();
    let other = namespace(&id.to_string());
    if other.is_none() || other == namespace("self") {
        return false;
    }
    let mounts = fs::read_to_string(format!("/proc/{id}/mountinfo")).unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(3))
        .any(|root| Path::new(root).starts_with(directory))
}

/// When a process started, in ticks since the machine did; `None` if it is over, also if its
/// parent has not waited for it yet.
fn started_at(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The mount points of this process's mount namespace, but for those of network namespaces.
fn mounts() -> anyhow::Result<Vec<PathBuf>> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("reading the mounts")?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    // The kernel writes blanks as octal numbers.
    let points = points.map(|point| PathBuf::from(point.replace("\\040", " ")));
    Ok(points
        .filter(|point| !point.starts_with("/run/netns"))
        .collect())
}

/// The control groups of instances, in all hierarchies.
fn cgroups(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().starts_with("tombolo-") {
            found.push(entry.path());
        }
        cgroups(&entry.path(), found);
    }
}

/// The name that the network engine of a data directory has, as `ebpf/names.rs` of `tombolo-network`
/// derives it, which this crate is too small to depend on: eight digits of the FNV-1a hash of the path.
fn engine_name(directory: &Path) -> String {
    let bytes = directory.as_os_str().as_encoded_bytes().iter();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}

/// The directories below `folder`, as deep as tests have their servers' instances.
fn directories_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut unread = 0;
    for _ in 0..5 {
        let level = unread..found.len();
        unread = found.len();
        for at in level {
            let names = names_in(&found[at]).into_iter();
            let paths = names.map(|name| found[at].join(name));
            let folders: Vec<PathBuf> = paths
                .filter(|path| path.is_dir() && !path.is_symlink())
                .collect();
            found.extend(folders);
        }
    }
    found
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Runs a command for its effect only; whether it had one is looked at afterwards.
fn quietly(command: &mut Command) {
    let _ = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use std::process::Child;

    use super::*;

    /// A process that does not outlive the test, also when an assertion fails.
    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Whether something is a process with `command`.
    fn is_called(thing: &Thing, part: &str) -> bool {
        matches!(thing, Thing::Process { command, .. } if command.contains(part))
    }

    #[test]
    fn a_process_and_its_files_are_known_by_the_directory_and_taken_away() {
        let name = format!("{RUN}xtask-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(directory.join("data")).unwrap();
        let directory = directory.canonicalize().unwrap();
        let before = look(&directory).unwrap();
        let is_file = |thing: &Thing| matches!(thing, Thing::File(_));
        let run = Run {
            before: before.into_iter().filter(|thing| !is_file(thing)).collect(),
            directory,
        };
        let mut tail = Command::new("tail");
        tail.args(["-f", "/dev/null"]).env("TMPDIR", &run.directory);
        let mut tail = Killed(tail.stdout(Stdio::null()).spawn().unwrap());
        // Its environment is the new program's once it is one.
        let own = run
            .until(|left| left.iter().any(|thing| is_called(thing, "tail")))
            .unwrap();
        // Other tests run at the same time, in this process too.
        let is_ours =
            |thing: &Thing| run.owns(thing) && (is_file(thing) || is_called(thing, "tail"));
        let own: BTreeSet<Thing> = own.into_iter().filter(is_ours).collect();
        let told: Vec<String> = own.iter().map(ToString::to_string).collect();
        let data = run.directory.join("data");
        assert_eq!(
            told,
            [
                format!("process {}, tail -f /dev/null", tail.0.id()),
                format!("file {}", data.display())
            ]
        );
        run.take_away(&own).unwrap();
        assert!(!tail.0.wait().unwrap().success());
        assert!(!data.exists());
    }

    #[test]
    fn an_orphan_in_its_own_session_without_an_environment_is_known_and_taken_away() {
        orphans::adopt().unwrap();
        let run = Run {
            directory: PathBuf::from("/tmp/tmb-run-of-nobody"),
            before: BTreeSet::new(),
        };
        let command = format!("sleep 600.{}", std::process::id());
        let detached = format!("env -i setsid {command} </dev/null >/dev/null 2>&1 &");
        let shell = Command::new("sh").args(["-c", &detached]).status().unwrap();
        assert!(shell.success());
        let is_it = |thing: &Thing| is_called(thing, &command) && !is_called(thing, "env");
        let left = run.until(|left| left.iter().any(is_it)).unwrap();
        let left: BTreeSet<Thing> = left.into_iter().filter(is_it).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left.iter().all(|thing| run.owns(thing)));
        run.take_away(&left).unwrap();
        let now = look(&run.directory).unwrap();
        assert!(left.is_disjoint(&now), "{now:?}");
    }

    #[test]
    fn a_temporary_file_outside_of_the_runs_directory_is_told_and_not_taken_away() {
        let path = PathBuf::from(format!("/tmp/.tmp-xtask-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        let directory = PathBuf::from("/tmp/tmb-run-of-nobody");
        let things = look(&directory);
        fs::remove_file(&path).unwrap();
        let file = Thing::File(path);
        assert!(things.unwrap().contains(&file));
        let run = Run {
            directory,
            before: BTreeSet::new(),
        };
        assert!(!run.owns(&file));
    }

    #[test]
    fn a_process_that_only_sees_the_tests_mounts_is_nobodys() {
        assert!(!has_mounted_from(std::process::id(), Path::new("/")));
        assert!(!has_to_do_with(1, Path::new("/tmp/tmb-run-of-nobody")));
    }

    #[test]
    fn an_engine_is_named_as_tombolo_network_names_it() {
        // The vector of `crates/tombolo-network/src/ebpf/names.rs`.
        assert_eq!(engine_name(Path::new("/var/lib/tombolo")), "054e6b61");
    }

    #[test]
    fn files_are_in_memory_only_where_programs_may_run() {
        let place = in_memory();
        if place == std::env::temp_dir() {
            return;
        }
        let program = place.join(format!("{RUN}xtask-program-{}", std::process::id()));
        fs::copy("/bin/true", &program).unwrap();
        let ran = Command::new(&program).status();
        fs::remove_file(&program).unwrap();
        assert!(ran.unwrap().success());
    }
}
