//! DescribeFleetAttributes, ListFleets and DescribeFleetLocationAttributes: fleets as GameLift shows
//! them.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tombolo_domain::fleet::{Compute, Fleet, FleetStatus, OperatingSystem, ResourceCreationLimit};
use tombolo_domain::id::{BuildId, FleetId};
use tombolo_domain::{Timestamp, arn};

use super::lookup::{FleetIdentity, FleetSelection};
use super::scaling::AUTO_SCALING;
use crate::gamelift::error::Result;
use crate::gamelift::page::Window;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::{maybe_seconds, seconds};

/// The shape FleetAttributes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FleetAttributes {
    fleet_id: FleetId,
    fleet_arn: String,
    name: String,
    description: Option<String>,
    #[serde(serialize_with = "seconds")]
    creation_time: Timestamp,
    #[serde(serialize_with = "maybe_seconds")]
    termination_time: Option<Timestamp>,
    status: FleetStatus,
    compute_type: &'static str,
    fleet_type: Option<String>,
    instance_type: Option<String>,
    build_id: Option<BuildId>,
    build_arn: Option<String>,
    operating_system: Option<OperatingSystem>,
    server_launch_path: Option<String>,
    server_launch_parameters: Option<String>,
    log_paths: Option<Vec<String>>,
    stopped_actions: Option<Vec<&'static str>>,
    new_game_session_protection_policy: Option<String>,
    resource_creation_limit_policy: Option<ResourceCreationLimitPolicy>,
    metric_groups: Option<Vec<String>>,
    certificate_configuration: Option<CertificateConfiguration>,
    anywhere_configuration: Option<AnywhereConfiguration>,
}

/// How many game sessions one player may create in a time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResourceCreationLimitPolicy {
    pub(super) new_game_sessions_per_creator: Option<u64>,
    pub(super) policy_period_in_minutes: Option<u64>,
}

impl From<&ResourceCreationLimitPolicy> for ResourceCreationLimit {
    fn from(policy: &ResourceCreationLimitPolicy) -> Self {
        ResourceCreationLimit {
            new_game_sessions_per_creator: policy.new_game_sessions_per_creator,
            policy_period_in_minutes: policy.policy_period_in_minutes,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CertificateConfiguration {
    pub(super) certificate_type: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AnywhereConfiguration {
    pub(super) cost: String,
}

/// StoppedActions: none if no action is stopped.
fn stopped_actions(fleet: &Fleet) -> Option<Vec<&'static str>> {
    let managed = fleet.managed()?;
    managed.scaling_is_stopped.then(|| vec![AUTO_SCALING])
}

impl From<Fleet> for FleetAttributes {
    fn from(fleet: Fleet) -> Self {
        let stopped_actions = stopped_actions(&fleet);
        let shown = fleet.shown;
        let (compute_type, build_id, instance_type) = match fleet.compute {
            Compute::Managed(managed) => ("EC2", Some(managed.build), Some(managed.instance_type)),
            Compute::Anywhere => ("ANYWHERE", None, None),
        };
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        FleetAttributes {
            fleet_arn: arn::fleet(&fleet.scope, &fleet.id),
            fleet_id: fleet.id,
            name: fleet.name,
            description: fleet.description,
            creation_time: fleet.created,
            termination_time: fleet.terminated,
            status: fleet.status,
            compute_type,
            fleet_type: shown.fleet_type,
            instance_type,
            build_arn: build_id.as_ref().map(|id| arn::build(&fleet.scope, id)),
            build_id,
            operating_system: shown.operating_system,
            server_launch_path: shown.server_launch_path,
            server_launch_parameters: shown.server_launch_parameters,
            log_paths: some(shown.log_paths),
            stopped_actions,
            new_game_session_protection_policy: shown.new_game_session_protection_policy,
            resource_creation_limit_policy: shown.resource_creation_limit.map(|limit| {
                ResourceCreationLimitPolicy {
                    new_game_sessions_per_creator: limit.new_game_sessions_per_creator,
                    policy_period_in_minutes: limit.policy_period_in_minutes,
                }
            }),
            metric_groups: some(shown.metric_groups),
            certificate_configuration: shown
                .certificate_type
                .map(|certificate_type| CertificateConfiguration { certificate_type }),
            anywhere_configuration: shown
                .anywhere_cost
                .map(|cost| AnywhereConfiguration { cost }),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    fleet_attributes: Vec<FleetAttributes>,
    next_token: Option<String>,
}

/// How long a terminated fleet is shown. Terraform takes a fleet for deleted when it is not shown
/// any more, and others wait for TERMINATED.
const SHOWN_TERMINATED: SignedDuration = SignedDuration::from_mins(1);

/// The fleets named, or all.
pub(crate) async fn describe_fleet_attributes(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: FleetSelection,
) -> Result<Described> {
    let is_shown = |fleet: &Fleet| {
        let ended = fleet.terminated;
        ended.is_none_or(|at| call.now.duration_since(at) < SHOWN_TERMINATED)
    };
    let page = input.read(tx, call, is_shown).await?;
    let fleets = page.records.into_iter().filter(is_shown);
    Ok(Described {
        fleet_attributes: fleets.map(Into::into).collect(),
        next_token: page.next_token,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct List {
    build_id: Option<String>,
    script_id: Option<String>,
    limit: Option<u64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    fleet_ids: Vec<FleetId>,
    next_token: Option<String>,
}

/// The caller's fleets that are not terminated, or those of one build.
pub(crate) async fn list_fleets(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: List,
) -> Result<Listed> {
    let scope = call.scope();
    let build = input.build_id.as_deref();
    let build = build.map(|build| arn::build_id_or_arn(&scope, build));
    let asked = |fleet: &Fleet| {
        let runs_it = build.as_ref().is_none_or(|wanted| {
            let build = fleet.managed().map(|managed| &managed.build);
            wanted.is_some() && wanted.as_ref() == build
        });
        // No fleet runs a script, since scripts are not served.
        runs_it && input.script_id.is_none() && fleet.status != FleetStatus::Terminated
    };
    let fleets = tx.fleets().to(call.action())?;
    let window = Window::new(&fleets, input.limit, input.next_token.as_deref())?;
    let page = window.read(fleets, asked, |_| true).await?;
    Ok(Listed {
        fleet_ids: page.records.into_iter().map(|fleet| fleet.id).collect(),
        next_token: page.next_token,
    })
}

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
pub(crate) struct DescribeLocations {
    fleet_id: String,
    locations: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedLocations {
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
    input: DescribeLocations,
) -> Result<DescribedLocations> {
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
    let FleetIdentity {
        fleet_id,
        fleet_arn,
    } = FleetIdentity::of(&fleet);
    Ok(DescribedLocations {
        fleet_id,
        fleet_arn,
        location_attributes: attributes.collect(),
    })
}
