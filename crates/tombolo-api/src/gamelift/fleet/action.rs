//! StopFleetActions and StartFleetActions: whether scaling policies change anything.

use serde::Deserialize;

use super::named::{Named, compute, compute_mut, home};
use crate::gamelift::error::{Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The only action that there is. The model requires the list to have it.
pub(super) const AUTO_SCALING: &str = "AUTO_SCALING";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Actions {
    fleet_id: String,
    location: Option<String>,
}

/// Keeps a fleet's scaling policies, and keeps them from changing its capacity.
pub(crate) async fn stop_fleet_actions(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Actions,
) -> Result<Named> {
    set_stopped(tx, call, &input, true).await
}

/// Lets them change it again. Of actions that were never stopped, this changes nothing.
pub(crate) async fn start_fleet_actions(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Actions,
) -> Result<Named> {
    set_stopped(tx, call, &input, false).await
}

async fn set_stopped(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &Actions,
    stopped: bool,
) -> Result<Named> {
    let mut fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    compute(&fleet)?;
    home(call, input.location.as_deref())?;
    // These operations have no InvalidFleetStatusException.
    if fleet.status.has_ended() {
        return Err(Error::invalid_request(format!(
            "Fleet {} is {} and cannot be changed any more.",
            fleet.id, fleet.status
        )));
    }
    compute_mut(&mut fleet)?.scaling_is_stopped = stopped;
    let named = Named::of(&fleet);
    tx.put(&fleet)?;
    Ok(named)
}
