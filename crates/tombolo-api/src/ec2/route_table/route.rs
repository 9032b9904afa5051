//! CreateRoute, ReplaceRoute and DeleteRoute.
//!
//! A route leads through a peering connection: Tombolo has none of EC2's other targets. A fleet's
//! connection writes routes of its own; one that a client has replaced is the client's, and stays when
//! the connection ends.

use ipnet::Ipv4Net;
use serde::Deserialize;
use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::vpc::{Route, RouteTable, RouteTarget};

use crate::ec2::error::{Ec2Error, Error, Resource, Result};
use crate::ec2::parameter::{
    OtherParameters, ResourceId, invalid, parse_destination, parse_id, unsupported,
};
use crate::ec2::{Empty, Success};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::shorten;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    route_table_id: String,
    destination_cidr_block: Option<String>,
    vpc_peering_connection_id: Option<String>,
    #[serde(flatten)]
    others: OtherParameters,
}

/// Adds a route to a destination that the table has none to.
pub(crate) async fn create_route(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Success> {
    input.others.refuse()?;
    let destination = parse_destination(input.destination_cidr_block.as_deref())?;
    let connection = input
        .vpc_peering_connection_id
        .ok_or_else(|| Error::missing_parameter("vpcPeeringConnectionId"))?;
    let mut table = tx
        .route_table(&input.route_table_id)
        .to(call.action())
        .await?;
    let connection = target_connection(tx, &table, &connection).await?;
    refuse_within_local(&table, destination)?;
    if table
        .routes
        .iter()
        .any(|route| route.destination == destination)
    {
        return Err(Error::new(
            Ec2Error::RouteAlreadyExists,
            format!(
                "The route identified by {destination} already exists in route table {}; use \
                 ReplaceRoute to change where it leads.",
                table.id
            ),
        ));
    }
    refuse_too_many(&table, tx.quotas().await?.routes_per_table)?;
    table.routes.push(Route {
        destination,
        target: RouteTarget::Peering(connection),
        made_by: None,
    });
    tx.put(&table)?;
    Ok(Success::default())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Replace {
    route_table_id: String,
    destination_cidr_block: Option<String>,
    vpc_peering_connection_id: Option<String>,
    gateway_id: Option<String>,
    local_target: Option<bool>,
    #[serde(flatten)]
    others: OtherParameters,
}

/// The target that [`Replace`] asks for.
enum TargetRequest {
    Local,
    Connection(String),
}

impl Replace {
    fn target(&self) -> Result<TargetRequest> {
        let local = match self.gateway_id.as_deref() {
            Some("local") => true,
            Some(other) => {
                return Err(unsupported(format!(
                    "Tombolo has no gateway '{}': GatewayId can only be local.",
                    shorten(other)
                )));
            }
            None => self.local_target == Some(true),
        };
        match (&self.vpc_peering_connection_id, local) {
            (Some(_), true) => Err(Error::new(
                Ec2Error::InvalidParameterCombination,
                "The request must contain exactly one target; leave out either \
                 vpcPeeringConnectionId or the local one.",
            )),
            (Some(connection), false) => Ok(TargetRequest::Connection(connection.clone())),
            (None, true) => Ok(TargetRequest::Local),
            (None, false) => Err(Error::missing_parameter("vpcPeeringConnectionId")),
        }
    }
}

/// Changes where a route leads. The local ones lead where they always do.
pub(crate) async fn replace_route(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Replace,
) -> Result<Empty> {
    input.others.refuse()?;
    let destination = parse_destination(input.destination_cidr_block.as_deref())?;
    let wanted = input.target()?;
    let mut table = tx
        .route_table(&input.route_table_id)
        .to(call.action())
        .await?;
    let target = match wanted {
        TargetRequest::Local => RouteTarget::Local,
        TargetRequest::Connection(id) => {
            RouteTarget::Peering(target_connection(tx, &table, &id).await?)
        }
    };
    let mut routes = table.routes.iter_mut();
    let Some(route) = routes.find(|route| route.destination == destination) else {
        return Err(invalid(format!(
            "There is no route defined for '{destination}' in the route table {}. Use CreateRoute \
             instead.",
            table.id
        )));
    };
    match (&route.target, &target) {
        (RouteTarget::Local, RouteTarget::Local) => return Ok(Empty {}),
        (RouteTarget::Local, _) => {
            return Err(invalid(format!(
                "Route target is not supported. The route to {destination} is the local one of \
                 route table {}, and stays within the VPC.",
                table.id
            )));
        }
        (_, RouteTarget::Local) => {
            return Err(invalid(format!(
                "Only a local route can be reset to the local target, and {destination} is no CIDR \
                 block of VPC {}.",
                table.vpc
            )));
        }
        _ => {}
    }
    route.target = target;
    route.made_by = None;
    tx.put(&table)?;
    Ok(Empty {})
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    route_table_id: String,
    destination_cidr_block: Option<String>,
    #[serde(flatten)]
    others: OtherParameters,
}

/// Deletes a route, also one that a fleet's connection wrote. The local ones stay.
pub(crate) async fn delete_route(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    input.others.refuse()?;
    let destination = parse_destination(input.destination_cidr_block.as_deref())?;
    let mut table = tx
        .route_table(&input.route_table_id)
        .to(call.action())
        .await?;
    let mut routes = table.routes.iter();
    let Some(at) = routes.position(|route| route.destination == destination) else {
        return Err(Error::new(
            Ec2Error::NotFound(Resource::Route),
            format!(
                "no route with destination-cidr-block {destination} in route table {}",
                table.id
            ),
        ));
    };
    if table.routes[at].target == RouteTarget::Local {
        return Err(invalid(format!(
            "cannot remove local route {destination} in route table {}",
            table.id
        )));
    }
    table.routes.remove(at);
    tx.put(&table)?;
    Ok(Empty {})
}

/// What is local stays local: as with EC2, only a wider destination can lead elsewhere, and the
/// local route wins within it.
fn refuse_within_local(table: &RouteTable, destination: Ipv4Net) -> Result<()> {
    let mut routes = table.routes.iter();
    let local = routes.find(|route| {
        route.target == RouteTarget::Local && route.destination.contains(&destination)
    });
    match local {
        None => Ok(()),
        Some(local) => Err(invalid(format!(
            "The destination CIDR block {destination} is equal to or more specific than one of \
             this VPC's CIDR blocks: {} is local to VPC {}.",
            local.destination, table.vpc
        ))),
    }
}

fn refuse_too_many(table: &RouteTable, most: usize) -> Result<()> {
    if table.routes_beyond_local() < most {
        return Ok(());
    }
    Err(Error::new(
        Ec2Error::RouteLimitExceeded,
        format!(
            "The maximum number of routes has been reached: route table {} has {most}. Delete one, \
             or raise the quota routes_per_table of the server.",
            table.id
        ),
    ))
}

/// The peering connection of a route table's VPC that an id names. One that waits for its
/// acceptance will do: until then the route is a black hole.
///
/// # Errors
/// [`Ec2Error::NotFound`], in the same words for one of another VPC, of another account, and one
/// that does not exist. One that is over is answered differently, since its owner can see it.
async fn target_connection(
    tx: &mut ScopedTransaction<'_>,
    table: &RouteTable,
    text: &str,
) -> Result<VpcPeeringConnectionId> {
    let id: VpcPeeringConnectionId = parse_id(text)?;
    match tx.connection_of_vpc(table, &id).await? {
        Some(connection) if connection.state.is_live() => Ok(id),
        Some(connection) => Err(Error::new(
            Ec2Error::NotFound(Resource::VpcPeeringConnection),
            format!(
                "The vpcPeeringConnection ID '{id}' is {}, and no route can lead to it any more",
                connection.state.code()
            ),
        )),
        None => Err(Error::no_such(VpcPeeringConnectionId::KIND, id)),
    }
}
