//! Tags of resources.

use std::collections::{BTreeMap, BTreeSet};

use crate::Scope;

/// The most tags that one resource may have (EC2 and GameLift agree on 50 for people's own; the
/// GameLift model admits 200 in one request).
pub const MAX_TAGS: usize = 50;
/// The longest key, in characters.
pub const MAX_KEY: usize = 128;
/// The longest value, in characters.
pub const MAX_VALUE: usize = 256;

/// The tags of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// The owner of the resource.
    pub scope: Scope,
    /// The resource's id: `vpc-…`, `fleet-…`.
    pub resource: String,
    /// Keys and values.
    pub tags: BTreeMap<String, String>,
}

/// Why tags were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// A key that is empty or too long, or a value that is too long.
    #[error("tag key {key:?}: a key has 1 to {MAX_KEY} characters and a value at most {MAX_VALUE}")]
    Length {
        /// The key, cut to 64 characters.
        key: String,
    },
    /// A key in AWS's own name space.
    #[error("tag key {key:?}: keys that start with aws: are reserved for system use")]
    Reserved {
        /// The key.
        key: String,
    },
    /// A key that one request gives twice: which of the values counts would be a guess.
    #[error("tag key {key:?} is given twice; give it once")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// Too many.
    #[error("the resource would have {count} tags; the most is {MAX_TAGS}")]
    TooMany {
        /// How many it would have.
        count: usize,
    },
}

impl Tags {
    /// Adds the tags of one request, or gives new values to keys that are there.
    ///
    /// # Errors
    /// A tag cannot be, is given twice, or is one too many. The tags are then left half changed.
    pub fn add(
        &mut self,
        tags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), TagError> {
        let mut given = BTreeSet::new();
        for (key, value) in tags {
            let length = key.chars().count();
            if length == 0 || length > MAX_KEY || value.chars().count() > MAX_VALUE {
                return Err(TagError::Length {
                    key: key.chars().take(64).collect(),
                });
            }
            if key.to_ascii_lowercase().starts_with("aws:") {
                return Err(TagError::Reserved { key });
            }
            if !given.insert(key.clone()) {
                return Err(TagError::Duplicate { key });
            }
            self.tags.insert(key, value);
        }
        match self.tags.len() {
            count if count > MAX_TAGS => Err(TagError::TooMany { count }),
            _ => Ok(()),
        }
    }
}
