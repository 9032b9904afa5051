//! PutScalingPolicy, DescribeScalingPolicies and DeleteScalingPolicy: how large a share of a
//! fleet's server processes is to be available. StopFleetActions and StartFleetActions: whether the
//! policies change anything.

use serde::{Deserialize, Serialize};
use tombolo_domain::arn;
use tombolo_domain::fleet::{FleetStatus, ScalingPolicy};
use tombolo_domain::id::FleetId;

use super::lookup::{FleetIdentity, compute, compute_mut, home};
use crate::gamelift::Empty;
use crate::gamelift::error::{Error, Result};
use crate::gamelift::page::Window;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::shorten;

const TARGET_BASED: &str = "TargetBased";
const METRIC: &str = "PercentAvailableGameSessions";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Put {
    name: String,
    fleet_id: String,
    scaling_adjustment: Option<i64>,
    scaling_adjustment_type: Option<String>,
    threshold: Option<f64>,
    comparison_operator: Option<String>,
    evaluation_periods: Option<u64>,
    metric_name: String,
    policy_type: Option<String>,
    target_configuration: Option<TargetConfiguration>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetConfiguration {
    target_value: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutDone {
    name: String,
}

impl Put {
    /// The target of a target-based policy, which alone is served.
    fn target(&self) -> Result<f64> {
        if self.policy_type.as_deref() != Some(TARGET_BASED) {
            return Err(Error::invalid_request(
                "Rule-based scaling policies are not served by Tombolo; give PolicyType \
                 TargetBased.",
            ));
        }
        if self.metric_name != METRIC {
            return Err(Error::invalid_request(format!(
                "MetricName {} is not that of a target-based scaling policy; give {METRIC}.",
                self.metric_name
            )));
        }
        let of_rules = [
            ("ScalingAdjustment", self.scaling_adjustment.is_some()),
            (
                "ScalingAdjustmentType",
                self.scaling_adjustment_type.is_some(),
            ),
            ("Threshold", self.threshold.is_some()),
            ("ComparisonOperator", self.comparison_operator.is_some()),
            ("EvaluationPeriods", self.evaluation_periods.is_some()),
        ];
        if let Some((member, _)) = of_rules.into_iter().find(|(_, given)| *given) {
            return Err(Error::invalid_request(format!(
                "{member} belongs to rule-based scaling policies; leave it out of a target-based \
                 one."
            )));
        }
        let target = self.target_configuration.as_ref().ok_or_else(|| {
            Error::invalid_request("A target-based scaling policy needs TargetConfiguration.")
        })?;
        let value = target.target_value;
        if value > 0.0 && value < 100.0 {
            return Ok(value);
        }
        Err(Error::invalid_request(format!(
            "TargetValue {value} is not a percentage above 0 and below 100: that many of the \
             server processes are to be available."
        )))
    }
}

/// Makes a policy, or changes the target of the one that has the name. A fleet has one: of two
/// targets, only one can be kept.
pub(crate) async fn put_scaling_policy(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Put,
) -> Result<PutDone> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    compute(&fleet)?;
    let target = input.target()?;
    if fleet.status.has_ended() || fleet.status == FleetStatus::Error {
        return Err(Error::invalid_request(format!(
            "Fleet {} is {}; such a fleet can have no scaling policy.",
            fleet.id, fleet.status
        )));
    }
    let policies = tx.scaling_policies_of(&fleet).list().await?;
    if let Some(other) = policies.iter().find(|other| other.name != input.name) {
        return Err(Error::invalid_request(format!(
            "Fleet {} has the target-based scaling policy '{}'; change or delete that one.",
            fleet.id,
            shorten(&other.name)
        )));
    }
    tx.put(&ScalingPolicy {
        scope: fleet.scope,
        fleet: fleet.id,
        name: input.name.clone(),
        target,
    })?;
    Ok(PutDone { name: input.name })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    fleet_id: String,
    status_filter: Option<String>,
    limit: Option<u64>,
    next_token: Option<String>,
    location: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    scaling_policies: Vec<PolicyView>,
    next_token: Option<String>,
}

/// The shape ScalingPolicy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyView {
    fleet_id: FleetId,
    fleet_arn: String,
    name: String,
    status: &'static str,
    metric_name: &'static str,
    policy_type: &'static str,
    target_configuration: TargetConfiguration,
    location: String,
}

/// A policy is in force from when it was put, so all are ACTIVE, also while the fleet's actions are
/// stopped: "This operation does not affect the status of the scaling policies".
const STATUS: &str = "ACTIVE";

/// The policies of a fleet.
pub(crate) async fn describe_scaling_policies(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    compute(&fleet)?;
    let location = home(call, input.location.as_deref())?;
    let asked = input.status_filter.is_none_or(|status| status == STATUS);
    let policies = tx.scaling_policies_of(&fleet);
    let window = Window::new(&policies, input.limit, input.next_token.as_deref())?;
    let page = window.read(policies, |_| asked, |_| true).await?;
    let policies = page.records.into_iter().map(|policy| PolicyView {
        fleet_arn: arn::fleet(&policy.scope, &policy.fleet),
        fleet_id: policy.fleet,
        name: policy.name,
        status: STATUS,
        metric_name: METRIC,
        policy_type: TARGET_BASED,
        target_configuration: TargetConfiguration {
            target_value: policy.target,
        },
        location: location.clone(),
    });
    Ok(Described {
        scaling_policies: policies.collect(),
        next_token: page.next_token,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    name: String,
    fleet_id: String,
}

/// Deletes a policy. The fleet keeps the capacity that it has.
pub(crate) async fn delete_scaling_policy(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    compute(&fleet)?;
    let Some(policy) = tx.scaling_policy_of(&fleet, &input.name).await? else {
        return Err(Error::not_found(format!(
            "Fleet {} has no scaling policy '{}'.",
            fleet.id,
            shorten(&input.name)
        )));
    };
    tx.remove(&policy);
    Ok(Empty {})
}

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
) -> Result<FleetIdentity> {
    set_stopped(tx, call, &input, true).await
}

/// Lets them change it again. Of actions that were never stopped, this changes nothing.
pub(crate) async fn start_fleet_actions(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Actions,
) -> Result<FleetIdentity> {
    set_stopped(tx, call, &input, false).await
}

async fn set_stopped(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: &Actions,
    stopped: bool,
) -> Result<FleetIdentity> {
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
    let identity = FleetIdentity::of(&fleet);
    tx.put(&fleet)?;
    Ok(identity)
}
