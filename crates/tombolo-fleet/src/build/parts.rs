//! Several files read as one.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The files of an archive, one behind the other. Clones read the same files from positions of
/// their own. One file is open at a time, since an upload may have ten thousand.
#[derive(Debug)]
pub(super) struct Parts {
    files: Arc<[Part]>,
    length: u64,
    position: u64,
    /// The part that was read last.
    open: Option<(usize, File)>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    start: u64,
    end: u64,
}

impl Clone for Parts {
    fn clone(&self) -> Self {
        Parts {
            files: self.files.clone(),
            length: self.length,
            position: self.position,
            open: None,
        }
    }
}

impl Parts {
    /// Looks how long each is. What is deleted before it is read is an error then.
    pub(super) fn of(paths: &[PathBuf]) -> io::Result<Self> {
        let mut length = 0;
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let start = length;
            length += fs::metadata(path)?.len();
            files.push(Part {
                path: path.clone(),
                start,
                end: length,
            });
        }
        Ok(Parts {
            files: files.into(),
            length,
            position: 0,
            open: None,
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
        let file = match self.open.take() {
            Some((open, file)) if open == at => file,
            _ => File::open(&part.path)?,
        };
        let read = file.read_at(&mut buffer[..wanted], self.position - part.start);
        self.open = Some((at, file));
        let read = read?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_parts_are_read_with_one_file_open_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..50u8)
            .map(|n| {
                let path = directory.path().join(n.to_string());
                // One of them is empty.
                fs::write(&path, vec![n; usize::from(n.min(3))]).unwrap();
                path
            })
            .collect();
        let whole: Vec<u8> = paths.iter().flat_map(|p| fs::read(p).unwrap()).collect();
        let mut parts = Parts::of(&paths).unwrap();
        let mut read: Vec<u8> = Vec::new();
        let mut buffer = [0; 2];
        loop {
            let come = parts.read(&mut buffer).unwrap();
            if come == 0 {
                break;
            }
            read.extend(&buffer[..come]);
            let links = fs::read_dir("/proc/self/fd").unwrap();
            let links = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
            assert!(links.filter(|to| to.starts_with(directory.path())).count() <= 1);
        }
        assert_eq!(read, whole);
    }
}
