//! Every read that goes beyond what its principal owns and sees: of other accounts, of what a fleet
//! hides, and of what is the server's.
//!
//! Each names the decision in `docs/decisions.md` that allows it, gives no more than that decision
//! says the principal may know or may be decided by, and takes what makes it legitimate: the
//! consent, the connection, the fleet. Nothing else in this crate reads across owners; tests enforce it.

use std::sync::Arc;

use ipnet::Ipv4Net;
use tombolo_domain::fleet::Fleet;
use tombolo_domain::id::{
    AccountId, FleetId, Region, SecurityGroupId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::peering::{Authorization, Connection, Consent, End, State};
use tombolo_domain::vpc::Vpc;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::StoreError;
use tombolo_store::keys::{self, ConnectionKey, ConnectionRef, PeeringKey, Prefix};
use tombolo_store::model::Term;

use super::ScopedTransaction;

/// Blocks of addresses that a new fleet is to keep clear of, the most binding first.
pub struct OccupiedBlocks {
    /// Of all VPCs of the account, those that fleets hide included.
    pub own: Vec<Ipv4Net>,
    /// Of VPCs whose owners authorized the account, also if that has ended since, and of the fleets
    /// of any account that are joined to them.
    pub authorized: Vec<Ipv4Net>,
    /// Of all fleets of this server.
    pub fleets: Vec<Ipv4Net>,
}

impl ScopedTransaction<'_> {
    /// Decision 3: the latest authorization of a VPC of `owner`'s that names the principal's account,
    /// whether or not it has ended. The commit depends on it.
    pub async fn authorization_from(
        &mut self,
        owner: AccountId,
        vpc: &VpcId,
    ) -> Result<Option<Authorization>, StoreError> {
        let key = keys::authorization(&self.here(owner), vpc, self.principal().account());
        self.unscoped().get(&key).await
    }

    /// Decision 3: all authorizations of other accounts that name the principal's, whether or not
    /// they have ended. The commit depends on those that are found, and not on there being no other.
    pub async fn authorizations_from_others(&mut self) -> Result<Vec<Authorization>, StoreError> {
        let mut found = Vec::new();
        let entries = self.scan_own(keys::authorizations_for);
        for (entry, ()) in entries.peek_keyed().await? {
            if entry.peer_account != self.principal().account() {
                found.extend(self.unscoped().get(&entry.authorization()).await?);
            }
        }
        Ok(found)
    }

    /// Decision 6: the VPC whose owner consents to being joined to a fleet of the principal's. The
    /// commit depends on it.
    pub async fn consenting_vpc(
        &mut self,
        consent: &Consent<'_>,
    ) -> Result<Option<Vpc>, StoreError> {
        let owner = self.here(consent.peer_account());
        let key = keys::vpc(&owner, consent.peer_vpc());
        self.unscoped().get(&key).await
    }

    /// Decision 6: a connection of a fleet with a peer VPC that stands in the way of a second. The
    /// commit depends on there being no other, and on this.
    ///
    /// It looks at the connections of the peer VPC, which change rarely. Those of the fleet change all
    /// the time while it is being connected to many VPCs, and each change would be a conflict.
    pub async fn present_connection(
        &mut self,
        fleet: &FleetId,
        peer: &Vpc,
    ) -> Result<Option<Connection>, StoreError> {
        let entries = keys::peerings_of(&peer.scope, &peer.id);
        let of_peer = Term::OpenConnectionOf(&peer.id);
        self.unscoped().bind(&entries).await?;
        for seen in self.find_connections(of_peer).await? {
            if seen.fleet.as_ref() != Some(fleet) {
                continue;
            }
            let at = ConnectionRef::of(&seen);
            let found = self.connection_at(&at, &seen.id).await?;
            let is_present = |one: &Connection| {
                one.state.is_live() || matches!(one.state, State::Deleting { .. })
            };
            if let Some(present) = found.filter(is_present) {
                return Ok(Some(present));
            }
        }
        Ok(None)
    }

    /// Decision 7: the other Region that a VPC of `owner`'s is in, if the principal may know of it: it
    /// owns the VPC, or was authorized for it there. One that a fleet hides is unknown there, too.
    /// The commit depends on it.
    pub async fn other_region_of(
        &mut self,
        owner: AccountId,
        vpc: &VpcId,
    ) -> Result<Option<Region>, StoreError> {
        let Scope { account, region } = self.principal().scope().clone();
        let Some(at) = self.unscoped().get(&keys::vpc_scope(vpc)).await? else {
            return Ok(None);
        };
        if at.account != owner || at.region == region {
            return Ok(None);
        }
        let found = self.unscoped().get(&keys::vpc(&at, vpc)).await?;
        if found.is_none_or(|vpc| vpc.fleet.is_some()) {
            return Ok(None);
        }
        let authorization = keys::authorization(&at, vpc, account);
        let is_known = owner == account || self.unscoped().get(&authorization).await?.is_some();
        Ok(is_known.then_some(at.region))
    }

    /// Decisions 16 and 76: the connection that an entry of its accepter's VPC stands for, kept with
    /// whoever asked. Both owners see it. The commit depends on it.
    pub(super) async fn connection_at(
        &mut self,
        at: &ConnectionRef,
        id: &VpcPeeringConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let key = at.key(self.principal().region(), id);
        self.unscoped().get(&key).await
    }

    /// Decisions 16 and 76: as [`connection_at`](ScopedTransaction::connection_at), only to be shown.
    pub(super) async fn peek_connection_at(
        &mut self,
        at: &ConnectionRef,
        id: &VpcPeeringConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let key = at.key(self.principal().region(), id);
        let found = self.unscoped().peek_one(&key).await?;
        Ok(found.map(|connection| Connection::clone(&connection)))
    }

    /// Decisions 16 and 76: the connection of this id, if it has an end of the principal's that it was
    /// told of. The commit does not depend on it.
    pub(super) async fn seen_connection(
        &mut self,
        id: &VpcPeeringConnectionId,
    ) -> Result<Option<Arc<Connection>>, StoreError> {
        for found in self.find_connections(Term::Connection(id)).await? {
            if let Some(seen) = self.seen(found).await? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// Decisions 16 and 76: a connection, if it has an end of the principal's that it was told of: whoever
    /// asked knows it, and the accepter once it was delivered. The commit does not depend on it.
    pub(super) async fn seen(
        &mut self,
        connection: Arc<Connection>,
    ) -> Result<Option<Arc<Connection>>, StoreError> {
        let own = self.principal().scope().clone();
        if connection.requester_scope() == own {
            return Ok(Some(connection));
        }
        if connection.accepter_scope() != own {
            return Ok(None);
        }
        let entry = keys::peering(&own, &connection.accepter.vpc, &connection.id);
        let is_delivered = self.unscoped().peek_one(&entry).await?.is_some();
        Ok(is_delivered.then_some(connection))
    }

    /// Decisions 16 and 76: connections by what the read model finds them by, for whoever then asks
    /// which of them are [`seen`](ScopedTransaction::seen). The commit does not depend on them.
    pub(super) async fn find_connections(
        &mut self,
        term: Term<'_>,
    ) -> Result<Vec<Arc<Connection>>, StoreError> {
        self.unscoped().find(term, &keys::all_connections()).await
    }

    /// Decisions 16 and 76: the connections of a VPC of the principal's that are not over. The commit
    /// depends on no other coming to be, by where those are kept that the VPC asked for and by the
    /// entries of those that were delivered to it.
    pub(super) async fn open_connections(
        &mut self,
        of_vpc: Term<'_>,
        requested: &Prefix<ConnectionKey>,
        accepted: &Prefix<PeeringKey>,
    ) -> Result<Vec<Arc<Connection>>, StoreError> {
        self.unscoped().bind(requested).await?;
        self.unscoped().bind(accepted).await?;
        self.find_connections(of_vpc).await
    }

    /// Decision 16: when the authorization ends that a fleet's request for a connection rests on,
    /// which both owners are shown. The commit depends on it.
    pub async fn end_of_authorization(
        &mut self,
        connection: &Connection,
    ) -> Result<Option<Timestamp>, StoreError> {
        let owner = connection.accepter_scope();
        let requester = connection.requester.account;
        let key = keys::authorization(&owner, &connection.accepter.vpc, requester);
        let found = self.unscoped().get(&key).await?;
        Ok(found.map(|authorization| authorization.expires))
    }

    /// Decision 17: what a new fleet's block should not overlap. The commit depends on the blocks of
    /// those who authorized the account only.
    pub async fn occupied_blocks(&mut self) -> Result<OccupiedBlocks, StoreError> {
        let own = self.principal().scope().clone();
        let own = self.unscoped().peek_shared(&keys::vpcs(&own)).await?;
        let mut authorized = Vec::new();
        let entries = self.scan_own(keys::authorizations_for);
        for (entry, ()) in entries.peek_keyed().await? {
            let key = keys::vpc(&entry.owner(), &entry.vpc);
            if let Some(vpc) = self.unscoped().get(&key).await? {
                authorized.extend(vpc.cidrs());
                authorized.extend(self.blocks_of_joined_fleets(&vpc).await?);
            }
        }
        let hidden = self.unscoped();
        let fleets = hidden.find(Term::HiddenVpc, &keys::all_vpcs()).await?;
        Ok(OccupiedBlocks {
            own: own.iter().flat_map(|vpc| vpc.cidrs()).collect(),
            authorized,
            fleets: fleets.iter().flat_map(|vpc| vpc.cidrs()).collect(),
        })
    }

    async fn blocks_of_joined_fleets(&mut self, vpc: &Vpc) -> Result<Vec<Ipv4Net>, StoreError> {
        let of_vpc = Term::OpenConnectionOf(&vpc.id);
        let open = self.find_connections(of_vpc).await?;
        let accepted = open.iter().filter(|one| one.accepter.vpc == vpc.id);
        Ok(accepted.flat_map(|one| one.requester.cidrs()).collect())
    }

    /// Decision 17: the VPC that a fleet of the principal's hides. The commit depends on it.
    pub async fn hidden_vpc(&mut self, fleet: &Fleet) -> Result<Option<Vpc>, StoreError> {
        match fleet.vpc() {
            Some(vpc) => self.get_own(|owner| keys::vpc(owner, vpc)).await,
            None => Ok(None),
        }
    }

    /// Decision 72: whether there is a group in the VPC at an end of a connection, for a rule that
    /// names it. The commit depends on it.
    pub async fn has_peered_group(
        &mut self,
        connection: &Connection,
        end: &VpcId,
        group: &SecurityGroupId,
    ) -> Result<bool, StoreError> {
        let Some(owner) = owner_of(connection, end) else {
            return Ok(false);
        };
        let key = keys::security_group(&owner, end, group);
        Ok(self.unscoped().get(&key).await?.is_some())
    }

    /// Decision 72: whether a rule in the VPC at an end of a connection names a group. The commit does
    /// not depend on it.
    pub async fn is_named_by_peer(
        &mut self,
        connection: &Connection,
        end: &VpcId,
        group: &SecurityGroupId,
    ) -> Result<bool, StoreError> {
        let Some(owner) = owner_of(connection, end) else {
            return Ok(false);
        };
        let groups = keys::security_groups_of(&owner, end);
        let groups = self.unscoped().peek(&groups).await?;
        Ok(groups.iter().any(|other| other.refers_to(group)))
    }

    /// Decision 76: the VPC at an end of a connection that is answered, which decides whether the two
    /// overlap. A fleet's hidden one is unknown. The commit depends on it.
    pub async fn customer_vpc_at(
        &mut self,
        connection: &Connection,
        end: &End,
    ) -> Result<Option<Vpc>, StoreError> {
        let found = self.vpc_at(connection, end).await?;
        Ok(found.filter(|vpc| vpc.fleet.is_none()))
    }

    /// Decision 82: the VPC at an end of a connection, whose attributes decide whether the other
    /// end's option can be set. The commit depends on it.
    pub async fn vpc_at(
        &mut self,
        connection: &Connection,
        end: &End,
    ) -> Result<Option<Vpc>, StoreError> {
        let owner = Scope {
            account: end.account,
            region: connection.region.clone(),
        };
        self.unscoped().get(&keys::vpc(&owner, &end.vpc)).await
    }

    /// Decision 83: how many active connections a VPC at either end may have, by its owner's quotas, if
    /// it has as many. The commit
    /// does not depend on it: of several that are accepted at the same moment, one too many may pass.
    pub async fn has_most_peerings(
        &mut self,
        owner: AccountId,
        vpc: &VpcId,
    ) -> Result<Option<usize>, StoreError> {
        let quotas = self.quotas_of(owner).await?;
        let most = quotas.active_peerings_per_vpc;
        let owner = self.here(owner);
        let of_vpc = Term::OpenConnectionOf(vpc);
        let open = self.find_connections(of_vpc).await?;
        let active = open.iter().filter(|one| {
            let is_end = one.requester_scope() == owner || one.accepter_scope() == owner;
            is_end && one.state.carries_packets()
        });
        Ok((active.count() >= most).then_some(most))
    }

    /// The server's: the last number that is reserved for VPCs, route tables and security groups,
    /// which disclose nothing. The commit depends on it.
    pub(crate) async fn reserved_numbers(&mut self) -> Result<u32, StoreError> {
        Ok(self.unscoped().get(&keys::vpc_number()).await?.unwrap_or(0))
    }

    /// The server's: the numbers that VPCs, route tables and security groups have, which disclose
    /// nothing. The commit does not depend on them: whoever gives numbers depends on the last reserved.
    pub(crate) async fn numbers_in_use(&mut self) -> Result<Vec<u32>, StoreError> {
        let tx = self.unscoped();
        let vpcs = tx.peek_shared(&keys::all_vpcs()).await?;
        let tables = tx.peek_shared(&keys::all_route_tables()).await?;
        let groups = tx.peek_shared(&keys::all_security_groups()).await?;
        let vpcs = vpcs.iter().map(|vpc| vpc.number.0);
        let tables = tables.iter().filter_map(|table| table.number);
        let groups = groups.iter().filter_map(|group| group.number);
        Ok(vpcs
            .chain(tables.map(|number| number.0))
            .chain(groups.map(|number| number.0))
            .collect())
    }

    /// The server's: counts a choice of a fleet's block, so that of two that are made at once one sees
    /// what the other chose. The commit depends on it.
    pub(crate) async fn count_block_choice(&mut self) -> Result<(), StoreError> {
        let key = keys::fleet_block_choice();
        let choices = self.unscoped().get(&key).await?.unwrap_or(0);
        self.unscoped().put_at(&key, &(choices + 1))
    }

    /// An account in the principal's Region.
    fn here(&self, account: AccountId) -> Scope {
        Scope {
            account,
            region: self.principal().region().clone(),
        }
    }
}

/// The owner of the VPC at one of a connection's ends.
fn owner_of(connection: &Connection, vpc: &VpcId) -> Option<Scope> {
    let ends = [&connection.requester, &connection.accepter];
    let end = ends.into_iter().find(|end| end.vpc == *vpc)?;
    Some(Scope {
        account: end.account,
        region: connection.region.clone(),
    })
}
