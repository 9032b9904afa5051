//! DeleteFleet.

use serde::Deserialize;
use tombolo_domain::fleet::{FleetEvent, FleetStatus};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::error::{ApiError, ErrorKind};
use crate::gamelift::named::own_fleet;
use crate::gamelift::{Nothing, connection};
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    fleet_id: String,
}

/// Begins a fleet's end. Its peering connections end with it, so the owner of each peer VPC must
/// consent at this moment; without one of the consents nothing changes.
pub(crate) async fn delete_fleet(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Delete,
) -> Result<Nothing, ApiError> {
    let mut fleet = own_fleet(tx, call, &input.fleet_id).await?;
    let deleting = fleet.status.to(FleetStatus::Deleting).map_err(|_| {
        ApiError::new(
            ErrorKind::InvalidFleetStatus,
            format!(
                "Fleet {} is {} and cannot be deleted again.",
                fleet.id, fleet.status
            ),
        )
    })?;
    let connections = tx
        .list(&keys::connections_of(&fleet.scope, &fleet.id))
        .await?;
    for live in connections.into_iter().filter(|c| c.state.is_live()) {
        connection::end(tx, call, live).await?;
    }

    fleet.status = deleting;
    tx.put(&fleet)?;
    tx.put(&FleetEvent::new(
        fleet.scope.clone(),
        fleet.id.clone(),
        deleting.event(),
        format!("Fleet {} changed state to {deleting}.", fleet.id),
        call.now,
        call.ids,
    ))?;
    Ok(Nothing {})
}
