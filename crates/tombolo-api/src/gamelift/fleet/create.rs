//! CreateFleet.
//!
//! A peering fails when the two sides' CIDR blocks overlap, and a fleet's block is fixed for life. So
//! it is chosen with all networks in mind that the fleet may be peered with: those of its own account,
//! those whose owners have authorized the account, and the fleets already joined to these.

use ipnet::Ipv4Net;
use serde::Serialize;
use tombolo_domain::cidr;
use tombolo_domain::fleet::{
    Build, BuildStatus, Capacity, Compute, EventCode, Fleet, FleetStatus, ManagedCompute,
};
use tombolo_domain::id::{FleetId, SubnetId};
use tombolo_domain::vpc::{Subnet, Vpc};

use super::events::{event, moment_later};
use super::port;
use super::request::{ComputeType, CreateFleetInput, FORCED_BLOCK_TAG};
use super::view::{FleetAttributes, LocationState};
use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::gamelift::{connection, tag};
use crate::lookup::ScopedTransaction;
use crate::lookup::across::OccupiedBlocks;
use crate::operation::{Call, vpc};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    fleet_attributes: FleetAttributes,
    location_states: Vec<LocationState>,
}

/// Makes a fleet, and the peering asked for with it, or neither.
pub(crate) async fn create_fleet(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: CreateFleetInput,
) -> Result<Created> {
    input.refuse_unserved()?;
    let compute_type = input.compute_type.unwrap_or_default();
    input.refuse_members_of_other(compute_type)?;
    let fleet = match compute_type {
        ComputeType::Ec2 => managed(tx, call, &input).await?,
        ComputeType::Anywhere => anywhere(tx, call, &input)?,
    };
    tx.put(&fleet)?;
    let tags = input.tags.unwrap_or_default();
    tag::write_first(tx, &fleet.scope, fleet.id.as_str(), tags)?;

    Ok(Created {
        location_states: LocationState::all_of(&fleet),
        fleet_attributes: fleet.into(),
    })
}

/// A fleet in a VPC of its own. Its instances follow when the reconciler has seen it.
async fn managed(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &CreateFleetInput,
) -> Result<Fleet> {
    let peer = input.peer()?;
    let instance_type = input.instance_type()?;
    let runtime = input.runtime()?;
    let mut shown = input.shown_of_managed()?;
    let inbound_permissions = input.inbound_permissions()?;
    let internet = input.internet()?;
    input.refuse_remote_locations(call)?;
    let build = tx.build(input.build()?).to(call.action()).await?;
    refuse_unless_ready(&build)?;
    shown.operating_system = Some(build.operating_system);

    let id = FleetId::generate(call.ids);
    let vpc = hidden_vpc(tx, call, input, &id).await?;
    port::let_in(tx, call, &vpc, &inbound_permissions).await?;
    let peering = match peer {
        Some((owner, peer_vpc)) => {
            Some(connection::request(tx, call, &id, &vpc, owner, peer_vpc).await?)
        }
        None => None,
    };
    let message = format!(
        "Fleet {id} was created; its VPC {} has CIDR block {}.",
        vpc.id, vpc.cidr
    );
    let compute = Compute::Managed(Box::new(ManagedCompute {
        build: build.id,
        runtime,
        vpc: vpc.id,
        instance_type,
        peering,
        capacity: Capacity::default(),
        inbound_permissions,
        internet,
        scaling_is_stopped: false,
    }));
    let fleet = Fleet {
        scope: call.scope(),
        id,
        name: input.name.clone(),
        description: input.description.clone(),
        compute,
        status: FleetStatus::New,
        created: call.now,
        terminated: None,
        shown,
    };
    tx.put(&event(call, &fleet, EventCode::FleetCreated, message))?;
    Ok(fleet)
}

/// The fleet's VPC, with one subnet as large as itself.
async fn hidden_vpc(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &CreateFleetInput,
    fleet: &FleetId,
) -> Result<Vpc> {
    let block = match input.forced_block() {
        Some(value) => parse_block(value)?,
        None => choose_block(tx, call).await?,
    };
    let vpc = vpc::create(tx, call, block, Some(fleet.clone())).await?;
    tx.put(&Subnet {
        scope: vpc.scope.clone(),
        id: SubnetId::generate(call.ids),
        vpc: vpc.id.clone(),
        cidr: vpc.cidr,
        availability_zone: format!("{}a", vpc.scope.region),
    })?;
    Ok(vpc)
}

/// A fleet of machines that the account runs itself: there is nothing to wait for.
fn anywhere(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &CreateFleetInput,
) -> Result<Fleet> {
    let fleet = Fleet {
        scope: call.scope(),
        id: FleetId::generate(call.ids),
        name: input.name.clone(),
        description: input.description.clone(),
        compute: Compute::Anywhere,
        status: FleetStatus::Active,
        created: call.now,
        terminated: None,
        shown: input.shown_of_anywhere()?,
    };
    let created = format!("Fleet {} was created.", fleet.id);
    tx.put(&event(call, &fleet, EventCode::FleetCreated, created))?;
    let active = format!("Fleet {} changed state to ACTIVE.", fleet.id);
    let active = event(call, &fleet, EventCode::FleetStateActive, active);
    tx.put(&moment_later(active))?;
    Ok(fleet)
}

fn refuse_unless_ready(build: &Build) -> Result<()> {
    let what_now = match (&build.failure, build.status) {
        (_, BuildStatus::Ready) => return Ok(()),
        (Some(reason), BuildStatus::Failed) => format!("{reason}. Create a new build"),
        (Some(reason), _) => format!("its archive is not unpacked so far: {reason}"),
        (None, _) => "a fleet runs the files of a READY build; upload them, or make a build by \
                      `tombolo build import`"
            .to_owned(),
    };
    Err(Error::new(
        GameLiftError::NotReady,
        format!("Build {} is {}: {what_now}.", build.id, build.status),
    ))
}

/// Reads the value of [`FORCED_BLOCK_TAG`].
fn parse_block(value: &str) -> Result<Ipv4Net> {
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
/// Only the account's own VPCs can use the plan up: any account can give authorizations, and one that
/// gives many must not keep this one from making fleets.
async fn choose_block(tx: &mut ScopedTransaction<'_>, call: &Call<'_>) -> Result<Ipv4Net> {
    // Of two fleets made at once, one chooses again. A VPC that the account makes at the same time may
    // overlap, as may one that it makes afterwards: that is the account's choice.
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
