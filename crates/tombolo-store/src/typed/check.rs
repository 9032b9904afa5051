//! Whether a store is one that this version of Tombolo can go on with.

use std::fmt;

use bytes::Bytes;

use crate::keys::AnyKey;
use crate::{Entry, KeyRange, Store, StoreError};

/// How many entries are looked at in one go.
const PAGE: usize = 1024;

/// The length that no key reaches: the longest have the key of an object, of 1,024 bytes, in
/// hexadecimal digits.
const LONGEST_KEY: usize = 4096;

/// How many of the entries that cannot be read are told one by one.
const TOLD: usize = 10;

/// Why a store cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The store could not be read at all.
    #[error(transparent)]
    Failed(StoreError),
    /// Some entries cannot be.
    #[error(transparent)]
    Unreadable(UnreadableEntries),
}

/// Entries of a store that this version of Tombolo cannot read.
#[derive(Debug, Default, thiserror::Error)]
pub struct UnreadableEntries {
    /// Why the first of them cannot be read, in the order of their keys.
    pub first: Vec<StoreError>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for UnreadableEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([only], 0) = (&self.first[..], self.more) {
            return only.fmt(f);
        }
        let all = self.first.len() + self.more;
        write!(f, "{all} entries of the store cannot be read:")?;
        for one in &self.first {
            write!(f, "\n  {one}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Reads every record once, before anything is done with a store, and writes nothing. A record that
/// no task can read would otherwise stop each task that comes across it, again and again, and every
/// account with them.
///
/// # Errors
/// [`CheckError::Unreadable`] for keys of an unknown kind and those that do not parse, for records
/// that a newer version wrote, that do not parse, or that are kept under the key of another.
pub async fn check(store: &dyn Store) -> Result<(), CheckError> {
    let mut range = KeyRange {
        start: Bytes::new(),
        end: Bytes::from_static(&[0xff; LONGEST_KEY]),
    };
    let mut unreadable = UnreadableEntries::default();
    loop {
        let page = store.range(&range, PAGE).await;
        let page = page.map_err(CheckError::Failed)?;
        for error in page.entries.iter().filter_map(|one| check_entry(one).err()) {
            match unreadable.first.len() < TOLD {
                true => unreadable.first.push(error),
                false => unreadable.more += 1,
            }
        }
        match page.entries.last() {
            Some(last) if page.more => range.start = [&last.key[..], b"\0"].concat().into(),
            _ if unreadable.first.is_empty() => return Ok(()),
            _ => return Err(CheckError::Unreadable(unreadable)),
        }
    }
}

fn check_entry(entry: &Entry) -> Result<(), StoreError> {
    let kind = AnyKey::parse(&entry.key)?.kind();
    kind.check(&entry.key, &entry.value)
}
