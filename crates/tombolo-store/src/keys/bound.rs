//! What bounds how many records of a kind there are, as data: a column of the key space's table.
//!
//! A kind that nothing bounds is a way to fill everybody's memory, so a row without a bound does not
//! compile. What is asked for is refused at its bound, in the transaction that would pass it
//! ([`Transaction::over_bound`](crate::typed::Transaction::over_bound)); what nodes and the controller
//! write is never refused: there the newest are kept.

use std::fmt;

use bytes::Bytes;
use tombolo_domain::quota::Quota;

use super::Kind;
use crate::KeyRange;

/// What bounds how many records of a kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many that have these parts of their keys in common; one more is refused.
    Limited {
        /// How many.
        most: Most,
        /// Of what.
        within: Within,
        /// How many are kept beside those when they are over, the newest; the controller forgets the
        /// rest. Of what is removed when it ends, none.
        ended: usize,
    },
    /// The newest so many that have these parts of their keys in common. The transaction that writes
    /// one more removes the one that was written first.
    Ring {
        /// How many.
        keep: usize,
        /// Of what.
        within: Within,
    },
    /// At most one for each record of these kinds, or for each part of one: written and deleted in
    /// the same transactions.
    With(&'static [Kind]),
    /// At most one for each record of this kind and each host.
    OnEachHost(Kind),
    /// So many as the controller makes, which has this limit of its own and is never refused.
    Made {
        /// How many.
        most: usize,
        /// Of what.
        within: Within,
    },
    /// One for each host that the operator runs.
    Hosts,
    /// A single one.
    One,
    /// Work that is left to be done: each goes when that is done, which is at once.
    Backlog,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Most {
    /// As many as an account's quota says.
    Quota(Quota),
    /// This many, of what only the operator makes.
    Fixed(usize),
}

/// The records that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// All of the server.
    Server,
    /// An account's, by the first part of the key.
    Account,
    /// Its owner's: an account's, or an account's in a Region. The value names it and the key does
    /// not, so that all of the kind are read when the whole kind has more than one owner may have.
    Owner,
    /// An account's in a Region.
    Region,
    /// Those of one VPC, fleet, bucket or upload: what comes behind account and Region in the key.
    Parent,
}

impl Bound {
    /// Refused when an account's quota is used up.
    pub(super) const fn quota(quota: Quota, within: Within) -> Self {
        Bound::Limited {
            most: Most::Quota(quota),
            within,
            ended: 0,
        }
    }

    /// Refused beyond a number that no configuration changes.
    pub(super) const fn fixed(most: usize, within: Within) -> Self {
        Bound::Limited {
            most: Most::Fixed(most),
            within,
            ended: 0,
        }
    }

    /// The same, and beside those the newest `ended` that are over.
    pub(super) const fn and_ended(self, ended: usize) -> Self {
        match self {
            Bound::Limited { most, within, .. } => Bound::Limited {
                most,
                within,
                ended,
            },
            other => other,
        }
    }

    /// The newest `keep`.
    pub(super) const fn ring(keep: usize, within: Within) -> Self {
        Bound::Ring { keep, within }
    }
}

impl Within {
    /// How many parts of a key behind the kind's name are the same. A Region and an account are two.
    const fn parts(self) -> usize {
        match self {
            Within::Server | Within::Owner => 0,
            Within::Account => 1,
            Within::Region => 2,
            Within::Parent => 3,
        }
    }

    /// The keys that are counted together with `key`; for [`Within::Owner`] they are among
    /// others. `None` for a key that has not so many parts.
    pub(crate) fn range(self, key: &[u8]) -> Option<KeyRange> {
        let mut slashes = key.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let (end, _) = slashes.nth(self.parts())?;
        Some(everything_below(key.get(..end)?))
    }
}

/// The keys that have `parts` in front and more behind them.
fn everything_below(parts: &[u8]) -> KeyRange {
    // The byte behind a slash is a zero.
    KeyRange {
        start: Bytes::from([parts, b"/"].concat()),
        end: Bytes::from([parts, b"0"].concat()),
    }
}

impl fmt::Display for Bound {
    /// `vpcs_per_region an account and Region`, for a person who reads the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |kinds: &[Kind]| {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            names.join(", ")
        };
        match *self {
            Bound::Limited {
                most,
                within,
                ended,
            } => {
                match most {
                    Most::Quota(quota) => write!(f, "{quota} {within}")?,
                    Most::Fixed(most) => write!(f, "{most} {within}")?,
                }
                match ended {
                    0 => Ok(()),
                    ended => write!(f, ", and the newest {ended} that are over"),
                }
            }
            Bound::Ring { keep, within } => write!(f, "the newest {keep} {within}"),
            Bound::With(kinds) => write!(f, "one each of {}", names(kinds)),
            Bound::OnEachHost(kind) => write!(f, "one each of {}, on each host", kind.name()),
            Bound::Made { most, within } => write!(f, "{most} {within}, which the server makes"),
            Bound::Hosts => f.write_str("one a host"),
            Bound::One => f.write_str("one"),
            Bound::Backlog => f.write_str("until the work is done that it stands for"),
        }
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Within::Server => "a server",
            Within::Account => "an account",
            Within::Owner => "an owner",
            Within::Region => "an account and Region",
            Within::Parent => "of what it is kept under",
        })
    }
}
