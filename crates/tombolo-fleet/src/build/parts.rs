//! Several files read as one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The files of an archive, one behind the other. Clones read the same files from positions of
/// their own.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    files: Arc<[Part]>,
    length: u64,
    position: u64,
}

#[derive(Debug)]
struct Part {
    file: File,
    start: u64,
    end: u64,
}

impl Parts {
    /// Opens all of them: what is deleted from now on stays readable here.
    pub(super) fn open(paths: &[PathBuf]) -> io::Result<Self> {
        let mut length = 0;
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let file = File::open(path)?;
            let start = length;
            length += file.metadata()?.len();
            files.push(Part {
                file,
                start,
                end: length,
            });
        }
        Ok(Parts {
            files: files.into(),
            length,
            position: 0,
        })
    }

    /// How many bytes there are in all.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.files.partition_point(|part| part.end <= self.position);
        let Some(part) = self.files.get(at) else {
            return Ok(0);
        };
        let most = usize::try_from(part.end - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(most);
        let read = part
            .file
            .read_at(&mut buffer[..wanted], self.position - part.start)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Parts {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
