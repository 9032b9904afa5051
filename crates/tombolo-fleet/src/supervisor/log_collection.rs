//! Keeping the files that a server process leaves at the LogPaths of its fleet.
//!
//! ```text
//! logs/FLEET/INSTANCE/PROGRAM-N.files/TIME/tmp/…    what a run that ended then had left in /tmp/…
//! ```
//!
//! What is there was written by the process, which may want the supervisor to read or to write
//! something else: links are not followed, devices and pipes not opened, and every number is
//! bounded. A child of the supervisor copies, so that no other process has to wait for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::output::Outputs;

/// The most files that are kept of one run.
const MAX_FILES: u32 = 1000;

/// The most bytes that are kept of one run.
const MAX_BYTES: u64 = 64 << 20;

/// How deep folders are looked into.
const MAX_DEPTH: u32 = 16;

/// How long it may take to keep the files of one run.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(10);

/// Of how many runs files are kept.
const KEPT_RUNS: usize = 3;

/// What is kept of one run, and where.
pub(super) struct Collection<'a> {
    /// The root of what the process saw.
    pub(super) root: BorrowedFd<'a>,
    /// Absolute paths in it.
    pub(super) log_paths: &'a [String],
    /// The log directory.
    pub(super) outputs: &'a Outputs,
    /// The process's name.
    pub(super) process: &'a str,
    /// The run's, which sorts after those of earlier runs.
    pub(super) run: &'a str,
    /// When it has to be over.
    pub(super) deadline: Instant,
}

/// The result of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collected {
    /// Nothing was there.
    Nothing,
    /// Everything is kept.
    All,
    /// Some of it is kept; the rest would have been too much, or is no plain file.
    Part,
}

impl Collected {
    /// As an exit code, for another process.
    pub(super) fn code(self) -> i32 {
        match self {
            Collected::Nothing => 10,
            Collected::All => 11,
            Collected::Part => 12,
        }
    }

    /// What an exit code says.
    pub(super) fn from_code(code: i32) -> Option<Self> {
        let all = [Collected::Nothing, Collected::All, Collected::Part];
        all.into_iter().find(|collected| collected.code() == code)
    }
}

/// The folder of all runs' files of a process, in the log directory.
pub(super) fn folder(process: &str) -> String {
    format!("{process}.files")
}

impl Collection<'_> {
    /// Copies the files, and blocks until that is done.
    pub(super) fn collect(&self) -> io::Result<Collected> {
        let folder = path_of(self.outputs.as_fd()).join(folder(self.process));
        // Seen under its name only once it is whole.
        let unfinished = folder.join(format!(".{}", self.run));
        let mut copying = Copying {
            files: 0,
            bytes: 0,
            is_part: false,
            deadline: self.deadline,
        };
        for log_path in self.log_paths {
            let relative = Path::new(log_path.trim_start_matches('/'));
            let how = OpenHow::new()
                .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)
                .resolve(
                    ResolveFlag::RESOLVE_IN_ROOT
                        | ResolveFlag::RESOLVE_NO_SYMLINKS
                        | ResolveFlag::RESOLVE_NO_MAGICLINKS,
                );
            match openat2(self.root, relative, how) {
                Ok(found) => copying.copy(File::from(found), &unfinished.join(relative), 0)?,
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                // A link, or something that cannot be opened.
                Err(_) => copying.is_part = true,
            }
        }
        if copying.files > 0 {
            fs::rename(&unfinished, folder.join(self.run))?;
        }
        forget_old(&folder)?;
        Ok(match (copying.files, copying.is_part) {
            (0, false) => Collected::Nothing,
            (_, false) => Collected::All,
            (_, true) => Collected::Part,
        })
    }
}

/// How far one run's files are.
struct Copying {
    files: u32,
    bytes: u64,
    is_part: bool,
    deadline: Instant,
}

impl Copying {
    /// Copies a file, or a folder with what is in it, to the path `to`.
    fn copy(&mut self, from: File, to: &Path, depth: u32) -> io::Result<()> {
        let found = from.metadata()?;
        if self.files >= MAX_FILES || depth > MAX_DEPTH || Instant::now() >= self.deadline {
            self.is_part = true;
            return Ok(());
        }
        if found.is_file() {
            return self.copy_file(from, found.len(), to);
        }
        if !found.is_dir() {
            self.is_part = true;
            return Ok(());
        }
        let folder = path_of(from.as_fd());
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let open = OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(folder.join(&name));
            match open {
                Ok(file) => self.copy(file, &to.join(&name), depth + 1)?,
                Err(_) => self.is_part = true,
            }
        }
        Ok(())
    }

    /// Copies a file; of one that is too long, the end, which says most.
    fn copy_file(&mut self, mut from: File, length: u64, to: &Path) -> io::Result<()> {
        let room = MAX_BYTES - self.bytes;
        if length > room {
            self.is_part = true;
            if room == 0 {
                return Ok(());
            }
            from.seek(SeekFrom::Start(length - room))?;
        }
        if let Some(folder) = to.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(folder)?;
        }
        let mut kept = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .custom_flags(libc::O_NOFOLLOW)
            .open(to)?;
        self.files += 1;
        self.bytes += io::copy(&mut from.take(room), &mut kept)?;
        Ok(())
    }
}

/// Removes what is not of the last [`KEPT_RUNS`] runs, and what a killed supervisor did not finish.
fn forget_old(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut runs = paths.collect::<io::Result<Vec<PathBuf>>>()?;
    runs.sort_unstable();
    let is_finished = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        !name.as_encoded_bytes().starts_with(b".")
    };
    let finished = runs.iter().filter(|path| is_finished(path)).count();
    let unfinished = runs.len() - finished;
    // The unfinished ones sort first.
    for old in &runs[..unfinished + finished.saturating_sub(KEPT_RUNS)] {
        fs::remove_dir_all(old)?;
    }
    Ok(())
}

/// A path to what is open: also where it has no other.
fn path_of(open: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Fixture {
        directory: tempfile::TempDir,
        outputs: Outputs,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            for folder in ["root/tmp/logs", "logs"] {
                fs::create_dir_all(directory.path().join(folder)).unwrap();
            }
            let outputs = Outputs::open(&directory.path().join("logs")).unwrap();
            Fixture { directory, outputs }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.directory.path().join(path)
        }

        fn write(&self, path: &str, text: impl AsRef<[u8]>) {
            let path = self.path("root").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn collect(&self, run: &str) -> Collected {
            let root = File::open(self.path("root")).unwrap();
            let log_paths = ["/tmp/logs".to_owned(), "/tmp/one.log".to_owned()];
            let collection = Collection {
                root: root.as_fd(),
                log_paths: &log_paths,
                outputs: &self.outputs,
                process: "server-1",
                run,
                deadline: Instant::now() + MAX_DURATION,
            };
            collection.collect().unwrap()
        }

        /// What is kept of all runs, by path, with its length.
        fn kept(&self) -> BTreeMap<String, u64> {
            fn walk(folder: &Path, root: &Path, into: &mut BTreeMap<String, u64>) {
                for entry in fs::read_dir(folder).into_iter().flatten() {
                    let path = entry.unwrap().path();
                    let found = fs::symlink_metadata(&path).unwrap();
                    if found.is_dir() {
                        walk(&path, root, into);
                    } else {
                        let name = path.strip_prefix(root).unwrap();
                        into.insert(name.to_str().unwrap().to_owned(), found.len());
                    }
                }
            }
            let mut kept = BTreeMap::new();
            let folder = self.path("logs/server-1.files");
            walk(&folder, &folder, &mut kept);
            kept
        }
    }

    #[test]
    fn files_and_folders_are_kept_where_they_were_and_nothing_else_is() {
        let place = Fixture::new();
        assert_eq!(place.collect("run-0"), Collected::Nothing);
        assert!(!place.path("logs/server-1.files").exists());
        place.write("tmp/logs/a.log", "a");
        place.write("tmp/logs/deep/b.log", "bb");
        place.write("tmp/one.log", "ccc");
        place.write("tmp/other", "dddd");
        assert_eq!(place.collect("run-1"), Collected::All);
        let expected = [
            ("run-1/tmp/logs/a.log", 1),
            ("run-1/tmp/logs/deep/b.log", 2),
            ("run-1/tmp/one.log", 3),
        ];
        assert_eq!(
            place.kept(),
            expected.map(|(path, size)| (path.to_owned(), size)).into()
        );
    }

    #[test]
    fn links_and_pipes_are_left_alone() {
        let place = Fixture::new();
        place.write("secret", "secret");
        place.write("tmp/logs/real.log", "a");
        symlink("../../secret", place.path("root/tmp/logs/file")).unwrap();
        symlink("/", place.path("root/tmp/logs/folder")).unwrap();
        symlink("../secret", place.path("root/tmp/one.log")).unwrap();
        let pipe = place.path("root/tmp/logs/pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(place.collect("run-1"), Collected::Part);
        let expected = [("run-1/tmp/logs/real.log".to_owned(), 1)];
        assert_eq!(place.kept(), expected.into());
    }

    #[test]
    fn a_folder_that_became_a_link_is_not_followed() {
        let place = Fixture::new();
        place.write("elsewhere/secret", "secret");
        fs::remove_dir(place.path("root/tmp/logs")).unwrap();
        symlink("../elsewhere", place.path("root/tmp/logs")).unwrap();
        assert_eq!(place.collect("run-1"), Collected::Part);
        assert_eq!(place.kept(), BTreeMap::new());
    }

    #[test]
    fn what_is_kept_is_bounded_by_files_bytes_and_depth() {
        let place = Fixture::new();
        for number in 0..1100 {
            place.write(&format!("tmp/logs/{number}"), "x");
        }
        assert_eq!(place.collect("run-1"), Collected::Part);
        assert_eq!(place.kept().len(), MAX_FILES as usize);

        let place = Fixture::new();
        place.write(&format!("tmp/logs/{}file", "deep/".repeat(30)), "x");
        assert_eq!(place.collect("run-1"), Collected::Part);
        assert_eq!(place.kept().len(), 0);

        // Sparse, so that the test writes no terabyte. Its last bytes are kept.
        let place = Fixture::new();
        place.write("tmp/one.log", "");
        let sparse = OpenOptions::new()
            .write(true)
            .open(place.path("root/tmp/one.log"))
            .unwrap();
        sparse.set_len(1 << 40).unwrap();
        assert_eq!(place.collect("run-1"), Collected::Part);
        assert_eq!(
            place.kept(),
            [("run-1/tmp/one.log".to_owned(), MAX_BYTES)].into()
        );
    }

    #[test]
    fn the_last_three_runs_are_kept_and_nothing_unfinished() {
        let place = Fixture::new();
        fs::create_dir_all(place.path("logs/server-1.files/.run-0/tmp")).unwrap();
        place.write("tmp/one.log", "x");
        for run in 1..=5 {
            assert_eq!(place.collect(&format!("run-{run}")), Collected::All);
        }
        let kept: Vec<_> = place.kept().into_keys().collect();
        let expected = [3, 4, 5].map(|run| format!("run-{run}/tmp/one.log"));
        assert_eq!(kept, expected);
        assert!(!place.path("logs/server-1.files/.run-0").exists());
    }

    #[test]
    fn codes_say_what_became_of_it() {
        for collected in [Collected::Nothing, Collected::All, Collected::Part] {
            assert_eq!(Collected::from_code(collected.code()), Some(collected));
        }
        // A panic's, and a success that says nothing.
        assert_eq!(Collected::from_code(101), None);
        assert_eq!(Collected::from_code(0), None);
    }
}
