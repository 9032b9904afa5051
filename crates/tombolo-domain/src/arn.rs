//! Amazon Resource Names of what Tombolo serves.

use std::fmt;

use crate::Scope;
use crate::id::{BuildId, FleetId, MalformedId};

/// The resource of an action, as policies name it. It borrows its parts: every look-up makes one,
/// and only messages and policies write it out.
///
/// The forms are those of the Service Authorization Reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// `*`: no resource of its own, as for most operations that list or create.
    Any,
    /// `arn:aws:SERVICE:REGION:ACCOUNT:KIND/ID`
    Owned {
        /// Such as `ec2`.
        service: &'static str,
        /// Whose it is, and where.
        owner: &'a Scope,
        /// Such as `vpc`.
        kind: &'static str,
        /// Such as `vpc-0a1b2c3d4e5f60718`.
        id: &'a str,
    },
    /// `arn:aws:s3:::BUCKET`
    Bucket(&'a str),
    /// `arn:aws:s3:::BUCKET/KEY`
    Object {
        /// The bucket.
        bucket: &'a str,
        /// The object's key.
        key: &'a str,
    },
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Any => f.write_str("*"),
            Resource::Owned {
                service,
                owner: Scope { account, region },
                kind,
                id,
            } => write!(f, "arn:aws:{service}:{region}:{account}:{kind}/{id}"),
            Resource::Bucket(bucket) => write!(f, "arn:aws:s3:::{bucket}"),
            Resource::Object { bucket, key } => write!(f, "arn:aws:s3:::{bucket}/{key}"),
        }
    }
}

impl<'a> Resource<'a> {
    /// A fleet.
    pub fn fleet(owner: &'a Scope, fleet: &'a FleetId) -> Self {
        Self::of_gamelift(owner, "fleet", fleet.as_str())
    }

    /// A build.
    pub fn build(owner: &'a Scope, build: &'a BuildId) -> Self {
        Self::of_gamelift(owner, "build", build.as_str())
    }

    /// A resource of EC2's, such as a `vpc`.
    pub fn of_ec2(owner: &'a Scope, kind: &'static str, id: &'a str) -> Self {
        Resource::Owned {
            service: "ec2",
            owner,
            kind,
            id,
        }
    }

    fn of_gamelift(owner: &'a Scope, kind: &'static str, id: &'a str) -> Self {
        Resource::Owned {
            service: "gamelift",
            owner,
            kind,
            id,
        }
    }
}

/// The ARN of a fleet.
pub fn fleet(scope: &Scope, fleet: &FleetId) -> String {
    Resource::fleet(scope, fleet).to_string()
}

/// The ARN of a build.
pub fn build(scope: &Scope, build: &BuildId) -> String {
    Resource::build(scope, build).to_string()
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
