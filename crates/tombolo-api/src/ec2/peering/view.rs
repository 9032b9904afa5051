//! DescribeVpcPeeringConnections, and a connection as EC2 shows it.

use serde::{Deserialize, Serialize};
use tombolo_domain::Timestamp;
use tombolo_domain::id::{AccountId, Region, VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, End, PeeringOptions};

use crate::ec2::error::Result;
use crate::ec2::filter::{Field, Filtered};
use crate::ec2::selection::{Describable, Selection, well_formed};
use crate::ec2::tag::{Tag, TagsOf};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::maybe_seconds;

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

/// The connections of the caller's VPCs and of the caller's fleets. How long those that are over
/// stay visible is in [`tombolo_domain::peering`].
pub(crate) async fn describe_vpc_peering_connections(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let mut tags = TagsOf::read(tx, call).await?;
    let mut all = Vec::new();
    let listing = tx.peering_connections();
    let connections = match &input.vpc_peering_connection_ids[..] {
        [] => listing.to(call.action()).await?,
        ids => listing.of_ids(call.action(), &well_formed(ids)).await?,
    };
    for connection in connections {
        let expiration = expiration(tx, &connection).await?;
        let tags = tags.take(&connection.id);
        all.push(ConnectionView::new(call, connection, expiration, tags));
    }
    let ids = (
        "vpcPeeringConnectionIds",
        &input.vpc_peering_connection_ids[..],
    );
    let page = input.selection.by_ids(call, ids, all)?;
    Ok(Described {
        vpc_peering_connections: page.items,
        next_token: page.next_token,
    })
}

/// When a request that is not accepted yet lapses: a fleet's with the authorization that it rests
/// on.
async fn expiration(
    tx: &mut ScopedTransaction<'_>,
    connection: &Connection,
) -> Result<Option<Timestamp>> {
    if !connection.state.is_request() {
        return Ok(None);
    }
    if connection.fleet.is_none() {
        return Ok(connection.expires);
    }
    Ok(tx.end_of_authorization(connection).await?)
}

/// EC2's VpcPeeringConnection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConnectionView {
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
    cidr_block: Option<String>,
    cidr_block_set: Vec<CidrBlock>,
    peering_options: OptionsView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CidrBlock {
    cidr_block: String,
}

/// EC2's PeeringConnectionOptions. ClassicLink is retired, and shown as EC2 still shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OptionsView {
    allow_dns_resolution_from_remote_vpc: bool,
    allow_egress_from_local_classic_link_to_remote_vpc: bool,
    allow_egress_from_local_vpc_to_remote_classic_link: bool,
}

impl From<PeeringOptions> for OptionsView {
    fn from(options: PeeringOptions) -> Self {
        OptionsView {
            allow_dns_resolution_from_remote_vpc: options.dns_resolution_from_remote,
            allow_egress_from_local_classic_link_to_remote_vpc: false,
            allow_egress_from_local_vpc_to_remote_classic_link: false,
        }
    }
}

impl ConnectionView {
    /// The connection as the caller may see it. `expiration` is when a request that is not accepted
    /// yet lapses.
    ///
    /// Who asked learns the other VPC's blocks only by its owner's consent; EC2 shows them of an
    /// active connection.
    pub(super) fn new(
        call: &Call<'_>,
        mut connection: Connection,
        expiration: Option<Timestamp>,
        tags: Vec<Tag>,
    ) -> Self {
        let is_accepter = connection.accepter.account == call.principal.account();
        if !is_accepter && !connection.has_consent() {
            connection.accepter.cidr = None;
            connection.accepter.secondary_cidrs.clear();
        }
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
        let blocks = end.cidrs().map(|block| CidrBlock {
            cidr_block: block.to_string(),
        });
        VpcInfo {
            cidr_block_set: blocks.collect(),
            cidr_block: end.cidr.as_ref().map(ToString::to_string),
            vpc_id: end.vpc,
            owner_id: end.account,
            region: region.clone(),
            peering_options: end.options.into(),
        }
    }

    fn blocks(&self) -> Vec<String> {
        let blocks = self.cidr_block_set.iter();
        blocks.map(|block| block.cidr_block.clone()).collect()
    }
}

impl Filtered for ConnectionView {
    const FIELDS: &'static [Field<Self>] = &[
        ("accepter-vpc-info.cidr-block", |c| {
            c.accepter_vpc_info.blocks()
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
            c.requester_vpc_info.blocks()
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

impl Describable for ConnectionView {
    type Id = VpcPeeringConnectionId;

    fn id(&self) -> &VpcPeeringConnectionId {
        &self.vpc_peering_connection_id
    }
}
