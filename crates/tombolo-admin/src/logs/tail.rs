//! Reads a log across all its files, while it is written and rotated.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// A line that is longer than this many bytes is shown as several.
const MAX_LINE: usize = 64 << 10;

/// How often the files of a log are opened again because it was rotated meanwhile.
const MAX_OPEN_ATTEMPTS: usize = 10;

/// A log `NAME.log`, which was `NAME.log.1` before, and `NAME.log.2` before that.
pub(super) struct Tail {
    path: PathBuf,
    /// With how many lines to begin; `None` once begun.
    begin: Option<Option<u64>>,
    /// The files that are not read to their ends, oldest first. The last one is kept open when it
    /// is, so that it is known again when it has another name.
    files: VecDeque<Opened>,
    /// The beginning of a line whose end was not written yet.
    unfinished: Vec<u8>,
}

/// What is next in a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Lines(Vec<String>),
    /// Files went away before they were read.
    Skipped,
    /// Nothing more is there at the moment.
    End,
}

struct Opened {
    file: File,
    inode: u64,
}

impl Tail {
    /// The log whose newest file is at `path`, from the last so many `lines`, or its beginning.
    pub(super) fn new(path: PathBuf, lines: Option<u64>) -> Self {
        Tail {
            path,
            begin: Some(lines),
            files: VecDeque::new(),
            unfinished: Vec::new(),
        }
    }

    /// The next lines; the last one only with its end if the log is to be read `on` later.
    pub(super) fn next(&mut self, on: bool) -> Chunk {
        self.read(on).unwrap_or_else(|error| {
            // A log that cannot be read shows as one that ends.
            tracing::warn!("reading {}: {error}", self.path.display());
            Chunk::End
        })
    }

    fn read(&mut self, on: bool) -> io::Result<Chunk> {
        if let Some(lines) = self.begin.take() {
            self.files = open_all(&self.path)?;
            if let Some(lines) = lines {
                skip_to_last(&mut self.files, lines)?;
            }
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            let Some(oldest) = self.files.front_mut() else {
                return Ok(self.finish());
            };
            let length = oldest.file.read(&mut buffer)?;
            if length > 0 {
                let lines = self.lines(&buffer[..length]);
                if lines.is_empty() {
                    continue;
                }
                return Ok(Chunk::Lines(lines));
            }
            if self.files.len() > 1 {
                self.files.pop_front();
                continue;
            }
            if !on {
                return Ok(self.finish());
            }
            match self.look_for_newer()? {
                Newer::None => return Ok(Chunk::End),
                Newer::Next => {}
                Newer::Skipped => return Ok(Chunk::Skipped),
            }
        }
    }

    /// Opens the files that have come since.
    fn look_for_newer(&mut self) -> io::Result<Newer> {
        let Some(current) = self.files.back().map(|file| file.inode) else {
            return Ok(Newer::None);
        };
        if inode(&self.path)?.is_none_or(|newest| newest == current) {
            return Ok(Newer::None);
        }
        let all = open_all(&self.path)?;
        let known = all.iter().position(|file| file.inode == current);
        let newer = known.map_or(0, |at| at + 1);
        self.files.extend(all.into_iter().skip(newer));
        Ok(match known {
            Some(_) => Newer::Next,
            None => Newer::Skipped,
        })
    }

    /// The lines that end in `bytes`.
    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.unfinished.extend_from_slice(part);
            if part.ends_with(b"\n") || self.unfinished.len() >= MAX_LINE {
                lines.push(self.take_line());
            }
        }
        lines
    }

    fn take_line(&mut self) -> String {
        let line = std::mem::take(&mut self.unfinished);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        String::from_utf8_lossy(line).into_owned()
    }

    /// The line that has no end, at the end of everything.
    fn finish(&mut self) -> Chunk {
        if self.unfinished.is_empty() {
            return Chunk::End;
        }
        Chunk::Lines(vec![self.take_line()])
    }
}

/// What came after the newest file that was known.
enum Newer {
    None,
    Next,
    Skipped,
}

/// All files of the log at `path`, oldest first, none twice.
fn open_all(path: &Path) -> io::Result<VecDeque<Opened>> {
    let mut opened = VecDeque::new();
    for _ in 0..MAX_OPEN_ATTEMPTS {
        opened.clear();
        // The newest first: if they are put aside meanwhile, one is found again under its next
        // name, and none is missed.
        for suffix in ["", ".1", ".2"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            let file = match File::open(&name) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let inode = file.metadata()?.ino();
            if opened.iter().all(|other: &Opened| other.inode != inode) {
                opened.push_front(Opened { file, inode });
            }
        }
        // If they were put aside twice, a newer one can have come in between.
        let newest = opened.back().map(|file| file.inode);
        if newest.is_none() || inode(path)?.is_none_or(|now| Some(now) == newest) {
            break;
        }
    }
    Ok(opened)
}

fn inode(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Leaves out everything but the last so many `lines`.
fn skip_to_last(files: &mut VecDeque<Opened>, lines: u64) -> io::Result<()> {
    let mut left = lines;
    let mut is_end = true;
    for at in (0..files.len()).rev() {
        if let Some(start) = start_of_last(&files[at].file, &mut left, &mut is_end)? {
            files[at].file.seek(SeekFrom::Start(start))?;
            files.drain(..at);
            return Ok(());
        }
    }
    Ok(())
}

/// Where the last `left` lines begin, or `None` if the file has fewer, which are then counted off.
/// `is_end` is whether nothing comes after this file: what ends the last line begins no other.
fn start_of_last(file: &File, left: &mut u64, is_end: &mut bool) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; CHUNK];
    let mut end = file.metadata()?.len();
    if *left == 0 {
        return Ok(Some(end));
    }
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let block = &mut buffer[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        for (at, byte) in block.iter().enumerate().rev() {
            let is_last = std::mem::replace(is_end, false);
            if *byte != b'\n' || is_last {
                continue;
            }
            *left -= 1;
            if *left == 0 {
                return Ok(Some(start + at as u64 + 1));
            }
        }
        end = start;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    /// A log as the supervisor writes one.
    struct Log {
        place: tempfile::TempDir,
        next: u32,
    }

    impl Log {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            Log { place, next: 0 }
        }

        fn path(&self) -> PathBuf {
            self.place.path().join("server-1.log")
        }

        fn write(&mut self, lines: u32) {
            let mut file = File::options()
                .append(true)
                .create(true)
                .open(self.path())
                .unwrap();
            for _ in 0..lines {
                writeln!(file, "{}", self.next).unwrap();
                self.next += 1;
            }
        }

        fn put_aside(&self) {
            let name = |suffix: &str| self.place.path().join(format!("server-1.log{suffix}"));
            for (from, to) in [(".1", ".2"), ("", ".1")] {
                let _ = fs::rename(name(from), name(to));
            }
        }
    }

    /// Everything that is there, and whether something was skipped.
    fn read_all(tail: &mut Tail, on: bool) -> (Vec<u32>, bool) {
        let (mut numbers, mut is_skipped) = (Vec::new(), false);
        loop {
            match tail.next(on) {
                Chunk::Lines(lines) => {
                    numbers.extend(lines.iter().map(|line| line.parse::<u32>().unwrap()));
                }
                Chunk::Skipped => is_skipped = true,
                Chunk::End => return (numbers, is_skipped),
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(u32),
        PutAside,
        Read,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..50_u32).prop_map(Step::Write),
            Just(Step::PutAside),
            Just(Step::Read)
        ];
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        /// Whoever reads on sees each line once and in order, except those of files that were gone
        /// before, which is told.
        #[test]
        fn a_reader_sees_each_line_once(steps in steps(), lines in proptest::option::of(0..100_u64)) {
            let mut log = Log::new();
            log.write(5);
            let mut tail = Tail::new(log.path(), lines);
            let (mut seen, mut unread, mut began) = (Vec::new(), 0, false);
            for step in steps {
                match step {
                    Step::Write(count) => log.write(count),
                    // What is put aside must be there, as it is with the supervisor.
                    Step::PutAside => {
                        log.put_aside();
                        log.write(1);
                        unread += 1;
                    }
                    Step::Read => {
                        let (numbers, is_skipped) = read_all(&mut tail, true);
                        // The file that is open, and two that are kept.
                        prop_assert!(!is_skipped || unread > 2, "{unread}");
                        if began && !is_skipped && let (Some(last), Some(first)) = (seen.last(), numbers.first()) {
                            prop_assert_eq!(*first, last + 1);
                        }
                        prop_assert!(numbers.windows(2).all(|two| is_skipped || two[1] == two[0] + 1));
                        seen.extend(numbers);
                        unread = 0;
                        began = true;
                        if lines != Some(0) {
                            prop_assert_eq!(seen.last(), Some(&(log.next - 1)));
                        }
                    }
                }
            }
            prop_assert!(seen.windows(2).all(|two| two[0] < two[1]), "{seen:?}");
        }

        /// The last lines are those that a naive reader counts off from the end, over all files.
        #[test]
        fn the_last_lines_are_the_last(steps in steps(), wanted in 0..200_u64) {
            let mut log = Log::new();
            log.write(1);
            for step in steps {
                match step {
                    Step::Write(count) => log.write(count),
                    Step::PutAside => log.put_aside(),
                    Step::Read => {}
                }
            }
            let (all, _) = read_all(&mut Tail::new(log.path(), None), false);
            let (last, _) = read_all(&mut Tail::new(log.path(), Some(wanted)), false);
            let from = all.len().saturating_sub(wanted as usize);
            prop_assert_eq!(last, &all[from..]);
        }
    }

    #[test]
    fn a_line_is_shown_when_it_has_ended_or_the_log_has() {
        let log = Log::new();
        fs::write(log.path(), "one\ntw").unwrap();
        let mut tail = Tail::new(log.path(), None);
        assert_eq!(tail.next(true), Chunk::Lines(vec!["one".to_owned()]));
        assert_eq!(tail.next(true), Chunk::End);
        let mut file = File::options().append(true).open(log.path()).unwrap();
        file.write_all(b"o\nth\xffree").unwrap();
        assert_eq!(tail.next(true), Chunk::Lines(vec!["two".to_owned()]));
        let rest = vec!["th\u{fffd}ree".to_owned()];
        assert_eq!(tail.next(false), Chunk::Lines(rest));
        assert_eq!(tail.next(false), Chunk::End);
    }

    #[test]
    fn a_line_without_end_is_shown_in_parts() {
        let log = Log::new();
        fs::write(log.path(), vec![b'x'; 200_000]).unwrap();
        let mut tail = Tail::new(log.path(), None);
        let mut length = 0;
        while let Chunk::Lines(lines) = tail.next(false) {
            assert!(lines.iter().all(|line| line.len() <= MAX_LINE + CHUNK));
            length += lines.iter().map(String::len).sum::<usize>();
        }
        assert_eq!(length, 200_000);
    }
}
