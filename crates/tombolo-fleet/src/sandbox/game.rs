//! The build, at `/local/game`.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Component, Path, PathBuf};

use nix::mount::MsFlags;

use super::folders::PAGE;
use super::mount::{Reach, bind, bind_as, inside, make_directory, mount_new, restrict};
use crate::api::spec::{GAME_DIRECTORY, HOME_DIRECTORY, InstanceSpec, Work};
use crate::build::MAX_ENTRIES;
use crate::step::{Doing, Hint, StepError};

/// Where the layers of a build that is being installed are, which only the supervisor may enter.
const INSTALL: &str = "/.install";

/// What `install.sh` changed, in the supervisor's view: the upper layer of an overlay (see the
/// kernel's `overlayfs.rst`), in which a deleted file is a character device 0:0.
pub(crate) const INSTALL_UPPER: &str = "/.install/upper";

/// Mounts the build of `spec` into the view that is put together at `root`. Returns the LogPaths
/// that are to be folders of each server process.
pub(super) fn mount(spec: &InstanceSpec, root: &Path) -> Result<Vec<PathBuf>, StepError> {
    let game = root.join(inside(GAME_DIRECTORY));
    make_directory(&game, 0o755)?;
    match &spec.work {
        Work::Install { .. } => writable(spec, root, &game).map(|()| Vec::new()),
        Work::Serve(_) => read_only(spec, root, &game),
    }
}

/// The build with what was installed on top of it, and on top of that the log folders that neither
/// has, since a folder that is not there cannot be mounted on.
fn read_only(spec: &InstanceSpec, root: &Path, game: &Path) -> Result<Vec<PathBuf>, StepError> {
    let mut layers: Vec<&Path> = spec.installed.as_deref().into_iter().collect();
    layers.push(&spec.build);
    let mut folders = Vec::new();
    let places = root.join(".log-folders");
    for path in log_folders(&spec.log_paths) {
        let place = path.strip_prefix(GAME_DIRECTORY).map(Path::to_owned);
        match place.as_deref().map(|place| kind_in(&layers, place)) {
            Ok(PathKind::Directory) | Err(_) => folders.push(path),
            Ok(PathKind::Missing) => {
                // strip_prefix was fine, or there were no place.
                make_directory(&places.join(place.unwrap_or_default()), 0o755)?;
                folders.push(path);
            }
            // The build's own file or link stays as it is.
            Ok(PathKind::NotADirectory) => {}
        }
    }
    if places.is_dir() {
        layers.insert(0, &places);
    }
    match layers.as_slice() {
        [build] => {
            nix::mount::mount(
                Some(*build),
                game,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .doing(|| format!("binding the build {} to {GAME_DIRECTORY}", build.display()))?;
        }
        layers => overlay(layers, None, game)?,
    }
    restrict(game, Reach::Tree)
        .doing(|| format!("making the build {} read-only", spec.build.display()))?;
    Ok(folders)
}

/// The build under a layer in memory that takes what `install.sh` changes. The files are the
/// user's, so that it may change any of them.
fn writable(spec: &InstanceSpec, root: &Path, game: &Path) -> Result<(), StepError> {
    let layers = root.join(inside(INSTALL));
    make_directory(&layers, 0o700)?;
    let bytes = spec.sandbox.install_bytes;
    // Empty files take memory too, and each of them is kept.
    let entries = (bytes / PAGE).clamp(64, MAX_ENTRIES);
    let size = format!("mode=0700,size={bytes},nr_inodes={entries}");
    mount_new(
        "tmpfs",
        &layers,
        MsFlags::MS_NODEV | MsFlags::MS_NOSUID,
        &size,
    )?;
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| layers.join(name));
    for layer in [&lower, &upper, &work] {
        make_directory(layer, 0o755)?;
    }
    match spec.sandbox.first_user {
        Some(user) => {
            bind_as(&spec.build, &lower, user, &root.join("proc"))?;
            // The layer's root is the root of what is seen.
            chown(&upper, Some(user), Some(user))
                .doing(|| format!("giving {} to user {user}", upper.display()))?;
        }
        None => bind(&spec.build, &lower, MsFlags::empty())?,
    }
    overlay(&[&lower], Some((&upper, &work)), game)
}

/// Mounts `layers`, the first on top, at `target`. They are named by descriptor, since the kernel
/// takes colons and commas in paths apart.
fn overlay(
    layers: &[&Path],
    changes: Option<(&Path, &Path)>,
    target: &Path,
) -> Result<(), StepError> {
    let open = |path: &Path| -> Result<(File, String), StepError> {
        let layer = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(path)
            .doing(|| format!("opening {} as a layer of the build", path.display()))?;
        let name = format!("/proc/self/fd/{}", layer.as_raw_fd());
        Ok((layer, name))
    };
    let lower = layers
        .iter()
        .map(|layer| open(layer))
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = lower.iter().map(|(_, name)| name.as_str()).collect();
    let mut options = format!("lowerdir={}", names.join(":"));
    let changes = match changes {
        Some((upper, work)) => Some((open(upper)?, open(work)?)),
        None => None,
    };
    if let Some(((_, upper), (_, work))) = &changes {
        options.push_str(&format!(",upperdir={upper},workdir={work}"));
        if !nix::unistd::Uid::effective().is_root() {
            // Only these extended attributes may be written without root.
            options.push_str(",userxattr");
        }
    }
    mount_new(
        "overlay",
        target,
        MsFlags::MS_NODEV | MsFlags::MS_NOSUID,
        &options,
    )
    .hint(|_| "this takes the kernel's overlay file system: modprobe overlay")
}

/// What a path of a build is.
enum PathKind {
    Directory,
    Missing,
    NotADirectory,
}

/// What `place` is in the topmost of the layers that has it. A link on the way is nothing to mount
/// on: where it leads is the build's to say.
fn kind_in(layers: &[&Path], place: &Path) -> PathKind {
    let mut so_far = PathBuf::new();
    for part in place.components() {
        so_far.push(part);
        let found = layers
            .iter()
            .find_map(|layer| fs::symlink_metadata(layer.join(&so_far)).ok());
        match found {
            None => return PathKind::Missing,
            Some(found) if found.is_dir() => {}
            Some(_) => return PathKind::NotADirectory,
        }
    }
    PathKind::Directory
}

/// The LogPaths that are folders of a server process: those below `/local/game`, `/tmp` and the
/// home, none of them below another. Others name nothing that a server process could write to.
pub(super) fn log_folders(log_paths: &[String]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = log_paths
        .iter()
        .filter_map(|path| normal(path))
        .filter(|path| {
            [GAME_DIRECTORY, HOME_DIRECTORY, "/tmp"]
                .iter()
                .any(|parent| path.starts_with(parent) && path != Path::new(parent))
        })
        .collect();
    // By components, so that a folder comes right before what is in it.
    folders.sort();
    folders.dedup_by(|later, earlier| later.starts_with(earlier));
    folders
}

/// An absolute path without `..`, as its components.
fn normal(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    (path.is_absolute() && is_plain && !path.as_os_str().as_encoded_bytes().contains(&0))
        .then(|| path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_for_logs_are_where_a_process_may_write_and_not_within_each_other() {
        let paths = [
            "/local/game/logs/",
            "/local/game/logs/old",
            "/local/game//logs-2",
            "/local/game",
            "/local/game/../../etc",
            "/local/gamer/logs",
            "/tmp/a",
            "/tmp",
            "/local/home/b",
            "/var/log",
            "logs",
            "",
        ]
        .map(str::to_owned);
        let expected = [
            "/local/game/logs",
            "/local/game/logs-2",
            "/local/home/b",
            "/tmp/a",
        ];
        assert_eq!(log_folders(&paths), expected.map(PathBuf::from));
    }
}
