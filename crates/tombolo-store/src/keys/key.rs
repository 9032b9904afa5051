//! Keys, prefixes of them, and places between them.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

use super::Kind;
use super::part::Segments;
use crate::{KeyRange, StoreError};

/// The parts of one kind's keys.
pub trait KeyParts: Sized + 'static {
    /// The kind.
    const KIND: Kind;

    /// What such a key looks like: `vpc/{scope}/{vpc}`.
    const PATTERN: &'static str;

    /// The version of the record that is written for a value.
    const VERSION: u8;

    /// What is kept under such a key, as the domain has it.
    type Value: Clone + Send + Sync + 'static;

    /// What is written for a value.
    ///
    /// # Errors
    /// [`StoreError::Failed`] for a value that JSON has no form for.
    fn encode(value: &Self::Value) -> Result<Bytes, StoreError>;

    /// Reads the value that is written under `key`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for what no version wrote, [`StoreError::NewerRecord`] for what a newer
    /// version of Tombolo did.
    fn decode(key: &[u8], bytes: &[u8]) -> Result<Self::Value, StoreError>;

    /// The key of these parts.
    fn key(&self) -> Key<Self>;

    /// Takes the parts behind the kind's name, or says which is not there.
    fn take(segments: &mut Segments<'_>) -> Result<Self, &'static str>;

    /// The parts of a key.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for a key of another kind, and for one that this version would not
    /// write.
    fn parse(key: &[u8]) -> Result<Self, KeyError> {
        let malformed = |part| KeyError::malformed(key, Self::PATTERN, part);
        let text = str::from_utf8(key).map_err(|_| malformed("text"))?;
        let (name, mut segments) = Segments::of(text);
        if name != Self::KIND.name() {
            return Err(malformed("kind"));
        }
        let parts = Self::take(&mut segments).map_err(malformed)?;
        match segments.are_taken() {
            true => Ok(parts),
            false => Err(malformed("end")),
        }
    }
}

/// A key that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// What it starts with is the name of no kind.
    #[error(
        "the key {key} is of a kind that this version of Tombolo does not know; run the version \
         that wrote it, or restore the data directory from a backup"
    )]
    UnknownKind {
        /// The key, escaped.
        key: String,
    },
    /// It has not the parts that keys of its kind have.
    #[error(
        "the key {key} is not of the form {pattern}: its {part} is missing or wrong; restore the \
         data directory from a backup"
    )]
    Malformed {
        /// The key, escaped.
        key: String,
        /// What it should look like.
        pattern: &'static str,
        /// The first part that is not as it should be.
        part: &'static str,
    },
}

impl KeyError {
    pub(super) fn unknown_kind(key: &[u8]) -> Self {
        KeyError::UnknownKind { key: escaped(key) }
    }

    pub(super) fn malformed(key: &[u8], pattern: &'static str, part: &'static str) -> Self {
        KeyError::Malformed {
            key: escaped(key),
            pattern,
            part,
        }
    }
}

/// A key as a person reads it, cut where it is longer than any that Tombolo writes.
fn escaped(key: &[u8]) -> String {
    const MOST: usize = 4096;
    key[..key.len().min(MOST)].escape_ascii().to_string()
}

/// A key whose parts are `K`, as the store has it.
pub struct Key<K> {
    pub(crate) bytes: Bytes,
    parts: PhantomData<fn() -> K>,
}

impl<K: KeyParts> Key<K> {
    /// A key that starts with the name of `K`'s kind; `print` writes each part behind its slash.
    pub(super) fn print(print: impl FnOnce(&mut String)) -> Self {
        let mut text = String::with_capacity(128);
        text.push_str(K::KIND.name());
        print(&mut text);
        Self::stored(text.into())
    }

    /// A key that was read from the store.
    pub(crate) fn stored(bytes: Bytes) -> Self {
        Key {
            bytes,
            parts: PhantomData,
        }
    }

    /// Reads a key that somebody was given.
    ///
    /// # Errors
    /// As [`KeyParts::parse`].
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        K::parse(&bytes)?;
        Ok(Self::stored(bytes))
    }

    /// Its parts.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for one that was read from a store and that this version would not
    /// write.
    pub fn parts(&self) -> Result<K, KeyError> {
        K::parse(&self.bytes)
    }

    /// The key as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The place right behind it.
    pub fn behind(&self) -> Cursor<K> {
        Cursor {
            from: [self.as_bytes(), b"\0"].concat().into(),
            parts: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Key<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

/// The keys of a kind that share a beginning.
pub struct Prefix<K> {
    text: String,
    parts: PhantomData<fn() -> K>,
}

impl<K: KeyParts> Prefix<K> {
    /// The keys that start with the name of `K`'s kind and what `print` writes, each part behind
    /// its slash.
    pub(super) fn print(print: impl FnOnce(&mut String)) -> Self {
        let mut text = String::with_capacity(128);
        text.push_str(K::KIND.name());
        print(&mut text);
        text.push('/');
        Prefix {
            text,
            parts: PhantomData,
        }
    }

    /// Those of them whose next part starts with what `print` writes.
    pub(super) fn and(mut self, print: impl FnOnce(&mut String)) -> Self {
        print(&mut self.text);
        self
    }

    /// The place before the first of them.
    pub(super) fn start(self) -> Cursor<K> {
        Cursor {
            from: self.text.into(),
            parts: PhantomData,
        }
    }

    /// The place behind the last of them.
    pub(super) fn end(&self) -> Cursor<K> {
        let mut end = self.text.clone().into_bytes();
        // A prefix ends in '/' or a hexadecimal digit; the byte after it bounds what starts with it.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Cursor {
            from: end.into(),
            parts: PhantomData,
        }
    }

    /// All keys of the kind.
    pub fn all() -> Self {
        Self::print(|_| ())
    }

    /// Whether `key` is one of them.
    pub fn contains(&self, key: &Key<K>) -> bool {
        key.bytes.starts_with(self.text.as_bytes())
    }

    /// The keys, as a range.
    pub fn range(&self) -> KeyRange {
        KeyRange {
            start: Bytes::copy_from_slice(self.text.as_bytes()),
            end: self.end().from,
        }
    }

    /// Those of the keys that are at `cursor` or behind.
    pub fn range_from(&self, cursor: &Cursor<K>) -> KeyRange {
        let range = self.range();
        KeyRange {
            start: range.start.max(cursor.from.clone()),
            end: range.end,
        }
    }
}

/// A place between the keys of a kind, from which a range is read on.
pub struct Cursor<K> {
    /// The first key that can follow.
    from: Bytes,
    parts: PhantomData<fn() -> K>,
}

// By hand, since the parts' type need not be comparable.
impl<K> Cursor<K> {
    /// The later one of two places.
    pub fn max(self, other: Self) -> Self {
        match self.from >= other.from {
            true => self,
            false => other,
        }
    }
}

impl<K> fmt::Debug for Cursor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from.escape_ascii())
    }
}
