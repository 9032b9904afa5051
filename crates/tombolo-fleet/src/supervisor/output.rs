//! The files that keep what server processes write.
//!
//! ```text
//! server process ──Stream──▶ supervisor ──Log──▶ NAME.log ──▶ NAME.log.1 ──▶ NAME.log.2 ──▶ gone
//! ```
//!
//! A process that wrote to its file itself could fill the disk, and no other process could put the file
//! aside under it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;

use crate::step::{Doing, StepError};

/// A log that would grow beyond this many bytes is put aside.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// How many files of one log are kept: the one that is written, `.1` and `.2`.
const MAX_LOG_FILES: u32 = 3;

/// Of how many processes of an instance the logs are kept: with each new runtime configuration
/// there may be new names.
const MAX_LOG_NAMES: usize = 100;

/// How many of the last lines an event carries.
const LAST_LINES: usize = 20;

/// How many of the last bytes an event carries.
const LAST_BYTES: usize = 4096;

/// The log directory, by a descriptor that outlives its path.
#[derive(Clone)]
pub(super) struct Outputs(Rc<OwnedFd>);

impl Outputs {
    pub(super) fn open(directory: &Path) -> Result<Self, StepError> {
        File::open(directory)
            .map(|directory| Outputs(Rc::new(directory.into())))
            .doing(|| format!("opening the log directory {}", directory.display()))
    }

    /// The log of `process`, over all its runs.
    pub(super) fn log(&self, process: &str) -> Log {
        Log {
            directory: self.clone(),
            name: format!("{process}.log"),
            file: None,
            dropped: None,
            tail: Vec::new(),
        }
    }

    /// Removes the logs and files of all but [`MAX_LOG_NAMES`] processes: those of `current` ones
    /// stay, and of the others those that were written last.
    pub(super) fn forget_old(&self, current: &BTreeSet<&str>) -> io::Result<()> {
        let directory = PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        let mut gone: BTreeMap<String, (SystemTime, Vec<PathBuf>)> = BTreeMap::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let file = entry.file_name();
            let Some(name) = file.to_str().and_then(process_of) else {
                continue;
            };
            if current.contains(name) {
                continue;
            }
            let written = entry.metadata()?.modified()?;
            let (last, paths) = gone.entry(name.to_owned()).or_insert((written, Vec::new()));
            *last = written.max(*last);
            paths.push(entry.path());
        }
        let mut gone: Vec<_> = gone.into_values().collect();
        gone.sort_unstable_by_key(|(last, _)| Reverse(*last));
        let kept = MAX_LOG_NAMES.saturating_sub(current.len());
        for path in gone.iter().skip(kept).flat_map(|(_, paths)| paths) {
            match fs::symlink_metadata(path)?.is_dir() {
                true => fs::remove_dir_all(path)?,
                false => fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

/// The name of the process whose log, or folder of files, this is; `None` is something else.
fn process_of(file: &str) -> Option<&str> {
    let log = match file.rsplit_once('.') {
        Some((name, "files")) => return Some(name),
        Some((log, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => log,
        _ => file,
    };
    log.strip_suffix(".log")
}

impl AsFd for Outputs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A log, whose files together are never larger than [`MAX_LOG_FILES`] times [`MAX_LOG_BYTES`].
///
/// Nothing here fails: a game continues without its log, and the log says what is missing in it as
/// soon as it can be written again.
pub(super) struct Log {
    directory: Outputs,
    name: String,
    file: Option<Open>,
    /// What could not be written since the file was last written.
    dropped: Option<Dropped>,
    /// The last bytes of the current run.
    tail: Vec<u8>,
}

/// The file that is written.
struct Open {
    file: File,
    length: u64,
    /// Whether what was written last ended its line.
    is_at_line_start: bool,
}

/// Lines that no file has.
struct Dropped {
    lines: u64,
    why: io::Error,
}

impl Log {
    /// Begins a run, with a line that says so.
    pub(super) fn begin(&mut self, heading: &str) {
        self.tail.clear();
        self.note(heading);
    }

    /// Writes a line that is none of the process's own.
    pub(super) fn note(&mut self, line: &str) {
        let line = self.on_its_own(line);
        self.write(line.as_bytes());
    }

    /// The line with its end, and that of the line before it if that has none.
    fn on_its_own(&mut self, line: &str) -> String {
        let is_in_line = self.open().is_ok_and(|open| !open.is_at_line_start);
        let end = if is_in_line { "\n" } else { "" };
        format!("{end}{line}\n")
    }

    /// Keeps what the process wrote.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let last = &bytes[bytes.len().saturating_sub(LAST_BYTES)..];
        let keep = LAST_BYTES - last.len();
        self.tail.drain(..self.tail.len().saturating_sub(keep));
        self.tail.extend_from_slice(last);
        self.write(bytes);
    }

    /// The last lines of this run, within the bounds that
    /// [`Ended::last_lines`](crate::Ended::last_lines) names. Control characters, which a terminal
    /// that shows the event would obey, are left out.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let lines: Vec<_> = text
            .lines()
            .map(|line| {
                line.chars()
                    .filter(|c| *c == '\t' || !c.is_control())
                    .collect()
            })
            .collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }

    /// Writes to the file, or counts what could not be.
    fn write(&mut self, bytes: &[u8]) {
        let noted = self.note_dropped();
        let written = match noted {
            Ok(()) => self.put(bytes),
            Err(error) => Err((0, error)),
        };
        if let Err((written, why)) = written {
            let lost = &bytes[written..];
            let lines = lost.iter().filter(|byte| **byte == b'\n').count() as u64;
            match &mut self.dropped {
                Some(dropped) => dropped.lines += lines,
                None => self.dropped = Some(Dropped { lines, why }),
            }
        }
    }

    /// Says how much is missing at this place, if anything is.
    fn note_dropped(&mut self) -> io::Result<()> {
        let Some(Dropped { lines, why }) = &self.dropped else {
            return Ok(());
        };
        let line = format!("--- tombolo: {lines} lines were dropped here: {why}");
        let line = self.on_its_own(&line);
        self.put(line.as_bytes()).map_err(|(_, error)| error)?;
        self.dropped = None;
        Ok(())
    }

    /// Appends to the file, in the next one if this one has no room; or how much of it was written,
    /// and what then went wrong.
    fn put(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let length = bytes.len() as u64;
        let fits = |open: &Open| open.length == 0 || open.length + length <= MAX_LOG_BYTES;
        let open = self.open().map_err(|error| (0, error))?;
        let has_room = fits(open);
        if !has_room {
            self.rotate().map_err(|error| (0, error))?;
        }
        let open = self.open().map_err(|error| (0, error))?;
        let mut written = 0;
        while written < bytes.len() {
            match open.file.write(&bytes[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(length) => {
                    open.length += length as u64;
                    written += length;
                    open.is_at_line_start = bytes[written - 1] == b'\n';
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    /// Rotates the files, and removes the oldest.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        let aside = |number: u32| match number {
            0 => self.name.clone(),
            number => format!("{}.{number}", self.name),
        };
        for number in (0..MAX_LOG_FILES - 1).rev() {
            let (from, to) = (aside(number), aside(number + 1));
            match renameat(&self.directory, from.as_str(), &self.directory, to.as_str()) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// The file that is written, opened if it is not.
    fn open(&mut self) -> io::Result<&mut Open> {
        let opened = match self.file.take() {
            Some(open) => open,
            None => Open::at(&self.directory, &self.name)?,
        };
        Ok(self.file.insert(opened))
    }
}

impl Open {
    fn at(directory: &Outputs, name: &str) -> io::Result<Self> {
        // NOFOLLOW: a server process that can write here must not aim the supervisor elsewhere.
        let flags =
            OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let mode = Mode::from_bits_truncate(0o640);
        let file = File::from(openat(directory, name, flags, mode)?);
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.read_exact_at(&mut last, length - 1)?;
        }
        Ok(Open {
            file,
            length,
            is_at_line_start: last == [b'\n'],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(outputs: &Outputs, text: &[u8]) -> Vec<String> {
        let mut log = outputs.log("server-1");
        log.begin("--- run");
        log.append(text);
        log.last_lines()
    }

    #[test]
    fn logs_and_files_are_told_by_their_names() {
        for file in ["a.b-1.log", "a.b-1.log.1", "a.b-1.log.2", "a.b-1.files"] {
            assert_eq!(process_of(file), Some("a.b-1"));
        }
        assert_eq!(process_of("a.log-1.log"), Some("a.log-1"));
        for file in ["a", "a.1", "log", "a.log.gz", ""] {
            assert_eq!(process_of(file), None);
        }
    }

    #[test]
    fn the_last_lines_are_those_of_this_run() {
        let directory = tempfile::tempdir().unwrap();
        let outputs = Outputs::open(directory.path()).unwrap();
        assert_eq!(run(&outputs, b"first\n"), ["first"]);
        assert_eq!(run(&outputs, b""), Vec::<String>::new());
        assert_eq!(
            run(&outputs, b"\x1b[31mred\x1b[0m\xff\nno newline"),
            ["[31mred[0m\u{fffd}", "no newline"]
        );
        let many: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let last = run(&outputs, many.as_bytes());
        assert_eq!(
            (last.len(), &*last[0], &*last[19]),
            (20, "line 980", "line 999")
        );
        let long = run(&outputs, &[b'x'; 100_000]);
        assert_eq!((long.len(), long[0].len()), (1, 4096));
        let log = std::fs::read(directory.path().join("server-1.log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        assert!(
            log.contains("no newline\n--- run\nline 0\n"),
            "a heading has a line of its own"
        );
    }

    #[test]
    fn last_lines_come_from_many_small_writes_too() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Outputs::open(directory.path()).unwrap().log("server-1");
        log.begin("--- run");
        let mut all = String::new();
        for number in 0..5000 {
            let line = format!("{number}\n");
            log.append(line.as_bytes());
            all += &line;
        }
        let expected: Vec<_> = (4980..5000).map(|number| number.to_string()).collect();
        assert_eq!(log.last_lines(), expected);
        assert_eq!(log.tail, &all.as_bytes()[all.len() - LAST_BYTES..]);
    }

    #[test]
    fn a_log_is_put_aside_while_it_is_written_and_loses_its_oldest_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Outputs::open(directory.path()).unwrap().log("server-1");
        log.begin("--- run");
        let chunk = [b'x'; 1 << 20];
        for number in 0..100_u32 {
            log.append(format!("{number}\n").as_bytes());
            log.append(&chunk);
            log.append(b"\n");
        }
        let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
        let files = ["server-1.log.2", "server-1.log.1", "server-1.log"].map(read);
        let sizes: Vec<_> = files.iter().map(Vec::len).collect();
        assert!(
            sizes.iter().all(|size| *size as u64 <= MAX_LOG_BYTES),
            "{sizes:?}"
        );
        assert!(sizes[0] as u64 > MAX_LOG_BYTES - (2 << 20), "{sizes:?}");
        let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), 3);
        // In the order of their age they are one log, with nothing missing and nothing twice.
        let all = String::from_utf8(files.concat()).unwrap();
        let numbers: Vec<u32> = all.lines().filter_map(|line| line.parse().ok()).collect();
        let first = numbers[0];
        assert_eq!(numbers, (first..100).collect::<Vec<_>>());
        assert!(numbers.len() > 30, "{numbers:?}");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_when_it_can() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("logs");
        std::fs::create_dir(&place).unwrap();
        let outputs = Outputs::open(&place).unwrap();
        // Where the file should be is something that cannot be written.
        std::fs::create_dir(place.join("server-1.log")).unwrap();
        let mut log = outputs.log("server-1");
        log.begin("--- run");
        log.append(b"one\ntwo\n");
        assert_eq!(log.last_lines(), ["one", "two"]);
        std::fs::remove_dir(place.join("server-1.log")).unwrap();
        log.append(b"three\n");
        let written = std::fs::read_to_string(place.join("server-1.log")).unwrap();
        assert_eq!(
            written,
            "--- tombolo: 3 lines were dropped here: Is a directory (os error 21)\nthree\n"
        );
    }
}
