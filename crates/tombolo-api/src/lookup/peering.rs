//! The peering connections of an account and of a VPC, whichever end asked, as they stand now: a
//! request whose time is over has expired, also before the reconciler has written so.
//!
//! A connection is one record for both of its owners. It is kept with the end that asked, so that
//! of the other end's account it is read by [`across`](super::across).

use std::collections::{BTreeMap, BTreeSet};

use tombolo_domain::Scope;
use tombolo_domain::arn::Resource;
use tombolo_domain::fleet::Fleet;
use tombolo_domain::id::{AccountId, VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Authorization, Connection, Requester};
use tombolo_domain::principal::Action;
use tombolo_store::StoreError;
use tombolo_store::keys::{self, AuthorizationKey, ConnectionKey, ConnectionRef};
use tombolo_store::model::Term;

use super::{CustomerVpcs, Failed, InVpc, Listing, Lookup, LookupKey, Scan, ScopedTransaction};

/// A connection that has an end of the principal's, and that it still sees.
impl LookupKey for VpcPeeringConnectionId {
    type Record = Connection;

    fn resource<'a>(&'a self, owner: &'a Scope) -> Option<Resource<'a>> {
        let id = self.as_str();
        Some(Resource::of_ec2(owner, "vpc-peering-connection", id))
    }

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        _: Action,
    ) -> Result<Option<Connection>, Failed> {
        // Where it is never changes; what it is, the commit depends on.
        let Some(seen) = tx.seen_connection(&self).await? else {
            return Ok(None);
        };
        let found = tx.connection_at(&ConnectionRef::of(&seen), &self).await?;
        Ok(found.and_then(|connection| tx.visible(connection)))
    }
}

/// All connections with an end of the principal's that it still sees, before its action is given.
#[must_use = "nothing is read until it is said what for"]
pub struct ConnectionListing<'t, 'p>(&'t mut ScopedTransaction<'p>);

impl ConnectionListing<'_, '_> {
    /// To do `action`. The commit does not depend on them.
    pub async fn to(self, action: Action) -> Result<Vec<Connection>, Failed> {
        let tx = self.0;
        tx.authorize(action, &Resource::Any)?;
        let mut found = tx.scan_own(keys::connections).peek().await?;
        // One between two VPCs of the same account is kept, and found, under both.
        let requested: BTreeSet<_> = found.iter().map(|one| one.id.clone()).collect();
        let entries = tx.scan_own(keys::peerings).peek_keyed().await?;
        for (entry, at) in entries {
            if !requested.contains(&entry.connection) {
                found.extend(tx.peek_connection_at(&at, &entry.connection).await?);
            }
        }
        let found = found.into_iter();
        Ok(found
            .filter_map(|connection| tx.visible(connection))
            .collect())
    }

    /// As [`to`](ConnectionListing::to), those with these ids only.
    pub async fn of_ids(
        self,
        action: Action,
        ids: &[VpcPeeringConnectionId],
    ) -> Result<Vec<Connection>, Failed> {
        let tx = self.0;
        tx.authorize(action, &Resource::Any)?;
        let mut found = Vec::new();
        for id in ids {
            let connection = tx.seen_connection(id).await?;
            found.extend(connection.and_then(|one| tx.visible(Connection::clone(&one))));
        }
        Ok(found)
    }

    /// As [`to`](ConnectionListing::to), those only that are not over; with an end in one of `vpcs`,
    /// unless these are all that the principal has.
    pub async fn open(
        self,
        action: Action,
        vpcs: &CustomerVpcs,
    ) -> Result<Vec<Connection>, Failed> {
        let tx = self.0;
        tx.authorize(action, &Resource::Any)?;
        let Scope { account, region } = tx.principal().scope().clone();
        let mut found = BTreeMap::new();
        let mut terms = Vec::new();
        match vpcs.chosen() {
            None => terms.push(Term::OpenConnectionIn(account, &region)),
            Some(chosen) => terms.extend(chosen.map(Term::OpenConnectionOf)),
        }
        for term in terms {
            for connection in tx.find_connections(term).await? {
                if let Some(seen) = tx.seen(connection).await? {
                    found.insert(seen.id.clone(), seen);
                }
            }
        }
        let found = found.into_values().map(|one| Connection::clone(&one));
        Ok(found
            .filter_map(|connection| tx.visible(connection))
            .collect())
    }
}

impl<'p> ScopedTransaction<'p> {
    /// A peering connection, of which the principal's account has an end.
    pub fn peering_connection<'t>(
        &'t mut self,
        name: &'t str,
    ) -> Lookup<'t, 'p, VpcPeeringConnectionId> {
        self.look_up(name)
    }

    /// The peering connections of the principal's VPCs and fleets, whichever end asked.
    pub fn peering_connections(&mut self) -> ConnectionListing<'_, 'p> {
        ConnectionListing(self)
    }

    /// The peering connections that the principal's account asked for, by VPC or fleet, as they are
    /// written.
    pub fn requested_connections(&mut self) -> Listing<'_, 'p, ConnectionKey> {
        Listing::new(self, |tx| tx.scan_own(keys::connections))
    }

    /// The peering connections of a fleet, as they are written.
    pub fn connections_of_fleet(&mut self, fleet: &Fleet) -> Scan<'_, ConnectionKey> {
        self.scan_own(|owner| keys::connections_of_fleet(owner, &fleet.id))
    }

    /// A peering connection of a fleet. The commit depends on it.
    pub async fn connection_of_fleet(
        &mut self,
        fleet: &Fleet,
        connection: &VpcPeeringConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let requester = Requester::Fleet(fleet.id.clone());
        self.get_own(|owner| keys::connection(owner, &requester, connection))
            .await
    }

    /// The peering connections of a VPC that are not over, whichever end asked. The commit depends on
    /// no other being added, and on each being as it is.
    pub async fn connections_of_vpc(
        &mut self,
        of: &impl InVpc,
    ) -> Result<Vec<Connection>, StoreError> {
        let found = self.written_connections_of_vpc(of).await?;
        Ok(found.into_iter().map(|one| one.as_of(self.now())).collect())
    }

    /// As [`connections_of_vpc`](ScopedTransaction::connections_of_vpc), with requests whose time is
    /// over among those that wait: for whom only active ones count.
    pub async fn written_connections_of_vpc(
        &mut self,
        of: &impl InVpc,
    ) -> Result<Vec<Connection>, StoreError> {
        let requester = Requester::Vpc(of.vpc().clone());
        let owner = self.principal().scope().clone();
        let requested = keys::connections_of(&owner, &requester);
        let accepted = keys::peerings_of(&owner, of.vpc());
        let term = Term::OpenConnectionOf(of.vpc());
        let mut found = Vec::new();
        for seen in self.open_connections(term, &requested, &accepted).await? {
            let is_accepter = seen.requested_by() != requester;
            let entry = keys::peering(&owner, of.vpc(), &seen.id);
            // Its accepter does not see a request that is not delivered.
            if is_accepter && self.get_own(|_| entry).await?.is_none() {
                continue;
            }
            found.extend(
                self.connection_at(&ConnectionRef::of(&seen), &seen.id)
                    .await?,
            );
        }
        Ok(found)
    }

    /// A peering connection of a VPC, whichever end asked, as it stands now. The commit depends on
    /// it.
    pub async fn connection_of_vpc(
        &mut self,
        of: &impl InVpc,
        connection: &VpcPeeringConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let requester = Requester::Vpc(of.vpc().clone());
        let requested = |owner: &Scope| keys::connection(owner, &requester, connection);
        let accepted = |owner: &Scope| keys::peering(owner, of.vpc(), connection);
        let found = if let Some(found) = self.get_own(requested).await? {
            Some(found)
        } else if let Some(at) = self.get_own(accepted).await? {
            self.connection_at(&at, connection).await?
        } else {
            None
        };
        Ok(found.map(|one| one.as_of(self.now())))
    }

    /// The authorizations that the principal's account gave.
    pub fn authorizations(&mut self) -> Listing<'_, 'p, AuthorizationKey> {
        Listing::new(self, |tx| tx.scan_own(keys::authorizations_from))
    }

    /// The latest authorization that the principal's account gave `fleet_account` for a VPC. The
    /// commit depends on it.
    pub async fn authorization(
        &mut self,
        fleet_account: AccountId,
        vpc: &VpcId,
    ) -> Result<Option<Authorization>, StoreError> {
        self.get_own(|owner| keys::authorization(owner, vpc, fleet_account))
            .await
    }

    /// How many requests between VPCs the principal's account made that nobody has answered. The
    /// commit does not depend on it.
    pub async fn count_open_requests(&mut self, action: Action) -> Result<usize, Failed> {
        self.authorize(action, &Resource::Any)?;
        let Scope { account, region } = self.principal().scope().clone();
        let now = self.now();
        let found = self
            .find_connections(Term::RequestBy(account, &region))
            .await?;
        let between_vpcs = found.iter().filter(|one| one.fleet.is_none());
        let waiting =
            between_vpcs.filter(|one| Connection::clone(one).as_of(now).state.is_request());
        Ok(waiting.count())
    }

    /// The connection as it stands now, if the principal's account still sees it.
    fn visible(&self, connection: Connection) -> Option<Connection> {
        let (account, now) = (self.principal().account(), self.now());
        let connection = connection.as_of(now);
        connection.is_visible_to(account, now).then_some(connection)
    }
}
