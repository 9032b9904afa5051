//! Results in pages: Limit and NextToken.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use tombolo_store::keys::Prefix;
use tombolo_store::typed::Transaction;

use crate::gamelift::error::{Error, Result};

/// The most results of one page, whatever Limit says.
const MOST: usize = 500;

/// How many records one read asks for at least, since some of them may be filtered out.
const READ: usize = 64;

/// One page, and the token that asks for the next.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) records: Vec<T>,
    pub(super) next_token: Option<String>,
}

/// Where a page starts, and how long it may be.
#[derive(Debug)]
pub(super) struct Window {
    /// The end of the key that the page starts behind.
    after: Option<String>,
    limit: usize,
}

impl Window {
    /// Reads Limit and NextToken. A token is the last key of the page before, so it is good for
    /// the same account, Region and kind of thing only.
    pub(super) fn new<T>(
        prefix: &Prefix<T>,
        limit: Option<u64>,
        next_token: Option<&str>,
    ) -> Result<Self> {
        let after = next_token
            .map(|token| position(prefix, token).ok_or_else(bad_token))
            .transpose()?;
        let limit = limit.map_or(MOST, |limit| {
            usize::try_from(limit).unwrap_or(MOST).clamp(1, MOST)
        });
        Ok(Window { after, limit })
    }

    /// Starts at `position` behind the prefix, unless it is already further.
    pub(super) fn not_before(mut self, position: String) -> Self {
        self.after = self.after.max(Some(position));
        self
    }

    /// The records that `keep` wants, in the order of their keys, up to the first that is not
    /// `within` what the request asks for.
    pub(super) async fn read<T: DeserializeOwned>(
        self,
        tx: &mut Transaction,
        prefix: &Prefix<T>,
        keep: impl Fn(&T) -> bool,
        within: impl Fn(&T) -> bool,
    ) -> Result<Page<T>> {
        let mut after = self.after;
        let mut kept: Vec<(String, T)> = Vec::new();
        loop {
            // One more than a page tells whether there is a next one.
            let wanted = (self.limit + 1).max(READ);
            let found = tx.page(prefix, after.as_deref(), wanted).await?;
            after = found.records.last().map(|(rest, _)| rest.clone());
            let mut ended = !found.more;
            for (rest, record) in found.records {
                if !within(&record) {
                    ended = true;
                    break;
                }
                if keep(&record) {
                    kept.push((rest, record));
                }
            }
            if ended || kept.len() > self.limit {
                break;
            }
        }
        let more = kept.len() > self.limit;
        kept.truncate(self.limit);
        let next_token = kept
            .last()
            .filter(|_| more)
            .map(|(rest, _)| token(prefix, rest));
        let records = kept.into_iter().map(|(_, record)| record).collect();
        Ok(Page {
            records,
            next_token,
        })
    }
}

fn token<T>(prefix: &Prefix<T>, rest: &str) -> String {
    URL_SAFE_NO_PAD.encode([prefix.bytes(), rest.as_bytes()].concat())
}

fn position<T>(prefix: &Prefix<T>, token: &str) -> Option<String> {
    let key = URL_SAFE_NO_PAD.decode(token).ok()?;
    prefix.rest(&key).map(str::to_owned)
}

fn bad_token() -> Error {
    Error::invalid_request(
        "NextToken is not one that this request gave; leave it out to start at the first page.",
    )
}
