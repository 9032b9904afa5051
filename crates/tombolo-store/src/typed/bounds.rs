//! The bounds of the key space ([`Bound`]), held in the transaction.
//!
//! What would pass a bound is found before the commit, by counting ([`Transaction::over_bound`]), and
//! the commit does not depend on the count: calls at the same moment may pass a bound by as many as
//! there are in flight. Were it part of what the commit compares, or a counter of its own, all writers
//! of an account would wait for each other at one key, for a bound that nobody meets by one.
//!
//! Counting walks the keys of one owner and kind, and reads no value ([`Store::count`]): it stops at the
//! very number that it is compared with. Records that do not all count, such as
//! connections of which some are over, are read only where there are more keys than may count; that is
//! [`Transaction::count`], and whoever has the records decoded at hand replaces that one function.
//!
//! Rings are held at the commit ([`Transaction::trim_rings`]), so that whoever writes an event need not
//! know that there is a ring.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::AccountId;
use tombolo_domain::peering::{Authorization, Connection};
use tombolo_domain::quota::{Quota, Quotas};
use tombolo_domain::vpc::Attachment;
use tombolo_domain::{Scope, Timestamp};

use super::Transaction;
use crate::keys::{
    self, AccessKeyKey, AccountQuotasKey, AuthorizationKey, Bound, ConnectionKey, FleetKey,
    InterfaceKey, KeyParts, Kind, Most, Prefix, RouteTableKey, SecurityGroupKey,
    TemporaryCredentialKey, VpcKey, Within,
};
use crate::model::Term;
use crate::{Entry, KeyRange, Revision, Store, StoreError};

/// How many records of a ring one transaction removes at most. Only the ring of a store from before
/// there was one has more to lose, and the controller takes that away step by step.
const MAX_TRIMMED: usize = 64;

/// How many entries are read of a range at a time.
const PAGE: usize = 1024;

/// A bound that a transaction would pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverBound {
    /// The kind of the records.
    pub kind: Kind,
    /// The quota, if an account's quota says how many there may be.
    pub quota: Option<Quota>,
    /// How many there may be.
    pub most: usize,
    /// Those that are counted together.
    pub group: Group,
}

/// Records that are counted together, by what their keys have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The account; `None` for what is the server's.
    pub account: Option<AccountId>,
    /// The Region.
    pub region: Option<String>,
    /// The VPC, fleet, bucket or upload that they are kept under, if they are counted by that.
    pub parent: Option<String>,
}

impl fmt::Display for Group {
    /// `vpc-0123456789abcdef0 of account 111122223333 in Region us-west-2`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(account) = self.account else {
            return f.write_str("this server");
        };
        if let Some(parent) = &self.parent {
            write!(f, "{parent} of ")?;
        }
        write!(f, "account {account}")?;
        match &self.region {
            Some(region) => write!(f, " in Region {region}"),
            None => Ok(()),
        }
    }
}

/// How a record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// As one of what there is.
    Live,
    /// Not any more, for whoever deleted it; it is not over before that is so on every host.
    Ending,
    /// Not at all.
    Over,
}

impl Transaction {
    /// The first bound that this transaction would pass, with what was written so far. Only what adds
    /// a record that counts passes one: what is there, also more of it than there may be, can be
    /// changed and deleted.
    pub async fn over_bound(
        &mut self,
        quotas: &Quotas,
        now: Timestamp,
    ) -> Result<Option<OverBound>, StoreError> {
        // One that stands for all of its group.
        let mut groups: BTreeMap<(Kind, Group), Bytes> = BTreeMap::new();
        for (key, value) in &self.writes {
            let Some(value) = value else { continue };
            let kind = Kind::of(key)?;
            let Bound::Limited { within, .. } = kind.bound() else {
                continue;
            };
            let stored = self.store.get(key).await?;
            if !counts_more(kind, key, value, stored.as_ref(), now)? {
                continue;
            }
            if let Some(group) = group(kind, within, key, value)? {
                groups.entry((kind, group)).or_insert_with(|| key.clone());
            }
        }
        for ((kind, group), key) in groups {
            let Bound::Limited { most, within, .. } = kind.bound() else {
                continue;
            };
            let (quota, most) = self.most(most, &group, quotas).await?;
            let Some(range) = within.range(&key) else {
                continue;
            };
            let count = self.count_up_to(most, kind, &group, &range, now).await?;
            if count.live > most || count.live + count.ending > most.saturating_mul(2) {
                return Ok(Some(OverBound {
                    kind,
                    quota,
                    most,
                    group,
                }));
            }
        }
        Ok(None)
    }

    /// How many there may be of a group, and by which quota.
    async fn most(
        &self,
        most: Most,
        group: &Group,
        quotas: &Quotas,
    ) -> Result<(Option<Quota>, usize), StoreError> {
        Ok(match (most, group.account) {
            (Most::Fixed(most), _) => (None, most),
            (Most::Quota(quota), None) => (Some(quota), quotas.get(quota)),
            (Most::Quota(quota), Some(account)) => {
                let quotas = self.quotas_of(account, quotas).await?;
                (Some(quota), quotas.get(quota))
            }
        })
    }

    /// How many keys a prefix has. No record is read.
    pub async fn count_of<K: KeyParts>(&self, prefix: &Prefix<K>) -> Result<usize, StoreError> {
        self.count_keys(&prefix.range(), usize::MAX).await
    }

    /// What an account may have on a server where all may have `quotas`. The commit does not depend on
    /// it.
    pub async fn quotas_of(
        &self,
        account: AccountId,
        quotas: &Quotas,
    ) -> Result<Quotas, StoreError> {
        let key = keys::account_quotas(account);
        let Some(own) = self.store.get(key.as_bytes()).await? else {
            return Ok(*quotas);
        };
        Ok(AccountQuotasKey::decode(key.as_bytes(), &own.value)?.over(quotas))
    }

    /// As [`count`](Self::count), exact up to `most`; beyond that it may be any larger number.
    async fn count_up_to(
        &mut self,
        most: usize,
        kind: Kind,
        group: &Group,
        range: &KeyRange,
        now: Timestamp,
    ) -> Result<Count, StoreError> {
        let keys = self.count_keys(range, most.saturating_add(1)).await?;
        match keys <= most {
            true => Ok(Count::of(keys)),
            false => {
                self.count(kind, group, range, now, most.saturating_add(1))
                    .await
            }
        }
    }

    /// How many records of a group there are that count, as this transaction would leave them. `range`
    /// has their keys. Of a kind whose records all count it is exact up to `limit`.
    async fn count(
        &mut self,
        kind: Kind,
        group: &Group,
        range: &KeyRange,
        now: Timestamp,
        limit: usize,
    ) -> Result<Count, StoreError> {
        let live_of = |standings: Vec<Standing>| {
            let number = |of| standings.iter().filter(|one| **one == of).count();
            Count {
                live: number(Standing::Live),
                ending: number(Standing::Ending),
            }
        };
        let Some(account) = group.account else {
            return Ok(Count::of(self.count_keys(range, limit).await?));
        };
        let scope = group.scope(account);
        Ok(match (kind, scope) {
            (Kind::Vpc | Kind::NetworkInterface | Kind::SecurityGroup, Some(scope)) => {
                let hidden = self.count_hidden(range, &scope).await?;
                // So many more keys than records that count.
                let keys = self.count_keys(range, limit.saturating_add(hidden)).await?;
                Count::of(keys.saturating_sub(hidden))
            }
            (Kind::Authorization, Some(scope)) => {
                let all = self.peek(&keys::authorizations_from(&scope)).await?;
                live_of(all.iter().map(|one| of_authorization(one, now)).collect())
            }
            (Kind::Connection, Some(scope)) => {
                // Of those that are over there may be a thousand, and they do not count.
                let open = Term::OpenConnectionIn(account, &scope.region);
                let open = self.find(open, &keys::connections(&scope)).await?;
                let open = open.into_iter().map(Arc::unwrap_or_clone);
                live_of(open.map(|one| of_connection(one, now)).collect())
            }
            (Kind::Fleet, Some(scope)) => {
                let all = self.peek(&keys::fleets(&scope)).await?;
                live_of(all.iter().map(|one| of_fleet(one.status)).collect())
            }
            (Kind::AccessKey, _) => {
                let all = self.peek(&keys::access_keys()).await?;
                Count::of(all.iter().filter(|one| one.account == account).count())
            }
            (Kind::TemporaryCredential, Some(scope)) => {
                let all = self.peek(&keys::all_temporary_credentials()).await?;
                Count::of(all.iter().filter(|one| one.scope == scope).count())
            }
            _ => Count::of(self.count_keys(range, limit).await?),
        })
    }

    /// How many keys of `range` are under the VPCs that an account's fleets hide.
    async fn count_hidden(&mut self, range: &KeyRange, scope: &Scope) -> Result<usize, StoreError> {
        let mut hidden = 0;
        for fleet in self.peek(&keys::fleets(scope)).await? {
            if let Some(vpc) = fleet.vpc() {
                let below = [&range.start, vpc.as_str().as_bytes()].concat();
                let range = KeyRange {
                    // Ids are of one length: what starts so is the VPC's key, or below it.
                    end: [&below[..], b"0"].concat().into(),
                    start: below.into(),
                };
                hidden += self.count_keys(&range, usize::MAX).await?;
            }
        }
        Ok(hidden)
    }

    /// How many keys a range has, as this transaction would leave it: exact up to `limit`, which is
    /// where it stops counting.
    async fn count_keys(&self, range: &KeyRange, limit: usize) -> Result<usize, StoreError> {
        let (mut new, mut gone) = (0, 0);
        for (key, value) in self.writes.range(range.start.clone()..range.end.clone()) {
            let is_stored = self.store.get(key).await?.is_some();
            match value {
                Some(_) if !is_stored => new += 1,
                None if is_stored => gone += 1,
                _ => {}
            }
        }
        let stored = self.store.count(range, limit.saturating_add(gone)).await?;
        Ok(stored.saturating_sub(gone).saturating_add(new))
    }

    /// Deletes the oldest of every ring that this transaction makes too long. The commit does not
    /// depend on them: of two that write at once, the next one takes away what is left over.
    pub(super) async fn trim_rings(&mut self) -> Result<(), StoreError> {
        let mut rings: BTreeSet<(Bytes, Bytes)> = BTreeSet::new();
        let mut keeps: BTreeMap<Bytes, usize> = BTreeMap::new();
        for (key, _) in self.writes.iter().filter(|(_, value)| value.is_some()) {
            let Bound::Ring { keep, within } = Kind::of(key)?.bound() else {
                continue;
            };
            if let Some(range) = within.range(key) {
                keeps.insert(range.start.clone(), keep);
                rings.insert((range.start, range.end));
            }
        }
        for (start, end) in rings {
            let keep = keeps.get(&start).copied().unwrap_or(usize::MAX);
            let range = KeyRange { start, end };
            let most = MAX_TRIMMED.max(self.writes.len());
            let limit = keep.saturating_add(most).saturating_add(1);
            let surplus = self.count_keys(&range, limit).await?.saturating_sub(keep);
            if surplus == 0 || surplus > most {
                continue;
            }
            for key in self.ring(&range).await?.surplus(keep) {
                self.writes.insert(key, None);
            }
        }
        Ok(())
    }

    /// The records of a ring, as this transaction would leave it.
    async fn ring(&self, range: &KeyRange) -> Result<Ring, StoreError> {
        let (mut ring, mut rest) = (Ring::default(), range.clone());
        loop {
            let page = self.store.range(&rest, PAGE).await?;
            let last = page.entries.last().map(|entry| entry.key.clone());
            for Entry { key, modified, .. } in page.entries {
                match self.writes.get(&key) {
                    None => ring.push(Some(modified), key),
                    Some(Some(_)) => ring.push(None, key),
                    Some(None) => {}
                }
            }
            match last {
                Some(last) if page.more => rest.start = [&last[..], b"\0"].concat().into(),
                _ => break,
            }
        }
        for (key, value) in self.writes.range(range.start.clone()..range.end.clone()) {
            if value.is_some() && self.store.get(key).await?.is_none() {
                ring.push(None, key.clone());
            }
        }
        Ok(ring)
    }
}

/// The keys of a ring by when they were written, which is what says which are the oldest. Their keys tell
/// a time as well, but the clock may have been set back: then the newest record would be the first to
/// go, in the transaction that writes it. So a record that comes late is kept, too.
#[derive(Default)]
struct Ring(Vec<(Written, Reverse<Bytes>)>);

/// When a record was written.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Written {
    At(Revision),
    /// By the transaction that is about to be committed.
    Now,
}

impl Ring {
    fn push(&mut self, modified: Option<Revision>, key: Bytes) {
        let written = modified.map_or(Written::Now, Written::At);
        // Keys are in the order of time, the newest first: of those that were written together the
        // last one is the oldest.
        self.0.push((written, Reverse(key)));
    }

    /// All but the newest `keep`, the oldest first.
    fn surplus(mut self, keep: usize) -> impl Iterator<Item = Bytes> {
        let surplus = self.0.len().saturating_sub(keep);
        self.0.sort();
        self.0
            .into_iter()
            .take(surplus)
            .map(|(_, Reverse(key))| key)
    }
}

/// More of something than there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The bound.
    pub over: OverBound,
    /// How many there are.
    pub count: usize,
}

/// All that is over its bound: in a store from before there were bounds, and where one was lowered. It
/// goes through all keys, and reads the records only of what has more keys than may count.
///
/// # Errors
/// The store failed.
pub async fn excesses(
    store: &Arc<dyn Store>,
    quotas: &Quotas,
    now: Timestamp,
) -> Result<Vec<Excess>, StoreError> {
    let mut tx = Transaction::new(store.clone());
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let Bound::Limited { most, within, .. } = kind.bound() else {
            continue;
        };
        let mut groups: BTreeMap<Group, (Bytes, usize)> = BTreeMap::new();
        let mut rest = everything_of(*kind);
        loop {
            let page = store.range(&rest, PAGE).await?;
            for Entry { key, value, .. } in &page.entries {
                if let Some(group) = group(*kind, within, key, value)? {
                    groups.entry(group).or_insert_with(|| (key.clone(), 0)).1 += 1;
                }
            }
            match page.entries.last() {
                Some(last) if page.more => rest.start = [&last.key[..], b"\0"].concat().into(),
                _ => break,
            }
        }
        for (group, (key, keys)) in groups {
            let (quota, most) = tx.most(most, &group, quotas).await?;
            let Some(range) = within.range(&key).filter(|_| keys > most) else {
                continue;
            };
            let count = tx.count(*kind, &group, &range, now, usize::MAX).await?.live;
            if count > most {
                let over = OverBound {
                    kind: *kind,
                    quota,
                    most,
                    group,
                };
                found.push(Excess { over, count });
            }
        }
    }
    Ok(found)
}

/// Takes the oldest away of every ring that is too long: in a store from before there were rings.
/// Afterwards whoever writes keeps them so. Gives how many records went.
///
/// # Errors
/// The store failed; what went is gone.
pub async fn trim_rings(store: &Arc<dyn Store>) -> Result<usize, StoreError> {
    let mut trimmed = 0;
    for kind in Kind::ALL {
        let Bound::Ring { keep, within } = kind.bound() else {
            continue;
        };
        let mut rings: BTreeMap<Bytes, Ring> = BTreeMap::new();
        let mut rest = everything_of(*kind);
        loop {
            let page = store.range(&rest, PAGE).await?;
            for Entry { key, modified, .. } in &page.entries {
                if let Some(range) = within.range(key) {
                    let ring = rings.entry(range.start).or_default();
                    ring.push(Some(*modified), key.clone());
                }
            }
            match page.entries.last() {
                Some(last) if page.more => rest.start = [&last.key[..], b"\0"].concat().into(),
                _ => break,
            }
        }
        let rings = rings.into_values();
        let surplus: Vec<_> = rings.flat_map(|ring| ring.surplus(keep)).collect();
        trimmed += surplus.len();
        for some in surplus.chunks(MAX_TRIMMED) {
            let mut tx = Transaction::new(store.clone());
            for key in some {
                tx.writes.insert(key.clone(), None);
            }
            // It has read nothing that could conflict.
            let _ = tx.commit().await?;
        }
    }
    Ok(trimmed)
}

/// The keys of a kind.
fn everything_of(kind: Kind) -> KeyRange {
    let prefix = |end: &str| Bytes::from([kind.name(), end].concat());
    // The byte behind a slash is a zero.
    KeyRange {
        start: prefix("/"),
        end: prefix("0"),
    }
}

/// How many records of a group there are.
#[derive(Debug, Clone, Copy)]
struct Count {
    live: usize,
    ending: usize,
}

impl Count {
    fn of(live: usize) -> Self {
        Count { live, ending: 0 }
    }
}

impl Group {
    /// The account in the Region, if they are counted by one.
    fn scope(&self, account: AccountId) -> Option<Scope> {
        let region = self.region.as_ref()?.parse().ok()?;
        Some(Scope { account, region })
    }
}

/// The group that a record is counted in; `None` if its key does not say.
fn group(
    kind: Kind,
    within: Within,
    key: &[u8],
    value: &[u8],
) -> Result<Option<Group>, StoreError> {
    let mut parts = str::from_utf8(key).unwrap_or_default().split('/').skip(1);
    let mut group = Group {
        account: None,
        region: None,
        parent: None,
    };
    match within {
        Within::Server => {}
        Within::Account => group.account = parts.next().and_then(|id| id.parse().ok()),
        Within::Region | Within::Parent => {
            group.region = parts.next().map(str::to_owned);
            group.account = parts.next().and_then(|id| id.parse().ok());
            if within == Within::Parent {
                group.parent = parts.next().map(str::to_owned);
            }
        }
        Within::Owner => match kind {
            Kind::TemporaryCredential => {
                let scope = TemporaryCredentialKey::decode(key, value)?.scope;
                group.account = Some(scope.account);
                group.region = Some(scope.region.to_string());
            }
            _ => group.account = Some(AccessKeyKey::decode(key, value)?.account),
        },
    }
    let is_known = within == Within::Server || group.account.is_some();
    Ok(is_known.then_some(group))
}

/// Whether one more counts when `value` is put in place of what is stored, because somebody asked for
/// it.
fn counts_more(
    kind: Kind,
    key: &[u8],
    value: &[u8],
    stored: Option<&Entry>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let always_counts = !matches!(kind, Kind::Authorization | Kind::Connection | Kind::Fleet);
    match stored {
        Some(_) if always_counts => Ok(false),
        Some(stored) => Ok(standing(kind, key, value, now)? == Standing::Live
            && standing(kind, key, &stored.value, now)? != Standing::Live),
        None => {
            Ok(is_asked_for(kind, key, value)?
                && standing(kind, key, value, now)? == Standing::Live)
        }
    }
}

/// Whether somebody asked for the record, rather than that it comes with another one: the VPC of a
/// fleet with what is in it, and what every VPC has from the beginning. That is not refused, and the
/// last two count.
fn is_asked_for(kind: Kind, key: &[u8], value: &[u8]) -> Result<bool, StoreError> {
    Ok(match kind {
        Kind::Vpc => VpcKey::decode(key, value)?.fleet.is_none(),
        Kind::NetworkInterface => !matches!(
            InterfaceKey::decode(key, value)?.attachment,
            Some(Attachment::Instance { .. })
        ),
        Kind::RouteTable => RouteTableKey::decode(key, value)?.main.is_none(),
        Kind::SecurityGroup => !SecurityGroupKey::decode(key, value)?.is_default(),
        _ => true,
    })
}

fn standing(kind: Kind, key: &[u8], value: &[u8], now: Timestamp) -> Result<Standing, StoreError> {
    Ok(match kind {
        Kind::Authorization => of_authorization(&AuthorizationKey::decode(key, value)?, now),
        Kind::Connection => of_connection(ConnectionKey::decode(key, value)?, now),
        Kind::Fleet => of_fleet(FleetKey::decode(key, value)?.status),
        _ => Standing::Live,
    })
}

fn of_authorization(authorization: &Authorization, now: Timestamp) -> Standing {
    match authorization.ends() > now {
        true => Standing::Live,
        false => Standing::Over,
    }
}

fn of_connection(connection: Connection, now: Timestamp) -> Standing {
    let state = connection.as_of(now).state;
    match (state.is_live(), state.is_over()) {
        (true, _) => Standing::Live,
        (false, true) => Standing::Over,
        (false, false) => Standing::Ending,
    }
}

fn of_fleet(status: FleetStatus) -> Standing {
    match status {
        FleetStatus::Terminated => Standing::Over,
        FleetStatus::Deleting => Standing::Ending,
        _ => Standing::Live,
    }
}
