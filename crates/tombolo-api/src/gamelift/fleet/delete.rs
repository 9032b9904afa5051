//! DeleteFleet.

use serde::Deserialize;
use tombolo_domain::fleet::{Compute, Fleet, FleetStatus};

use super::happened::{event, moment_later};
use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::gamelift::{Empty, connection};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    fleet_id: String,
}

/// Begins a fleet's end. Its peering connections end with it, so the owner of each peer VPC must
/// consent at this moment; without one of the consents nothing changes.
/// A fleet of compute type ANYWHERE has nothing to wait for and is TERMINATED at once.
pub(crate) async fn delete_fleet(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let mut fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let deleting = fleet.status.to(FleetStatus::Deleting).map_err(|_| {
        Error::new(
            GameLiftError::InvalidFleetStatus,
            format!(
                "Fleet {} is {} and cannot be deleted again.",
                fleet.id, fleet.status
            ),
        )
    })?;
    let connections = tx.connections_of_fleet(&fleet).list().await?;
    for live in connections.into_iter().filter(|c| c.state.is_live()) {
        connection::end(tx, call, live).await?;
    }

    for policy in tx.scaling_policies_of(&fleet).list().await? {
        tx.remove(&policy);
    }

    fleet.status = deleting;
    let message = format!("Fleet {} changed state to {deleting}.", fleet.id);
    tx.put(&event(call, &fleet, deleting.event(), message))?;
    if fleet.compute == Compute::Anywhere {
        end_at_once(tx, call, &mut fleet)?;
    }
    tx.put(&fleet)?;
    Ok(Empty {})
}

/// Of a fleet of machines that the account runs itself, there is nothing to take away.
fn end_at_once(tx: &mut ScopedTransaction<'_>, call: &Call<'_>, fleet: &mut Fleet) -> Result<()> {
    let ended = fleet.status.to(FleetStatus::Terminated);
    fleet.status = ended.map_err(|error| Error::internal("ending a fleet", error))?;
    fleet.terminated = Some(call.now);
    let message = format!("Fleet {} changed state to {}.", fleet.id, fleet.status);
    let ended = event(call, fleet, fleet.status.event(), message);
    tx.put(&moment_later(ended))?;
    Ok(())
}
