//! One account's share of the tables of security groups' rules.
//!
//! Of the other tables of the data path a record takes a few entries, and the quotas keep an account from
//! filling one at once. A rule takes up to thousands ([`RuleEntries`]), and only once an interface carries its
//! group: one account could write the rules of dozens of groups while the tables are empty, and fill
//! them with a few calls that add no rule. So the entries of all its groups count, carried or not, and
//! are counted whenever a call makes them more, however full the tables are.
//!
//! To count all of an account's groups at each call would cost as much as it has groups. So how many
//! entries an account has at most is remembered, counted once and raised by each call, and counted anew
//! only where that would pass the share: then it is known what was deleted meanwhile.
//!
//! The rules that the controller adds for a fleet's connection count for the call that makes it, in the
//! caller's own groups. Those in the group of another account, which has authorized it, show when that
//! account's are counted next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tombolo_domain::id::{AccountId, Region, SecurityGroupId};
use tombolo_domain::vpc::{RuleEntries, SecurityGroup};
use tombolo_store::StoreError;

use super::Operation;
use crate::error::{ApiError, CommonError};
use crate::lookup::ScopedTransaction;

/// The tables of rules.
pub(super) const BLOCKS: &str = "rule_blocks";
pub(super) const PORTS: &str = "rule_ports";

/// What is known of each account that has written rules.
#[derive(Debug, Default)]
pub(super) struct RuleShares(Mutex<BTreeMap<AccountId, AccountRules>>);

#[derive(Debug, Default)]
struct AccountRules {
    /// Those of the last count of all groups, and of `committed` when it began. `None` before the
    /// first.
    counted: Option<(RuleEntries, RuleEntries)>,
    /// Those that calls have added since the start.
    committed: RuleEntries,
    /// Those of calls that are not committed yet.
    pending: RuleEntries,
    /// What each group takes, while its record is the same.
    groups: BTreeMap<SecurityGroupId, (Weak<SecurityGroup>, RuleEntries)>,
}

impl AccountRules {
    /// At most how many there are.
    fn most(&self) -> Option<RuleEntries> {
        let (counted, before) = self.counted?;
        Some(counted + self.committed.saturating_sub(before) + self.pending)
    }
}

/// What one account may have of each table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    pub(super) blocks: Option<u64>,
    pub(super) ports: Option<u64>,
}

impl Shares {
    /// The first table of which an account would have more than its share with what is added, with its
    /// entries and the share's.
    fn exceeded(self, all: RuleEntries, added: RuleEntries) -> Option<(&'static str, u64, u64)> {
        let tables = [
            (BLOCKS, all.blocks, added.blocks, self.blocks),
            (PORTS, all.ports, added.ports, self.ports),
        ];
        tables.into_iter().find_map(|(table, has, added, share)| {
            let share = share.filter(|share| added > 0 && has > *share)?;
            Some((table, has, share))
        })
    }
}

impl RuleShares {
    /// For one run of an operation of `account`'s. `is_counted` says that the account's groups were counted
    /// for this very call.
    pub(super) fn reserve(
        &self,
        account: AccountId,
        shares: Shares,
        is_counted: bool,
    ) -> RuleReservation<'_> {
        RuleReservation {
            of: self,
            account,
            shares,
            is_counted,
            state: Mutex::default(),
        }
    }

    /// Counts the entries of all groups of the principal's account. `tx` must have written nothing.
    pub(super) async fn count(
        &self,
        tx: &mut ScopedTransaction<'_>,
        regions: &[Region],
    ) -> Result<RuleEntries, StoreError> {
        let account = tx.principal().account();
        // What is committed from here on may not be in what is read.
        let (before, mut known) = {
            let mut accounts = self.locked();
            let rules = accounts.entry(account).or_default();
            (rules.committed, std::mem::take(&mut rules.groups))
        };
        let mut groups = BTreeMap::new();
        for region in regions {
            for group in tx.own_security_groups(region).await? {
                let entries = match known.remove(&group.id) {
                    Some((same, entries)) if std::ptr::eq(same.as_ptr(), Arc::as_ptr(&group)) => {
                        entries
                    }
                    _ => group.rule_entries(),
                };
                groups.insert(group.id.clone(), (Arc::downgrade(&group), entries));
            }
        }
        let counted: RuleEntries = groups.values().map(|(_, entries)| *entries).sum();
        let mut accounts = self.locked();
        let rules = accounts.entry(account).or_default();
        rules.counted = Some((counted, before));
        rules.groups = groups;
        Ok(counted)
    }

    // Each change is a whole one, so a panic elsewhere leaves nothing half-made.
    fn locked(&self) -> MutexGuard<'_, BTreeMap<AccountId, AccountRules>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one run of an operation adds. Until it is [`abandoned`](Self::abandoned) it counts, as it may
/// have been committed.
#[derive(Debug)]
pub(crate) struct RuleReservation<'r> {
    of: &'r RuleShares,
    account: AccountId,
    shares: Shares,
    is_counted: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    added: RuleEntries,
    is_abandoned: bool,
    needs_count: bool,
}

impl RuleReservation<'_> {
    /// Reserves what the transaction adds; refuses it if the account had more than its share then.
    ///
    /// # Errors
    /// That is so, or the account's groups have to be counted first, or the store failed.
    pub(crate) async fn check(
        &self,
        tx: &mut ScopedTransaction<'_>,
        operation: &Operation,
    ) -> Result<(), ApiError> {
        let is_known = self.shares.blocks.or(self.shares.ports).is_some();
        if !is_known || !operation.fills.contains(&PORTS) {
            return Ok(());
        }
        let added = tx.added_rule_entries().await?;
        if added == RuleEntries::default() {
            return Ok(());
        }
        let mut accounts = self.of.locked();
        let rules = accounts.entry(self.account).or_default();
        let all = rules.most().map(|most| most + added);
        let exceeded = all.map(|all| self.shares.exceeded(all, added));
        match exceeded {
            Some(None) => {
                rules.pending = rules.pending + added;
                self.state().added = added;
                Ok(())
            }
            Some(Some((table, has, share))) if self.is_counted => Err(ApiError::new(
                CommonError::InsufficientCapacity,
                format!(
                    "{} needs room in the network, which all accounts share: account {} would have \
                     {has} entries of the data path's table {table}, and one account may have \
                     {share}. A range of ports takes up to 30 entries, and a block those of the \
                     wider blocks around it, too. Delete what is no longer needed, or use another \
                     server.",
                    operation.name, self.account
                ),
            )),
            _ => {
                self.state().needs_count = true;
                Err(ApiError::internal(
                    "taking entries of the data path's tables",
                    "the account's security groups are not counted".to_owned(),
                ))
            }
        }
    }

    /// Whether the run failed because the account's groups have to be counted first.
    pub(super) fn needs_count(&self) -> bool {
        self.state().needs_count
    }

    /// The run wrote nothing.
    pub(super) fn abandoned(self) {
        self.state().is_abandoned = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RuleReservation<'_> {
    fn drop(&mut self) {
        let State {
            added,
            is_abandoned,
            ..
        } = *self.state();
        if added == RuleEntries::default() {
            return;
        }
        let mut accounts = self.of.locked();
        let rules = accounts.entry(self.account).or_default();
        rules.pending = rules.pending.saturating_sub(added);
        if !is_abandoned {
            rules.committed = rules.committed + added;
        }
    }
}
