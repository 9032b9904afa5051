//! Amazon Resource Names of what Tombolo serves.

use crate::Scope;
use crate::id::{BuildId, FleetId, MalformedId};

/// The ARN of a fleet.
pub fn fleet(scope: &Scope, fleet: &FleetId) -> String {
    format!(
        "arn:aws:gamelift:{}:{}:fleet/{fleet}",
        scope.region, scope.account
    )
}

/// The ARN of a build.
pub fn build(scope: &Scope, build: &BuildId) -> String {
    format!(
        "arn:aws:gamelift:{}:{}:build/{build}",
        scope.region, scope.account
    )
}

/// A GameLift resource that can be named by an ARN and carries tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GameLiftResource {
    /// A fleet.
    Fleet(FleetId),
    /// A build.
    Build(BuildId),
}

/// Parses an ARN of `scope`. `Ok(None)` is a well-formed ARN of something else: another account's,
/// another Region's or of a kind that Tombolo does not have, which callers do not tell apart from
/// an unknown resource. An empty account, as AWS's own examples have it, stands for the caller's.
pub fn parse_gamelift(scope: &Scope, arn: &str) -> Result<Option<GameLiftResource>, MalformedId> {
    let malformed = || MalformedId::new(arn, "an ARN of Amazon GameLift");
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(_), Some("gamelift"), Some(region), Some(account), Some(resource)) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(malformed());
    };
    let (kind, id) = resource.split_once('/').ok_or_else(malformed)?;
    let ours = region == scope.region.as_str()
        && (account.is_empty() || account == scope.account.to_string());
    Ok(match kind {
        _ if !ours => None,
        "fleet" => id.parse().ok().map(GameLiftResource::Fleet),
        "build" => id.parse().ok().map(GameLiftResource::Build),
        _ => None,
    })
}

/// Parses what GameLift takes where its model says "fleet ID or ARN". `None` is an id that cannot
/// be one of `scope`'s fleets.
pub fn fleet_id_or_arn(scope: &Scope, text: &str) -> Option<FleetId> {
    if let Ok(id) = text.parse() {
        return Some(id);
    }
    match parse_gamelift(scope, text) {
        Ok(Some(GameLiftResource::Fleet(id))) => Some(id),
        _ => None,
    }
}

/// Parses what GameLift takes where its model says "build ID or ARN".
pub fn build_id_or_arn(scope: &Scope, text: &str) -> Option<BuildId> {
    if let Ok(id) = text.parse() {
        return Some(id);
    }
    match parse_gamelift(scope, text) {
        Ok(Some(GameLiftResource::Build(id))) => Some(id),
        _ => None,
    }
}
