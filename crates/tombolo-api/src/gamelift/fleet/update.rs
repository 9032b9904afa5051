//! UpdateFleetAttributes and DeleteFleet.

use serde::Deserialize;
use tombolo_domain::fleet::{Compute, EventCode, Fleet, FleetStatus, ResourceCreationLimit};

use super::events::{event, moment_later};
use super::lookup::{FleetIdentity, refuse_ended};
use super::request::metric_groups;
use super::view::{AnywhereConfiguration, ResourceCreationLimitPolicy};
use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::gamelift::{Empty, connection};
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
) -> Result<FleetIdentity> {
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
    let identity = FleetIdentity::of(&fleet);
    tx.put(&fleet)?;
    Ok(identity)
}

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

/// A fleet of machines that the account runs itself has nothing to clean up.
fn end_at_once(tx: &mut ScopedTransaction<'_>, call: &Call<'_>, fleet: &mut Fleet) -> Result<()> {
    let ended = fleet.status.to(FleetStatus::Terminated);
    fleet.status = ended.map_err(|error| Error::internal("ending a fleet", error))?;
    fleet.terminated = Some(call.now);
    let message = format!("Fleet {} changed state to {}.", fleet.id, fleet.status);
    let ended = event(call, fleet, fleet.status.event(), message);
    tx.put(&moment_later(ended))?;
    Ok(())
}
