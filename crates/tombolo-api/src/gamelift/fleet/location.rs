//! DescribeFleetLocationAttributes.

use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::{Compute, Fleet, FleetStatus};
use tombolo_domain::id::FleetId;

use super::attributes::stopped_actions;
use super::named::Named;
use crate::gamelift::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LocationState {
    location: String,
    status: FleetStatus,
}

impl LocationState {
    /// Where a fleet is: an EC2 fleet in its home Region, another where it was asked for.
    pub(super) fn all_of(fleet: &Fleet) -> Vec<Self> {
        let locations = match &fleet.compute {
            Compute::Managed(_) => vec![fleet.scope.region.to_string()],
            Compute::Anywhere => fleet.shown.locations.clone(),
        };
        let status = fleet.status;
        let states = locations
            .into_iter()
            .map(|location| LocationState { location, status });
        states.collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    fleet_id: String,
    locations: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    fleet_id: FleetId,
    fleet_arn: String,
    location_attributes: Vec<LocationAttributes>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LocationAttributes {
    location_state: LocationState,
    stopped_actions: Option<Vec<&'static str>>,
}

/// The locations asked for that the fleet has, in one page: "This limit is not currently enforced".
pub(crate) async fn describe_fleet_location_attributes(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let mut states = LocationState::all_of(&fleet);
    if let Some(asked) = &input.locations {
        let place = |state: &LocationState| asked.iter().position(|one| *one == state.location);
        states.retain(|state| place(state).is_some());
        states.sort_by_key(place);
    }
    let attributes = states.into_iter().map(|location_state| LocationAttributes {
        location_state,
        stopped_actions: stopped_actions(&fleet),
    });
    let Named {
        fleet_id,
        fleet_arn,
    } = Named::of(&fleet);
    Ok(Described {
        fleet_id,
        fleet_arn,
        location_attributes: attributes.collect(),
    })
}
