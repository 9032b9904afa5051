//! What a transaction adds to the entries that security groups' rules take in the data path's tables.

use tombolo_domain::Scope;
use tombolo_domain::id::AccountId;
use tombolo_domain::peering::Connection;
use tombolo_domain::vpc::RuleEntries;

use super::Transaction;
use crate::StoreError;
use crate::keys::{self, ConnectionKey, KeyParts, Kind, SecurityGroupKey};

impl Transaction {
    /// By how many entries the rules of an account's security groups take more with what was written so
    /// far, and with the rules that a new connection of a fleet's will have in the default groups of its
    /// VPCs. Groups that take fewer make up for none. The commit does not depend on it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn added_rule_entries(
        &mut self,
        account: AccountId,
    ) -> Result<RuleEntries, StoreError> {
        let mut added = RuleEntries::default();
        let mut connections = Vec::new();
        for (key, value) in &self.writes {
            let Some(value) = value else { continue };
            match Kind::of(key)? {
                Kind::SecurityGroup => {
                    let group = SecurityGroupKey::decode(key, value)?;
                    if group.scope.account != account {
                        continue;
                    }
                    let before = match self.store.get(key).await? {
                        Some(stored) => {
                            SecurityGroupKey::decode(key, &stored.value)?.rule_entries()
                        }
                        None => RuleEntries::default(),
                    };
                    added = added + group.rule_entries().saturating_sub(before);
                }
                Kind::Connection if self.store.get(key).await?.is_none() => {
                    connections.push(ConnectionKey::decode(key, value)?);
                }
                _ => {}
            }
        }
        for connection in connections.iter().filter(|one| one.fleet.is_some()) {
            added = added + self.admitted_entries(connection, account).await?;
        }
        Ok(added)
    }

    /// By how many entries an account's default groups take more when a connection lets in the blocks of
    /// the other end. One block takes what all rules for wider ones do.
    async fn admitted_entries(
        &mut self,
        connection: &Connection,
        account: AccountId,
    ) -> Result<RuleEntries, StoreError> {
        let mut added = RuleEntries::default();
        let Connection {
            requester,
            accepter,
            ..
        } = connection;
        for (here, there) in [(requester, accepter), (accepter, requester)] {
            if here.account != account {
                continue;
            }
            let scope = Scope {
                account,
                region: connection.region.clone(),
            };
            let groups = keys::security_groups_of(&scope, &here.vpc);
            for group in self.peek_shared(&groups).await? {
                if group.is_default() {
                    let with = group.rule_entries_admitting(there.cidrs());
                    added = added + with.saturating_sub(group.rule_entries());
                }
            }
        }
        Ok(added)
    }
}
