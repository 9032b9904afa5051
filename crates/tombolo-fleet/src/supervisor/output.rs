//! The files that keep what server processes write.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;

use super::step::{Doing, StepError};

/// A log that has grown beyond this becomes `NAME.log.1` when its process starts again.
const ROTATE_AT: u64 = 64 << 20;

/// How many of the last lines an event carries.
const LAST_LINES: usize = 20;

/// How many of the last bytes an event carries.
const LAST_BYTES: u64 = 4096;

/// The log directory, by a descriptor that outlives its path.
pub(super) struct Outputs(OwnedFd);

impl Outputs {
    pub(super) fn open(directory: &Path) -> Result<Self, StepError> {
        File::open(directory)
            .map(|directory| Outputs(directory.into()))
            .doing(|| format!("opening the log directory {}", directory.display()))
    }

    /// The log of `process` for its next run, which starts with the line `heading`.
    pub(super) fn begin(&self, process: &str, heading: &str) -> io::Result<Output> {
        let name = format!("{process}.log");
        let mut file = self.append_to(&name)?;
        if file.metadata()?.len() > ROTATE_AT {
            renameat(
                &self.0,
                name.as_str(),
                &self.0,
                format!("{name}.1").as_str(),
            )?;
            file = self.append_to(&name)?;
        }
        writeln!(file, "{heading}")?;
        let begins_at = file.metadata()?.len();
        Ok(Output { file, begins_at })
    }

    fn append_to(&self, name: &str) -> io::Result<File> {
        // NOFOLLOW: a server process that can write here must not aim the supervisor elsewhere.
        let flags =
            OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        Ok(openat(&self.0, name, flags, Mode::from_bits_truncate(0o640))?.into())
    }
}

/// One run's part of a log. The process writes to the file itself, so that its output costs the
/// supervisor nothing and is complete when the process has ended.
pub(super) struct Output {
    file: File,
    begins_at: u64,
}

impl Output {
    /// A standard stream that appends to the log.
    pub(super) fn stream(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// The last lines of this run, within the bounds that
    /// [`Ended::last_lines`](crate::Ended::last_lines) names. Control characters, which a terminal
    /// that shows the event would obey, are left out.
    pub(super) fn last_lines(&self) -> io::Result<Vec<String>> {
        let end = self.file.metadata()?.len();
        let from = self.begins_at.max(end.saturating_sub(LAST_BYTES));
        let mut bytes = vec![0; end.saturating_sub(from).min(LAST_BYTES) as usize];
        let read = self.file.read_at(&mut bytes, from)?;
        let text = String::from_utf8_lossy(&bytes[..read]);
        let lines: Vec<_> = text
            .lines()
            .map(|line| {
                line.chars()
                    .filter(|c| *c == '\t' || !c.is_control())
                    .collect()
            })
            .collect();
        Ok(lines[lines.len().saturating_sub(LAST_LINES)..].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(outputs: &Outputs, text: &[u8]) -> Vec<String> {
        let mut output = outputs.begin("server-1", "--- run").unwrap();
        output.file.write_all(text).unwrap();
        output.last_lines().unwrap()
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
        let log = std::fs::read_to_string(directory.path().join("server-1.log")).unwrap_err();
        assert_eq!(
            log.kind(),
            io::ErrorKind::InvalidData,
            "one byte above is not UTF-8"
        );
    }

    #[test]
    fn a_log_that_grew_large_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let outputs = Outputs::open(directory.path()).unwrap();
        let output = outputs.begin("server-1", "--- run").unwrap();
        // Sparse, so that the test writes no 64 MiB.
        output.file.set_len(ROTATE_AT + 1).unwrap();
        assert_eq!(run(&outputs, b"new\n"), ["new"]);
        let aside = directory.path().join("server-1.log.1");
        assert_eq!(std::fs::metadata(aside).unwrap().len(), ROTATE_AT + 1);
    }
}
