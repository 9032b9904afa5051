//! Which block of addresses a new fleet gets.
//!
//! A peering fails when the two sides' blocks overlap, and a fleet's block is fixed for life. So
//! it is chosen with all networks in mind that the fleet may be peered with: those of its own
//! account, those whose owners have authorized the account, and the fleets already joined to
//! these.

use ipnet::Ipv4Net;
use tombolo_domain::Scope;
use tombolo_domain::cidr;
use tombolo_domain::id::VpcId;
use tombolo_domain::peering::State;
use tombolo_domain::vpc::Vpc;
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::operation::Call;

/// The tag of CreateFleet by which a person forces a fleet's block, to rehearse what the address
/// plan avoids: overlapping CIDRs. This is Tombolo's own; AWS knows no such tag.
pub(crate) const FORCED_BLOCK_TAG: &str = "tombolo:fleet-cidr";

/// Reads the value of [`FORCED_BLOCK_TAG`].
pub(super) fn forced(value: &str) -> Result<Ipv4Net> {
    cidr::parse(value).map_err(|error| {
        Error::invalid_request(format!(
            "The tag {FORCED_BLOCK_TAG} asks for a block: {error}."
        ))
    })
}

/// The first block of the server's plan that overlaps no VPC of the account; if there is a choice,
/// none that has authorized the account either; and if there still is one, none that a fleet on
/// this server has, so that fleets can share a peer VPC later.
///
/// Only the account's own VPCs can use the plan up: authorizations come unasked, and whoever gives
/// many must not keep the account from making fleets.
pub(super) async fn choose(tx: &mut Transaction, call: &Call<'_>) -> Result<Ipv4Net> {
    // Of two fleets made at once, one chooses again. A VPC that a person makes at the same time may
    // overlap, as it may when it is made afterwards: that is the person's choice.
    let choices = tx.get(&keys::fleet_block_choice()).await?.unwrap_or(0);
    tx.put_at(&keys::fleet_block_choice(), &(choices + 1))?;

    let scope = call.scope();
    let own = tx.peek(&keys::vpcs(&scope)).await?;
    let own: Vec<Ipv4Net> = own.iter().flat_map(Vpc::cidrs).collect();
    let authorized = [own.clone(), authorized(tx, &scope).await?].concat();
    let everywhere = tx.peek(&keys::all_vpcs()).await?;
    let fleets = everywhere.iter().filter(|vpc| vpc.fleet.is_some());
    let fleets: Vec<Ipv4Net> = fleets.flat_map(Vpc::cidrs).collect();

    let plan = &call.settings.address_plan;
    let best = plan.choose(&[authorized.clone(), fleets].concat());
    let chosen = best
        .or_else(|| plan.choose(&authorized))
        .or_else(|| plan.choose(&own));
    chosen.ok_or_else(|| {
        Error::new(
            GameLiftError::LimitExceeded,
            format!(
                "No /{} block of the fleets' address pool {} is left that overlaps no VPC of \
                 account {}. Delete a fleet or a VPC, or give the server a larger pool.",
                plan.fleet_prefix, plan.pool, scope.account
            ),
        )
    })
}

/// The blocks of the VPCs whose owners authorized the account, also if that has ended since, and
/// of the fleets of any account that are joined to them.
async fn authorized(tx: &mut Transaction, scope: &Scope) -> Result<Vec<Ipv4Net>> {
    let mut blocks = Vec::new();
    for (key, ()) in tx.peek_keyed(&keys::authorizations_for(scope)).await? {
        let owner = key.owner();
        if let Some(vpc) = tx.get(&keys::vpc(&owner, &key.vpc)).await? {
            blocks.extend(vpc.cidrs());
            blocks.extend(joined(tx, &owner, &vpc.id).await?);
        }
    }
    Ok(blocks)
}

/// The blocks of the fleets that are joined to a VPC.
async fn joined(tx: &mut Transaction, owner: &Scope, vpc: &VpcId) -> Result<Vec<Ipv4Net>> {
    let entries = tx.peek(&keys::peerings_of(owner, vpc)).await?;
    let mut blocks = Vec::new();
    for at in entries {
        let fleets = Scope {
            account: at.account,
            region: owner.region.clone(),
        };
        let connections = tx
            .peek(&keys::connections_of(&fleets, &at.requester))
            .await?;
        let holding = connections.into_iter().filter(|connection| {
            connection.accepter.vpc == *vpc
                && (connection.state.is_live()
                    || matches!(connection.state, State::Deleting { .. }))
        });
        for connection in holding {
            blocks.extend(connection.requester.cidrs());
        }
    }
    Ok(blocks)
}
