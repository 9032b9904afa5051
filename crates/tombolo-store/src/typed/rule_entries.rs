//! What the security groups that a transaction writes take of the data path's tables.

use tombolo_domain::id::AccountId;
use tombolo_domain::vpc::RuleEntries;

use super::Transaction;
use crate::StoreError;
use crate::keys::{KeyParts, Kind, SecurityGroupKey};

impl Transaction {
    /// By how many entries the rules of an account's security groups take more with what was written so
    /// far. Groups that take fewer make up for none. The commit does not depend on it.
    pub async fn added_rule_entries(&self, account: AccountId) -> Result<RuleEntries, StoreError> {
        let mut added = RuleEntries::default();
        for (key, value) in &self.writes {
            let Some(value) = value else { continue };
            if Kind::of(key)? != Kind::SecurityGroup {
                continue;
            }
            let group = SecurityGroupKey::decode(key, value)?;
            if group.scope.account != account {
                continue;
            }
            let before = match self.store.get(key).await? {
                Some(stored) => SecurityGroupKey::decode(key, &stored.value)?.rule_entries(),
                None => RuleEntries::default(),
            };
            added = added + group.rule_entries().saturating_sub(before);
        }
        Ok(added)
    }
}
