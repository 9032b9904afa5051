//! The lock that keeps an instance from being started twice.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Takes the lock of the instance in `directory` (`flock(2)` on its file `lock`), or returns `None`
/// when somebody holds it. It lasts until somebody unlocks it, or until the file is closed in every
/// process that inherited it, among them, for a moment, each that another thread is just starting.
pub(crate) fn try_lock(directory: &Path) -> io::Result<Option<File>> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether somebody holds the lock of the instance in `directory`: its supervisor, or one that is
/// on its way up.
pub(crate) fn is_locked(directory: &Path) -> io::Result<bool> {
    let lock = match File::open(directory.join("lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => lock.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_until_it_is_unlocked() {
        let directory = tempfile::tempdir().unwrap();
        let lock = try_lock(directory.path()).unwrap().unwrap();
        assert!(try_lock(directory.path()).unwrap().is_none());
        assert!(is_locked(directory.path()).unwrap());
        lock.unlock().unwrap();
        assert!(!is_locked(directory.path()).unwrap());
        assert!(try_lock(directory.path()).unwrap().is_some());
    }
}
