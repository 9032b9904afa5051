//! Which block of addresses a new fleet gets.
//!
//! A peering fails when the two sides' blocks overlap, and a fleet's block is fixed for life. So
//! it is chosen with all networks in mind that the fleet may be peered with: those of its own
//! account, those whose owners have authorized the account, and the fleets already joined to
//! these.

use ipnet::Ipv4Net;
use tombolo_domain::cidr;

use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::lookup::ScopedTransaction;
use crate::lookup::across::OccupiedBlocks;
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
pub(super) async fn choose(tx: &mut ScopedTransaction<'_>, call: &Call<'_>) -> Result<Ipv4Net> {
    // Of two fleets made at once, one chooses again. A VPC that a person makes at the same time may
    // overlap, as it may when it is made afterwards: that is the person's choice.
    tx.count_block_choice().await?;

    let OccupiedBlocks {
        own,
        authorized,
        fleets,
    } = tx.occupied_blocks().await?;
    let authorized = [own.clone(), authorized].concat();

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
                plan.fleet_prefix,
                plan.pool,
                call.principal.account()
            ),
        )
    })
}
