//! DescribeRouteTables, and a route table as EC2 shows it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{
    AccountId, RouteTableAssociationId, RouteTableId, SubnetId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::peering::State;
use tombolo_domain::vpc::{Route, RouteTable, RouteTarget};

use crate::ec2::error::Result;
use crate::ec2::filter::{Field, Filtered};
use crate::ec2::selection::{Describable, Selection, well_formed};
use crate::ec2::tag::{Tag, TagsOf};
use crate::lookup::{CustomerVpcs, ScopedTransaction};
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    route_table_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    route_tables: Vec<RouteTableView>,
    next_token: Option<String>,
}

/// The route tables of the caller's VPCs. A route to a peering connection that is not active is a
/// black hole.
pub(crate) async fn describe_route_tables(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let vpcs = match &input.route_table_ids[..] {
        [] => input.selection.vpcs(tx, call).await?,
        ids => {
            let ids = well_formed::<RouteTableId>(ids);
            tx.vpcs().holding(call.action(), &ids).await?
        }
    };
    let active = active(tx, call, &vpcs).await?;
    let mut tags = TagsOf::read(tx, call).await?;
    let tables = tx.route_tables_in(&vpcs).await?;
    let all = tables.into_iter().map(|table| {
        let tags = tags.take(&table.id);
        RouteTableView::new(table, &active, tags)
    });
    let ids = ("routeTableIds", &input.route_table_ids[..]);
    let page = input.selection.by_ids(call, ids, all.collect())?;
    Ok(Described {
        route_tables: page.items,
        next_token: page.next_token,
    })
}

/// The active connections of VPCs of the caller's, whichever end these are.
async fn active(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    vpcs: &CustomerVpcs,
) -> Result<BTreeSet<VpcPeeringConnectionId>> {
    let connections = tx.peering_connections().open(call.action(), vpcs).await?;
    let active = connections
        .into_iter()
        .filter(|connection| connection.state == State::Active);
    Ok(active.map(|connection| connection.id).collect())
}

/// EC2's RouteTable.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RouteTableView {
    route_table_id: RouteTableId,
    vpc_id: VpcId,
    owner_id: AccountId,
    associations: Vec<Association>,
    propagating_vgws: [(); 0],
    routes: Vec<RouteView>,
    tags: Vec<Tag>,
}

/// EC2's RouteTableAssociation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Association {
    main: bool,
    route_table_association_id: RouteTableAssociationId,
    route_table_id: RouteTableId,
    subnet_id: Option<SubnetId>,
    association_state: AssociationState,
}

/// EC2's RouteTableAssociationState.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AssociationState {
    state: &'static str,
}

impl AssociationState {
    /// The only one there is: an association holds as soon as the call that makes it returns.
    pub(super) const ASSOCIATED: Self = AssociationState {
        state: "associated",
    };
}

/// EC2's Route.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RouteView {
    destination_cidr_block: String,
    gateway_id: Option<&'static str>,
    vpc_peering_connection_id: Option<VpcPeeringConnectionId>,
    origin: &'static str,
    state: &'static str,
}

impl RouteTableView {
    /// `active` are the connections that carry packets: a route to any other is a black hole.
    pub(super) fn new(
        table: RouteTable,
        active: &BTreeSet<VpcPeeringConnectionId>,
        tags: Vec<Tag>,
    ) -> Self {
        let association = |id, subnet_id: Option<SubnetId>| Association {
            main: subnet_id.is_none(),
            route_table_association_id: id,
            route_table_id: table.id.clone(),
            subnet_id,
            association_state: AssociationState::ASSOCIATED,
        };
        let main = table.main.into_iter().map(|id| association(id, None));
        let subnets = table.associations.into_iter();
        let subnets = subnets.map(|one| association(one.id, Some(one.subnet)));
        RouteTableView {
            associations: main.chain(subnets).collect(),
            owner_id: table.scope.account,
            propagating_vgws: [],
            routes: table
                .routes
                .into_iter()
                .map(|route| RouteView::new(route, active))
                .collect(),
            tags,
            route_table_id: table.id,
            vpc_id: table.vpc,
        }
    }

    fn of_associations(&self, read: impl Fn(&Association) -> Option<String>) -> Vec<String> {
        self.associations.iter().filter_map(read).collect()
    }

    /// The values that `read` finds in the routes.
    fn of_routes(&self, read: impl Fn(&RouteView) -> Option<String>) -> Vec<String> {
        self.routes.iter().filter_map(read).collect()
    }
}

impl RouteView {
    fn new(route: Route, active: &BTreeSet<VpcPeeringConnectionId>) -> Self {
        let destination_cidr_block = route.destination.to_string();
        match route.target {
            RouteTarget::Local => RouteView {
                destination_cidr_block,
                gateway_id: Some("local"),
                vpc_peering_connection_id: None,
                origin: "CreateRouteTable",
                state: "active",
            },
            RouteTarget::Peering(connection) => RouteView {
                destination_cidr_block,
                gateway_id: None,
                origin: "CreateRoute",
                state: if active.contains(&connection) {
                    "active"
                } else {
                    "blackhole"
                },
                vpc_peering_connection_id: Some(connection),
            },
        }
    }
}

impl Filtered for RouteTableView {
    const FIELDS: &'static [Field<Self>] = &[
        // Only gateways, which Tombolo has none of, are associated by it.
        ("association.gateway-id", |_| vec![]),
        ("association.main", |table| {
            table.of_associations(|one| Some(one.main.to_string()))
        }),
        ("association.route-table-association-id", |table| {
            table.of_associations(|one| Some(one.route_table_association_id.to_string()))
        }),
        ("association.route-table-id", |table| {
            table.of_associations(|one| Some(one.route_table_id.to_string()))
        }),
        ("association.subnet-id", |table| {
            table.of_associations(|one| one.subnet_id.as_ref().map(ToString::to_string))
        }),
        ("owner-id", |table| vec![table.owner_id.to_string()]),
        ("route-table-id", |table| {
            vec![table.route_table_id.to_string()]
        }),
        ("route.destination-cidr-block", |table| {
            table.of_routes(|route| Some(route.destination_cidr_block.clone()))
        }),
        // Destinations and targets that no route of Tombolo's has.
        ("route.destination-ipv6-cidr-block", |_| vec![]),
        ("route.destination-prefix-list-id", |_| vec![]),
        ("route.egress-only-internet-gateway-id", |_| vec![]),
        ("route.instance-id", |_| vec![]),
        ("route.nat-gateway-id", |_| vec![]),
        ("route.transit-gateway-id", |_| vec![]),
        ("route.gateway-id", |table| {
            table.of_routes(|route| route.gateway_id.map(str::to_owned))
        }),
        ("route.origin", |table| {
            table.of_routes(|route| Some(route.origin.to_owned()))
        }),
        ("route.state", |table| {
            table.of_routes(|route| Some(route.state.to_owned()))
        }),
        ("route.vpc-peering-connection-id", |table| {
            table.of_routes(|route| {
                let connection = route.vpc_peering_connection_id.as_ref();
                connection.map(ToString::to_string)
            })
        }),
        ("vpc-id", |table| vec![table.vpc_id.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Describable for RouteTableView {
    type Id = RouteTableId;

    fn id(&self) -> &RouteTableId {
        &self.route_table_id
    }
}
