//! Which fleets a request is about: one that it names, several, or all in pages; and whether an
//! operation works with them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::arn;
use tombolo_domain::fleet::{Fleet, ManagedCompute};
use tombolo_domain::id::FleetId;

use crate::gamelift::error::{Error, GameLiftError, Result};
use crate::gamelift::page::{Page, Window};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The output of an operation that says only which fleet it was about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FleetIdentity {
    pub(super) fleet_id: FleetId,
    pub(super) fleet_arn: String,
}

impl FleetIdentity {
    pub(super) fn of(fleet: &Fleet) -> Self {
        FleetIdentity {
            fleet_id: fleet.id.clone(),
            fleet_arn: arn::fleet(&fleet.scope, &fleet.id),
        }
    }
}

/// What the instances of a fleet are.
///
/// # Errors
/// [`GameLiftError::InvalidRequest`] for a fleet of compute type ANYWHERE, which has none.
pub(super) fn compute(fleet: &Fleet) -> Result<&ManagedCompute> {
    fleet.managed().ok_or_else(|| anywhere(&fleet.id))
}

/// The same, to be changed.
pub(super) fn compute_mut(fleet: &mut Fleet) -> Result<&mut ManagedCompute> {
    let id = fleet.id.clone();
    fleet.managed_mut().ok_or_else(|| anywhere(&id))
}

fn anywhere(fleet: &FleetId) -> Error {
    Error::invalid_request(format!(
        "Fleet {fleet} has compute type ANYWHERE; this operation works with fleets of compute type \
         EC2."
    ))
}

/// Refuses a fleet that neither has instances nor will have any.
pub(super) fn refuse_unscalable(fleet: &Fleet) -> Result<()> {
    if fleet.status.can_scale() {
        return Ok(());
    }
    Err(Error::new(
        GameLiftError::InvalidFleetStatus,
        format!(
            "Fleet {} is {}; this operation works with a fleet that is ACTIVE or on its way there.",
            fleet.id, fleet.status
        ),
    ))
}

/// Refuses a fleet that is being deleted or was.
pub(super) fn refuse_ended(fleet: &Fleet) -> Result<()> {
    if !fleet.status.has_ended() {
        return Ok(());
    }
    Err(Error::new(
        GameLiftError::InvalidFleetStatus,
        format!(
            "Fleet {} is {} and cannot be changed any more.",
            fleet.id, fleet.status
        ),
    ))
}

/// The home Region, as which alone a fleet has instances; `asked` is the Location of a request.
///
/// # Errors
/// [`GameLiftError::UnsupportedRegion`] for another location.
pub(super) fn home(call: &Call<'_>, asked: Option<&str>) -> Result<String> {
    let home = call.principal.region().as_str();
    match asked {
        Some(location) if location != home => Err(Error::new(
            GameLiftError::UnsupportedRegion,
            format!(
                "Location {location} is not served: a fleet has instances in its home Region {home} \
                 only."
            ),
        )),
        _ => Ok(home.to_owned()),
    }
}

/// The members by which a request names fleets, or asks for all of them in pages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FleetSelection {
    fleet_ids: Option<Vec<String>>,
    limit: Option<u64>,
    next_token: Option<String>,
}

impl FleetSelection {
    /// The fleets named, in the order named and without those that are not the caller's; Limit and
    /// NextToken count only when none is named, and then for the fleets that `keep` wants.
    pub(super) async fn read(
        &self,
        tx: &mut ScopedTransaction<'_>,
        call: &Call<'_>,
        keep: impl Fn(&Fleet) -> bool,
    ) -> Result<Page<Fleet>> {
        if let Some(names) = &self.fleet_ids {
            return Ok(Page {
                records: fleets_named(tx, call, names).await?,
                next_token: None,
            });
        }
        let fleets = tx.fleets().to(call.action())?;
        let window = Window::new(&fleets, self.limit, self.next_token.as_deref())?;
        window.read(fleets, keep, |_| true).await
    }
}

async fn fleets_named(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    names: &[String],
) -> Result<Vec<Fleet>> {
    let mut seen = BTreeSet::new();
    let mut fleets = Vec::new();
    for name in names {
        let Some(id) = arn::fleet_id_or_arn(call.principal.scope(), name) else {
            continue;
        };
        if seen.insert(id.clone()) {
            fleets.extend(tx.fleet(name).find(call.action()).await?);
        }
    }
    Ok(fleets)
}
