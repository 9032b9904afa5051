//! DescribeFleetCapacity, DescribeFleetUtilization and the same of a location: what is counted of
//! fleets' instances.

use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::{Fleet, Instance, InstanceStatus};
use tombolo_domain::id::FleetId;

use super::capacity::ManagedCapacity;
use super::lookup::{FleetIdentity, FleetSelection, compute, home};
use crate::gamelift::error::{Result, not_found};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The shape FleetCapacity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FleetCapacity {
    fleet_id: FleetId,
    fleet_arn: String,
    instance_type: String,
    instance_counts: InstanceCounts,
    location: String,
    managed_capacity_configuration: ManagedCapacity,
}

/// The shape EC2InstanceCounts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct InstanceCounts {
    desired: u32,
    minimum: u32,
    maximum: u32,
    pending: usize,
    active: usize,
    idle: usize,
    terminating: usize,
}

/// The shape FleetUtilization.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FleetUtilization {
    fleet_id: FleetId,
    fleet_arn: String,
    active_server_process_count: u64,
    active_game_session_count: u64,
    current_player_session_count: u64,
    maximum_player_session_count: u64,
    location: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Capacities {
    fleet_capacity: Vec<FleetCapacity>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Utilizations {
    fleet_utilization: Vec<FleetUtilization>,
    next_token: Option<String>,
}

/// How many instances fleets are to have, may have, and have.
pub(crate) async fn describe_fleet_capacity(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: FleetSelection,
) -> Result<Capacities> {
    let (fleets, next_token) = counted(tx, call, &input).await?;
    let mut fleet_capacity = Vec::with_capacity(fleets.len());
    for fleet in &fleets {
        fleet_capacity.push(capacity(tx, call, fleet).await?);
    }
    Ok(Capacities {
        fleet_capacity,
        next_token,
    })
}

/// How many server processes of fleets run.
pub(crate) async fn describe_fleet_utilization(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: FleetSelection,
) -> Result<Utilizations> {
    let (fleets, next_token) = counted(tx, call, &input).await?;
    let mut fleet_utilization = Vec::with_capacity(fleets.len());
    for fleet in &fleets {
        fleet_utilization.push(utilization(tx, call, fleet).await?);
    }
    Ok(Utilizations {
        fleet_utilization,
        next_token,
    })
}

/// The fleets asked for "that currently exist".
async fn counted(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &FleetSelection,
) -> Result<(Vec<Fleet>, Option<String>)> {
    let has_instances = |fleet: &Fleet| fleet.terminated.is_none() && fleet.managed().is_some();
    let page = input.read(tx, call, has_instances).await?;
    let mut fleets = page.records;
    fleets.retain(|fleet| fleet.terminated.is_none());
    for fleet in &fleets {
        compute(fleet)?;
    }
    Ok((fleets, page.next_token))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InLocation {
    fleet_id: String,
    location: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LocationCapacity {
    fleet_capacity: FleetCapacity,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LocationUtilization {
    fleet_utilization: FleetUtilization,
}

/// How many instances a fleet has in its home Region.
pub(crate) async fn describe_fleet_location_capacity(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: InLocation,
) -> Result<LocationCapacity> {
    let fleet = at_home(tx, call, &input).await?;
    Ok(LocationCapacity {
        fleet_capacity: capacity(tx, call, &fleet).await?,
    })
}

/// How many of its server processes run there.
pub(crate) async fn describe_fleet_location_utilization(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: InLocation,
) -> Result<LocationUtilization> {
    let fleet = at_home(tx, call, &input).await?;
    Ok(LocationUtilization {
        fleet_utilization: utilization(tx, call, &fleet).await?,
    })
}

async fn at_home(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &InLocation,
) -> Result<Fleet> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    if fleet.terminated.is_some() {
        return Err(not_found(call.principal.scope(), "Fleet", &input.fleet_id));
    }
    compute(&fleet)?;
    home(call, Some(&input.location))?;
    Ok(fleet)
}

async fn capacity(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    fleet: &Fleet,
) -> Result<FleetCapacity> {
    let managed = compute(fleet)?;
    let instances = instances(tx, fleet).await?;
    let those = |status| {
        instances
            .iter()
            .filter(|one| one.status() == status)
            .count()
    };
    let active = those(InstanceStatus::Active);
    let FleetIdentity {
        fleet_id,
        fleet_arn,
    } = FleetIdentity::of(fleet);
    Ok(FleetCapacity {
        fleet_id,
        fleet_arn,
        instance_type: managed.instance_type.clone(),
        instance_counts: InstanceCounts {
            desired: managed.capacity.desired,
            minimum: managed.capacity.minimum,
            maximum: managed.capacity.maximum,
            pending: those(InstanceStatus::Pending),
            active,
            // "Number of active instances that are not currently hosting a game session": game
            // sessions are not served.
            idle: active,
            terminating: those(InstanceStatus::Terminating),
        },
        location: home(call, None)?,
        managed_capacity_configuration: ManagedCapacity::manual(),
    })
}

async fn utilization(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    fleet: &Fleet,
) -> Result<FleetUtilization> {
    let instances = instances(tx, fleet).await?;
    let processes = instances.iter().map(|one| u64::from(one.active_processes));
    let FleetIdentity {
        fleet_id,
        fleet_arn,
    } = FleetIdentity::of(fleet);
    Ok(FleetUtilization {
        fleet_id,
        fleet_arn,
        active_server_process_count: processes.sum(),
        active_game_session_count: 0,
        current_player_session_count: 0,
        maximum_player_session_count: 0,
        location: home(call, None)?,
    })
}

async fn instances(tx: &mut ScopedTransaction<'_>, fleet: &Fleet) -> Result<Vec<Instance>> {
    Ok(tx.instances_of(fleet).peek().await?)
}
