//! UpdateFleetCapacity.

use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::{Capacity, EventCode, Fleet, MAX_INSTANCES};
use tombolo_domain::id::FleetId;

use super::events::event;
use super::lookup::{FleetIdentity, compute, compute_mut, home, refuse_unscalable};
use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Update {
    fleet_id: String,
    desired_instances: Option<u64>,
    min_size: Option<u64>,
    max_size: Option<u64>,
    location: Option<String>,
    managed_capacity_configuration: Option<ManagedCapacity>,
}

/// The shape ManagedCapacityConfiguration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ManagedCapacity {
    zero_capacity_strategy: Option<String>,
    scale_in_after_inactivity_minutes: Option<u64>,
}

/// The only strategy that is served: clients scale a fleet to zero and from zero themselves.
const MANUAL: &str = "MANUAL";

impl ManagedCapacity {
    /// What every fleet has.
    pub(super) fn manual() -> Self {
        ManagedCapacity {
            zero_capacity_strategy: Some(MANUAL.to_owned()),
            scale_in_after_inactivity_minutes: None,
        }
    }

    fn refuse_unserved(&self) -> Result<()> {
        match self.zero_capacity_strategy.as_deref() {
            None | Some(MANUAL) => {}
            Some(strategy) => {
                return Err(Error::invalid_request(format!(
                    "ZeroCapacityStrategy {strategy}: scaling to and from zero by game sessions is \
                     not served by Tombolo; leave ManagedCapacityConfiguration out or give {MANUAL}."
                )));
            }
        }
        match self.scale_in_after_inactivity_minutes {
            None => Ok(()),
            Some(_) => Err(Error::invalid_request(
                "ScaleInAfterInactivityMinutes goes with ZeroCapacityStrategy \
                 SCALE_TO_AND_FROM_ZERO, which is not served by Tombolo; leave it out.",
            )),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Updated {
    fleet_id: FleetId,
    fleet_arn: String,
    location: String,
    managed_capacity_configuration: ManagedCapacity,
}

/// Sets how many instances a fleet is to have and may have. What is left out stays as it is, but
/// for a desired number that new limits leave outside: it moves to the nearer limit.
pub(crate) async fn update_fleet_capacity(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
) -> Result<Updated> {
    let mut fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let before = compute(&fleet)?.capacity;
    let location = home(call, input.location.as_deref())?;
    if let Some(managed) = &input.managed_capacity_configuration {
        managed.refuse_unserved()?;
    }
    refuse_unscalable(&fleet)?;

    let after = wanted(&fleet, before, &input)?;
    compute_mut(&mut fleet)?.capacity = after;
    if after.desired != before.desired {
        let message = format!(
            "{} changed the desired instances of fleet {} from {} to {} (minimum {}, maximum {}).",
            call.operation.name,
            fleet.id,
            before.desired,
            after.desired,
            after.minimum,
            after.maximum
        );
        tx.put(&event(call, &fleet, EventCode::FleetScalingEvent, message))?;
    }
    let FleetIdentity {
        fleet_id,
        fleet_arn,
    } = FleetIdentity::of(&fleet);
    tx.put(&fleet)?;
    Ok(Updated {
        fleet_id,
        fleet_arn,
        location,
        managed_capacity_configuration: ManagedCapacity::manual(),
    })
}

fn wanted(fleet: &Fleet, before: Capacity, input: &Update) -> Result<Capacity> {
    for asked in [input.desired_instances, input.min_size, input.max_size] {
        if let Some(asked) = asked.filter(|asked| *asked > MAX_INSTANCES.into()) {
            return Err(Error::new(
                GameLiftError::LimitExceeded,
                format!(
                    "A fleet may have {MAX_INSTANCES} instances; fleet {} would have {asked}.",
                    fleet.id
                ),
            ));
        }
    }
    // All fit: the largest is MAX_INSTANCES.
    let or = |asked: Option<u64>, now: u32| {
        asked.map_or(now, |asked| u32::try_from(asked).unwrap_or(u32::MAX))
    };
    let minimum = or(input.min_size, before.minimum);
    let maximum = or(input.max_size, before.maximum);
    if minimum > maximum {
        return Err(Error::invalid_request(format!(
            "MinSize {minimum} is greater than MaxSize {maximum}{}.",
            kept(input.min_size.is_none(), input.max_size.is_none())
        )));
    }
    let desired = or(input.desired_instances, before.desired);
    if input.desired_instances.is_some() && !(minimum..=maximum).contains(&desired) {
        return Err(Error::invalid_request(format!(
            "DesiredInstances {desired} is not between MinSize {minimum} and MaxSize {maximum}{}.",
            kept(input.min_size.is_none(), input.max_size.is_none())
        )));
    }
    Ok(Capacity {
        desired: desired.clamp(minimum, maximum),
        minimum,
        maximum,
    })
}

/// Says which of the limits are not the request's.
fn kept(minimum: bool, maximum: bool) -> &'static str {
    match (minimum, maximum) {
        (true, true) => ", as the fleet has them; change them with it",
        (true, false) => ", MinSize being the fleet's own; change it with it",
        (false, true) => ", MaxSize being the fleet's own; change it with it",
        (false, false) => "",
    }
}
