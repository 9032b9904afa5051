//! UpdateFleetAttributes.

use serde::Deserialize;
use tombolo_domain::fleet::{Compute, EventCode, ResourceCreationLimit};

use super::attributes::{AnywhereConfiguration, ResourceCreationLimitPolicy};
use super::happened::event;
use super::named::{Named, refuse_ended};
use super::request::metric_groups;
use crate::gamelift::error::{Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Update {
    fleet_id: String,
    name: Option<String>,
    description: Option<String>,
    new_game_session_protection_policy: Option<String>,
    resource_creation_limit_policy: Option<ResourceCreationLimitPolicy>,
    metric_groups: Option<Vec<String>>,
    anywhere_configuration: Option<AnywhereConfiguration>,
}

/// Changes the attributes that are given.
pub(crate) async fn update_fleet_attributes(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
) -> Result<Named> {
    let mut fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    if input.anywhere_configuration.is_some() && fleet.compute != Compute::Anywhere {
        return Err(Error::invalid_request(format!(
            "AnywhereConfiguration works with fleets of compute type ANYWHERE; fleet {} has compute \
             type EC2.",
            fleet.id
        )));
    }
    refuse_ended(&fleet)?;

    fleet.name = input.name.unwrap_or(fleet.name);
    fleet.description = input.description.or(fleet.description);
    let shown = &mut fleet.shown;
    if let Some(groups) = input.metric_groups {
        shown.metric_groups = metric_groups(Some(groups));
    }
    if let Some(limit) = input.resource_creation_limit_policy {
        shown.resource_creation_limit = Some(ResourceCreationLimit::from(&limit));
    }
    if let Some(anywhere) = input.anywhere_configuration {
        shown.anywhere_cost = Some(anywhere.cost);
    }
    if let Some(policy) = input.new_game_session_protection_policy {
        let before = shown
            .new_game_session_protection_policy
            .replace(policy.clone());
        let before = before.unwrap_or_else(|| "NoProtection".to_owned());
        if before != policy {
            let code = EventCode::FleetNewGameSessionProtectionPolicyUpdated;
            let message = format!(
                "The protection policy for new game sessions of fleet {} changed from {before} to \
                 {policy}.",
                fleet.id
            );
            tx.put(&event(call, &fleet, code, message))?;
        }
    }
    let named = Named::of(&fleet);
    tx.put(&fleet)?;
    Ok(named)
}
