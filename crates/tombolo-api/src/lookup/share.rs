//! How much of the data path the principal's account has, in any Region: what its records will have of
//! the tables that all accounts share. Nothing that is read leaves as more than a number.

use tombolo_domain::Scope;
use tombolo_domain::id::Region;
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

    /// Rules of security groups.
    pub(crate) async fn count_own_rules(&mut self, region: &Region) -> Result<usize, StoreError> {
        let own = keys::security_groups(&self.own_in(region));
        let groups = self.unscoped().peek(&own).await?;
        Ok(groups.iter().map(|group| group.rules.len()).sum())
    }
}
