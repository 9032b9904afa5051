//! The peering connections of an account and of a VPC, whichever end asked, as they stand now: a
//! request whose time is over has expired, also before the reconciler has written so.

use std::collections::BTreeSet;

use tombolo_domain::Scope;
use tombolo_domain::id::{VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, Requester};
use tombolo_domain::vpc::Vpc;
use tombolo_store::keys::{self, ConnectionRef};
use tombolo_store::typed::Transaction;

use super::Call;
use crate::error::ApiError;

/// Those that have an end of the caller's and that the caller still sees, only to be shown: the
/// commit does not depend on them.
pub(crate) async fn all(
    tx: &mut Transaction,
    call: &Call<'_>,
) -> Result<Vec<Connection>, ApiError> {
    let scope = call.scope();
    let mut found = tx.peek(&keys::connections(&scope)).await?;
    // One between two VPCs of the caller's is kept, and found, under both.
    let requested: BTreeSet<_> = found.iter().map(|one| one.id.clone()).collect();
    for (entry, at) in tx.peek_keyed(&keys::peerings(&scope)).await? {
        let id = entry.connection;
        if !requested.contains(&id) {
            found.extend(tx.get(&at.key(&scope.region, &id)).await?);
        }
    }
    let found = found.into_iter().map(|one| one.as_of(call.now));
    let visible = found.filter(|one| one.is_visible_to(scope.account, call.now));
    Ok(visible.collect())
}

/// The one of this id, if it has an end of the caller's and the caller still sees it. The commit
/// depends on it.
pub(crate) async fn find(
    tx: &mut Transaction,
    call: &Call<'_>,
    id: &VpcPeeringConnectionId,
) -> Result<Option<Connection>, ApiError> {
    let scope = call.scope();
    let requested = tx.peek(&keys::connections(&scope)).await?;
    let mut place = requested
        .iter()
        .find(|one| one.id == *id)
        .map(ConnectionRef::of);
    if place.is_none() {
        let mut entries = tx.peek_keyed(&keys::peerings(&scope)).await?.into_iter();
        let entry = entries.find(|(entry, _)| entry.connection == *id);
        place = entry.map(|(_, at)| at);
    }
    let Some(at) = place else {
        return Ok(None);
    };
    let found = tx.get(&at.key(&scope.region, id)).await?;
    let found = found.map(|one| one.as_of(call.now));
    Ok(found.filter(|one| one.is_visible_to(scope.account, call.now)))
}

/// Those of a VPC that a person owns. The commit depends on no other being added, and on each
/// being as it is.
pub(crate) async fn of_vpc(
    tx: &mut Transaction,
    call: &Call<'_>,
    vpc: &Vpc,
) -> Result<Vec<Connection>, ApiError> {
    let found = as_written(tx, &vpc.scope, &vpc.id).await?;
    Ok(found.into_iter().map(|one| one.as_of(call.now)).collect())
}

/// As [`of_vpc`], with requests whose time is over among those that wait: for whom only active ones
/// count.
pub(crate) async fn as_written(
    tx: &mut Transaction,
    scope: &Scope,
    vpc: &VpcId,
) -> Result<Vec<Connection>, ApiError> {
    let requester = Requester::Vpc(vpc.clone());
    let mut found = tx.list(&keys::connections_of(scope, &requester)).await?;
    for (entry, at) in tx.list_keyed(&keys::peerings_of(scope, vpc)).await? {
        let key = at.key(&scope.region, &entry.connection);
        found.extend(tx.get(&key).await?);
    }
    Ok(found)
}

/// Whether a VPC has as many active connections as it may. The commit does not depend on it: of
/// several that are accepted at the same moment, one too many may pass.
pub(crate) async fn is_full(
    tx: &mut Transaction,
    call: &Call<'_>,
    scope: &Scope,
    vpc: &VpcId,
) -> Result<bool, ApiError> {
    let most = call.settings.quotas.active_peerings_per_vpc;
    let requester = Requester::Vpc(vpc.clone());
    let mut found = tx.peek(&keys::connections_of(scope, &requester)).await?;
    let entries = tx.peek_keyed(&keys::peerings_of(scope, vpc)).await?;
    // Most VPCs have fewer than that, also counting those that are over.
    if found.len() + entries.len() < most {
        return Ok(false);
    }
    for (entry, at) in entries {
        let id = entry.connection;
        let requested = keys::connections_of(&scope_of(scope, &at), &at.requester);
        let of_asker = tx.peek(&requested).await?;
        found.extend(of_asker.into_iter().find(|one| one.id == id));
    }
    let active = found.iter().filter(|one| one.state.carries_packets());
    Ok(active.count() >= most)
}

fn scope_of(scope: &Scope, at: &ConnectionRef) -> Scope {
    Scope {
        account: at.account,
        region: scope.region.clone(),
    }
}
