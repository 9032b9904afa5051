//! How much of the data path the principal's account has, in any Region: what its records will have of
//! the tables that all accounts share. No handler asks it, and nothing that is read leaves as more than
//! a number.

use std::sync::Arc;

use tombolo_domain::Scope;
use tombolo_domain::id::Region;
use tombolo_domain::vpc::{RuleEntries, SecurityGroup};
use tombolo_store::StoreError;
use tombolo_store::keys;

use super::ScopedTransaction;

impl ScopedTransaction<'_> {
    fn own_in(&self, region: &Region) -> Scope {
        Scope {
            account: self.principal().account(),
            region: region.clone(),
        }
    }

    /// Network interfaces.
    pub(crate) async fn count_own_interfaces(
        &mut self,
        region: &Region,
    ) -> Result<usize, StoreError> {
        let own = keys::interfaces(&self.own_in(region));
        self.unscoped().count_of(&own).await
    }

    /// Routes of route tables.
    pub(crate) async fn count_own_routes(&mut self, region: &Region) -> Result<usize, StoreError> {
        let own = keys::route_tables(&self.own_in(region));
        let tables = self.unscoped().peek(&own).await?;
        Ok(tables.iter().map(|table| table.routes.len()).sum())
    }

    /// Blocks that connections let into the VPCs at their ends.
    pub(crate) async fn count_own_admissions(
        &mut self,
        region: &Region,
    ) -> Result<usize, StoreError> {
        let own = keys::connections(&self.own_in(region));
        let connections = self.unscoped().peek(&own).await?.into_iter();
        let live = connections.filter(|one| one.state.carries_packets());
        Ok(live
            .map(|one| one.requester.cidrs().count() + one.accepter.cidrs().count())
            .sum())
    }

    /// Security groups, for whoever counts what their rules take.
    pub(crate) async fn own_security_groups(
        &mut self,
        region: &Region,
    ) -> Result<Vec<Arc<SecurityGroup>>, StoreError> {
        let own = keys::security_groups(&self.own_in(region));
        self.unscoped().peek_shared(&own).await
    }

    /// By how many entries the rules of the principal's groups take more with what was written so far.
    pub(crate) async fn added_rule_entries(&mut self) -> Result<RuleEntries, StoreError> {
        let own = self.principal().account();
        self.unscoped().added_rule_entries(own).await
    }
}
