//! Results in pages: Limit and NextToken.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tombolo_store::keys::{Cursor, Key, KeyParts, Prefix};

use crate::gamelift::error::{Error, Result};
use crate::lookup::Scan;

/// The most results of one page, also if Limit asks for more.
const MAX_RECORDS: usize = 500;

/// The fewest records that one read asks for, since some of them may be filtered out.
const MIN_READ: usize = 64;

/// One page, and the token that asks for the next.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) records: Vec<T>,
    pub(super) next_token: Option<String>,
}

/// Where a page starts, and how long it may be.
#[derive(Debug)]
pub(super) struct Window<K> {
    /// Behind which key the page starts.
    after: Option<Cursor<K>>,
    limit: usize,
}

impl<K: KeyParts> Window<K> {
    /// Reads Limit and NextToken. A token is the last key of the page before, so it is good for
    /// the same account, Region and kind of thing only.
    pub(super) fn new(
        scan: &Scan<'_, K>,
        limit: Option<u64>,
        next_token: Option<&str>,
    ) -> Result<Self> {
        let after = next_token
            .map(|token| position(scan.prefix(), token).ok_or_else(bad_token))
            .transpose()?;
        let limit = limit.map_or(MAX_RECORDS, |limit| {
            usize::try_from(limit)
                .unwrap_or(MAX_RECORDS)
                .clamp(1, MAX_RECORDS)
        });
        Ok(Window { after, limit })
    }

    /// Starts at `cursor`, unless it is already further.
    pub(super) fn not_before(mut self, cursor: Cursor<K>) -> Self {
        self.after = Some(match self.after {
            Some(after) => after.max(cursor),
            None => cursor,
        });
        self
    }

    /// The records that `keep` wants, in the order of their keys, up to the first that is not
    /// `within` what the request asks for.
    pub(super) async fn read(
        self,
        mut scan: Scan<'_, K>,
        keep: impl Fn(&K::Value) -> bool,
        within: impl Fn(&K::Value) -> bool,
    ) -> Result<Page<K::Value>> {
        let mut after = self.after;
        let mut kept: Vec<(Key<K>, K::Value)> = Vec::new();
        loop {
            // One more than a page tells whether there is a next one.
            let wanted = (self.limit + 1).max(MIN_READ);
            let found = scan.page(after.as_ref(), wanted).await?;
            after = found.records.last().map(|(key, _)| key.behind());
            let mut ended = !found.more;
            for (key, record) in found.records {
                if !within(&record) {
                    ended = true;
                    break;
                }
                if keep(&record) {
                    kept.push((key, record));
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
            .map(|(key, _)| URL_SAFE_NO_PAD.encode(key.as_bytes()));
        let records = kept.into_iter().map(|(_, record)| record).collect();
        Ok(Page {
            records,
            next_token,
        })
    }
}

/// Where the page behind the one that gave `token` starts.
fn position<K: KeyParts>(prefix: &Prefix<K>, token: &str) -> Option<Cursor<K>> {
    let key = URL_SAFE_NO_PAD.decode(token).ok()?;
    let key = Key::parse(key).ok()?;
    prefix.contains(&key).then(|| key.behind())
}

fn bad_token() -> Error {
    Error::invalid_request(
        "NextToken is not one that this request gave; leave it out to start at the first page.",
    )
}
