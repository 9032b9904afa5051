//! The pipes that server processes write to.
//!
//! The supervisor reads no more of one process at a time than its buffer holds, and no more than
//! [`WINDOW_BYTES`] in a [`WINDOW`]: a process that writes faster waits in its own `write(2)`, and
//! no other process does.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{Gid, Uid, fchown, pipe2};

use super::output::Log;

/// How much of one process's output is read at a time, in bytes: what a pipe holds.
pub(super) const CHUNK: usize = 64 << 10;

/// What a process may write in one [`WINDOW`], in bytes.
const WINDOW_BYTES: usize = 1 << 20;

/// How long a process that has written [`WINDOW_BYTES`] may have to wait.
const WINDOW: Duration = Duration::from_millis(100);

/// The most that is read of a pipe after its process ended, in bytes: what a pipe can be made to
/// hold (`/proc/sys/fs/pipe-max-size`). Whatever comes after that was written by another process.
const MAX_LEFT_IN_PIPE: usize = 1 << 20;

/// The reading end of a run's standard output and error.
pub(super) struct Stream {
    pipe: File,
    /// How much may still be read in this window.
    allowed: usize,
    window_ends: Instant,
}

/// Whether more may come out of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// A process still has the other end open, and may write.
    MayCome,
    /// No process has the other end open any more.
    Never,
}

/// The end of a pipe that a server process writes to.
pub(super) struct Writer(OwnedFd);

impl Writer {
    /// A standard stream into the pipe.
    pub(super) fn stream(&self) -> io::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }
}

impl Stream {
    /// A pipe to give to a process that becomes `user`, which can then open its standard streams
    /// by the name `/dev/stdout` too.
    pub(super) fn new(user: Option<u32>, now: Instant) -> io::Result<(Self, Writer)> {
        let (pipe, writer) = pipe2(OFlag::O_CLOEXEC)?;
        // Of the reading end alone: a process that finds its own end non-blocking loses output.
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        if let Some(user) = user {
            fchown(
                &writer,
                Some(Uid::from_raw(user)),
                Some(Gid::from_raw(user)),
            )?;
        }
        let stream = Stream {
            pipe: pipe.into(),
            allowed: WINDOW_BYTES,
            window_ends: now + WINDOW,
        };
        Ok((stream, Writer(writer)))
    }

    /// Moves what is there into the log, at most as much as `buffer` holds.
    pub(super) fn read(&mut self, now: Instant, buffer: &mut [u8], log: &mut Log) -> More {
        if now >= self.window_ends {
            self.allowed = WINDOW_BYTES;
            self.window_ends = now + WINDOW;
        }
        let at_most = buffer.len().min(self.allowed);
        if at_most == 0 {
            return More::MayCome;
        }
        let (length, more) = read_once(&mut self.pipe, &mut buffer[..at_most]);
        self.allowed -= length;
        log.append(&buffer[..length]);
        more
    }

    /// Moves everything that an ended process has left in the pipe into the log. A helper of its
    /// that still has the pipe open, and writes, is not waited for.
    pub(super) fn read_dry(mut self, buffer: &mut [u8], log: &mut Log) {
        let mut left = MAX_LEFT_IN_PIPE;
        while left > 0 {
            let at_most = left.min(buffer.len());
            let (length, _) = read_once(&mut self.pipe, &mut buffer[..at_most]);
            if length == 0 {
                return;
            }
            log.append(&buffer[..length]);
            left -= length;
        }
    }

    /// When it may be read again; `None` if that is now.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        (self.allowed == 0).then_some(self.window_ends)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// What one read gave, and whether there is any use in another.
fn read_once(pipe: &mut File, buffer: &mut [u8]) -> (usize, More) {
    loop {
        return match pipe.read(buffer) {
            Ok(0) => (0, More::Never),
            Ok(length) => (length, More::MayCome),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => (0, More::MayCome),
            // A pipe has no other errors; one that had would be polled for ever.
            Err(_) => (0, More::Never),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::output::Outputs;
    use super::*;

    #[test]
    fn nobody_reads_faster_from_one_process_than_is_allowed() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Outputs::open(directory.path()).unwrap().log("server-1");
        let now = Instant::now();
        let (mut stream, writer) = Stream::new(None, now).unwrap();
        let mut writer = File::from(writer.0);
        let mut buffer = vec![0; CHUNK];
        let chunk = vec![b'x'; CHUNK];
        for _ in 0..WINDOW_BYTES / CHUNK {
            assert_eq!(stream.waits_until(), None);
            writer.write_all(&chunk).unwrap();
            assert_eq!(stream.read(now, &mut buffer, &mut log), More::MayCome);
        }
        let waits_until = stream.waits_until().unwrap();
        writer.write_all(b"more").unwrap();
        stream.read(now, &mut buffer, &mut log);
        let path = directory.path().join("server-1.log");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), WINDOW_BYTES as u64);
        stream.read(waits_until, &mut buffer, &mut log);
        assert_eq!(stream.waits_until(), None);
        drop(writer);
        assert_eq!(stream.read(waits_until, &mut buffer, &mut log), More::Never);
        assert_eq!(
            std::fs::metadata(&path).unwrap().len(),
            WINDOW_BYTES as u64 + 4
        );
    }
}
