//! DescribeFleetPortSettings and UpdateFleetPortSettings: which players reach which ports of a
//! fleet's instances.

use serde::{Deserialize, Serialize};
use tombolo_domain::cidr;
use tombolo_domain::fleet::inbound::{self, InboundError};
use tombolo_domain::fleet::{InboundPermission, TransportProtocol};
use tombolo_domain::id::FleetId;

use super::lookup::{FleetIdentity, compute, compute_mut, home, refuse_unscalable};
use crate::gamelift::error::{Error, Result};
use crate::lookup::{InVpc, ScopedTransaction};
use crate::operation::Call;
use crate::operation::format::shorten;

/// The shape IpPermission.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IpPermission {
    from_port: u16,
    to_port: u16,
    ip_range: String,
    protocol: TransportProtocol,
}

impl From<InboundPermission> for IpPermission {
    fn from(permission: InboundPermission) -> Self {
        IpPermission {
            from_port: permission.from_port,
            to_port: permission.to_port,
            ip_range: permission.range.to_string(),
            protocol: permission.protocol,
        }
    }
}

/// Reads permissions, each once. `member` is where they stand in the request.
pub(super) fn permissions(member: &str, asked: &[IpPermission]) -> Result<Vec<InboundPermission>> {
    let mut permissions = Vec::with_capacity(asked.len());
    for one in asked {
        let permission = parse(member, one)?;
        permission
            .check()
            .map_err(|error| refused(member, &error))?;
        if !permissions.contains(&permission) {
            permissions.push(permission);
        }
    }
    Ok(permissions)
}

fn parse(member: &str, asked: &IpPermission) -> Result<InboundPermission> {
    let range = cidr::parse_any(&asked.ip_range).map_err(|_| {
        Error::invalid_request(format!(
            "{member}: IpRange '{}' is not a valid CIDR block (such as 0.0.0.0/0).",
            shorten(&asked.ip_range)
        ))
    })?;
    Ok(InboundPermission {
        from_port: asked.from_port,
        to_port: asked.to_port,
        range,
        protocol: asked.protocol,
    })
}

/// Refuses more permissions, or more ports, than a fleet may have.
pub(super) fn refuse_too_many(member: &str, permissions: &[InboundPermission]) -> Result<()> {
    inbound::check_all(permissions).map_err(|error| refused(member, &error))
}

fn refused(member: &str, error: &InboundError) -> Error {
    Error::invalid_request(format!("{member}: {error}."))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    fleet_id: String,
    location: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    fleet_id: FleetId,
    fleet_arn: String,
    inbound_permissions: Vec<IpPermission>,
    location: Option<String>,
}

/// The permissions of a fleet; none of one that is TERMINATED. UpdateStatus is never there, since
/// there are no remote locations that an update could be on its way to.
pub(crate) async fn describe_fleet_port_settings(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let managed = compute(&fleet)?;
    home(call, input.location.as_deref())?;
    let permissions = managed.inbound_permissions.iter().cloned();
    let gone = fleet.terminated.is_some();
    let FleetIdentity {
        fleet_id,
        fleet_arn,
    } = FleetIdentity::of(&fleet);
    Ok(Described {
        fleet_id,
        fleet_arn,
        inbound_permissions: permissions.filter(|_| !gone).map(Into::into).collect(),
        location: input.location,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Update {
    fleet_id: String,
    #[serde(default)]
    inbound_permission_authorizations: Option<Vec<IpPermission>>,
    #[serde(default)]
    inbound_permission_revocations: Option<Vec<IpPermission>>,
}

/// Revokes permissions, each of which must exist, and then authorizes some. One that exists already
/// stays, and one that the same request revokes is added again.
pub(crate) async fn update_fleet_port_settings(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Update,
) -> Result<FleetIdentity> {
    const ADDED: &str = "InboundPermissionAuthorizations";
    let mut fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    compute(&fleet)?;
    refuse_unscalable(&fleet)?;
    let added = permissions(
        ADDED,
        &input.inbound_permission_authorizations.unwrap_or_default(),
    )?;
    let revoked = input.inbound_permission_revocations.unwrap_or_default();

    let managed = compute_mut(&mut fleet)?;
    let mut wanted = managed.inbound_permissions.clone();
    for asked in &revoked {
        let revoked = parse("InboundPermissionRevocations", asked)?;
        if !managed.inbound_permissions.contains(&revoked) {
            return Err(not_there(&revoked));
        }
        wanted.retain(|one| *one != revoked);
    }
    for permission in added {
        if !wanted.contains(&permission) {
            wanted.push(permission);
        }
    }
    refuse_too_many(ADDED, &wanted)?;
    let_in(tx, call, managed, &wanted).await?;
    managed.inbound_permissions = wanted;
    let identity = FleetIdentity::of(&fleet);
    tx.put(&fleet)?;
    Ok(identity)
}

fn not_there(permission: &InboundPermission) -> Error {
    let InboundPermission {
        from_port,
        to_port,
        range,
        protocol,
    } = permission;
    Error::invalid_request(format!(
        "InboundPermissionRevocations: the fleet has no permission for {protocol} ports \
         {from_port} to {to_port} from {range}; DescribeFleetPortSettings shows those that it has."
    ))
}

/// Writes the permissions of a fleet as rules of the default security group of its VPC.
pub(super) async fn let_in(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    of: &impl InVpc,
    permissions: &[InboundPermission],
) -> Result<()> {
    let groups = tx.security_groups_of(of).list().await?;
    let default = groups.into_iter().find(|group| group.is_default());
    let mut default = default.ok_or_else(|| {
        Error::internal(
            "reading the default security group of a fleet's VPC",
            format!("VPC {} has none", of.vpc()),
        )
    })?;
    default.allow_players(permissions, call.ids);
    tx.put(&default)?;
    Ok(())
}
