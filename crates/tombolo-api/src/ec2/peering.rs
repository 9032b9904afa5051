//! DescribeVpcPeeringConnections, as EC2 has it: both owners see a connection. GameLift's operation
//! of the same name shows the fleet's owner its side of the same records.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{AccountId, Region, VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, End, State};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys::{self, ConnectionAt};
use tombolo_store::typed::Transaction;

use super::filter::{Field, Filtered};
use super::id::{self, ResourceId};
use super::select::{Selection, Shown};
use super::tag::{Tag, TagsOf};
use crate::error::ApiError;
use crate::operation::Call;
use crate::operation::time::maybe_seconds;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    vpc_peering_connection_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    vpc_peering_connections: Vec<ConnectionView>,
    next_token: Option<String>,
}

/// The connections of the caller's fleets and of the caller's VPCs. Those that ended stay for two
/// hours.
pub(crate) async fn describe_vpc_peering_connections(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described, ApiError> {
    let scope = call.scope();
    let mut connections = tx.peek(&keys::connections(&scope)).await?;
    // One between a fleet and a VPC of the same account is among the first already.
    let accepted = accepted(tx, &scope).await?.into_iter();
    connections.extend(accepted.filter(|connection| connection.requester.account != scope.account));
    connections.retain(|connection| connection.is_visible_to(scope.account, call.now));

    let mut tags = TagsOf::read(tx, call).await?;
    let mut all = Vec::with_capacity(connections.len());
    for connection in connections {
        let expiration = expiration(tx, &connection).await?;
        let tags = tags.take(&connection.id);
        all.push(ConnectionView::new(connection, expiration, tags));
    }
    let ids = (
        "vpcPeeringConnectionIds",
        &input.vpc_peering_connection_ids[..],
    );
    let page = input
        .selection
        .named(call, "DescribeVpcPeeringConnections", ids, all)?;
    Ok(Described {
        vpc_peering_connections: page.items,
        next_token: page.next_token,
    })
}

/// The connections to the VPCs of `scope`.
pub(super) async fn accepted(
    tx: &mut Transaction,
    scope: &Scope,
) -> Result<Vec<Connection>, ApiError> {
    let mut connections = Vec::new();
    for (rest, at) in tx
        .page(&keys::peerings(scope), None, usize::MAX)
        .await?
        .records
    {
        connections.extend(at_its_place(tx, scope, &rest, &at).await?);
    }
    Ok(connections)
}

/// The connection that an id names, if the caller has one of its ends.
pub(super) async fn own(
    tx: &mut Transaction,
    call: &Call<'_>,
    text: &str,
) -> Result<Connection, ApiError> {
    let id: VpcPeeringConnectionId = id::parse(text)?;
    let scope = call.scope();
    let requested = tx.peek(&keys::connections(&scope)).await?;
    let mut found = requested.into_iter().find(|connection| connection.id == id);
    if found.is_none() {
        let accepted = tx.page(&keys::peerings(&scope), None, usize::MAX).await?;
        let mut records = accepted.records.iter();
        if let Some((rest, at)) = records.find(|(rest, _)| rest.ends_with(id.as_str())) {
            found = at_its_place(tx, &scope, rest, at).await?;
        }
    }
    found
        .filter(|connection| connection.is_visible_to(scope.account, call.now))
        .ok_or_else(|| ApiError::no_such(VpcPeeringConnectionId::KIND, id))
}

/// The connection that an entry of [`keys::peerings`] stands for; `rest` is `VPC/CONNECTION`.
async fn at_its_place(
    tx: &mut Transaction,
    scope: &Scope,
    rest: &str,
    at: &ConnectionAt,
) -> Result<Option<Connection>, ApiError> {
    let Some(id) = rest.split_once('/').and_then(|(_, id)| id.parse().ok()) else {
        return Ok(None);
    };
    let key = keys::connection(&scope.region, at.account, &at.asker, &id);
    Ok(tx.get(&key).await?)
}

/// When a request that is not accepted yet lapses: with the authorization that it rests on.
async fn expiration(
    tx: &mut Transaction,
    connection: &Connection,
) -> Result<Option<Timestamp>, ApiError> {
    if !matches!(
        connection.state,
        State::InitiatingRequest | State::PendingAcceptance
    ) {
        return Ok(None);
    }
    let End { account, vpc, .. } = &connection.accepter;
    let requester = connection.requester.account;
    let key = keys::authorization(&connection.region, *account, vpc, requester);
    let authorization = tx.get(&key).await?;
    Ok(authorization.map(|authorization| authorization.expires))
}

/// EC2's VpcPeeringConnection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConnectionView {
    vpc_peering_connection_id: VpcPeeringConnectionId,
    requester_vpc_info: VpcInfo,
    accepter_vpc_info: VpcInfo,
    status: Status,
    #[serde(serialize_with = "maybe_seconds")]
    expiration_time: Option<Timestamp>,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    code: &'static str,
    message: String,
}

/// EC2's VpcPeeringConnectionVpcInfo.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VpcInfo {
    vpc_id: VpcId,
    owner_id: AccountId,
    region: Region,
    cidr_block: String,
    cidr_block_set: [CidrBlock; 1],
    peering_options: PeeringOptions,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CidrBlock {
    cidr_block: String,
}

/// What EC2 can do besides and Tombolo does not.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PeeringOptions {
    allow_dns_resolution_from_remote_vpc: bool,
    allow_egress_from_local_classic_link_to_remote_vpc: bool,
    allow_egress_from_local_vpc_to_remote_classic_link: bool,
}

impl ConnectionView {
    fn new(connection: Connection, expiration: Option<Timestamp>, tags: Vec<Tag>) -> Self {
        let status = Status {
            code: connection.state.code(),
            message: connection.message(),
        };
        ConnectionView {
            requester_vpc_info: VpcInfo::new(connection.requester, &connection.region),
            accepter_vpc_info: VpcInfo::new(connection.accepter, &connection.region),
            vpc_peering_connection_id: connection.id,
            status,
            expiration_time: expiration,
            tags,
        }
    }
}

impl VpcInfo {
    fn new(end: End, region: &Region) -> Self {
        let cidr_block = end.cidr.map(|cidr| cidr.to_string()).unwrap_or_default();
        VpcInfo {
            vpc_id: end.vpc,
            owner_id: end.account,
            region: region.clone(),
            cidr_block_set: [CidrBlock {
                cidr_block: cidr_block.clone(),
            }],
            cidr_block,
            peering_options: PeeringOptions::default(),
        }
    }
}

impl Filtered for ConnectionView {
    const FIELDS: &'static [Field<Self>] = &[
        ("accepter-vpc-info.cidr-block", |c| {
            vec![c.accepter_vpc_info.cidr_block.clone()]
        }),
        ("accepter-vpc-info.owner-id", |c| {
            vec![c.accepter_vpc_info.owner_id.to_string()]
        }),
        ("accepter-vpc-info.vpc-id", |c| {
            vec![c.accepter_vpc_info.vpc_id.to_string()]
        }),
        ("expiration-time", |c| {
            c.expiration_time.iter().map(ToString::to_string).collect()
        }),
        ("requester-vpc-info.cidr-block", |c| {
            vec![c.requester_vpc_info.cidr_block.clone()]
        }),
        ("requester-vpc-info.owner-id", |c| {
            vec![c.requester_vpc_info.owner_id.to_string()]
        }),
        ("requester-vpc-info.vpc-id", |c| {
            vec![c.requester_vpc_info.vpc_id.to_string()]
        }),
        ("status-code", |c| vec![c.status.code.to_owned()]),
        ("status-message", |c| vec![c.status.message.clone()]),
        ("vpc-peering-connection-id", |c| {
            vec![c.vpc_peering_connection_id.to_string()]
        }),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Shown for ConnectionView {
    type Id = VpcPeeringConnectionId;

    fn id(&self) -> &VpcPeeringConnectionId {
        &self.vpc_peering_connection_id
    }
}
