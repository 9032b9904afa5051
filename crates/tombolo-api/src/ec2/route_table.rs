//! DescribeRouteTables.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{
    AccountId, RouteTableAssociationId, RouteTableId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::peering::State;
use tombolo_domain::vpc::{Route, RouteTable, RouteTarget};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::filter::{Field, Filtered};
use super::select::{Selection, Shown};
use super::tag::{Tag, TagsOf};
use super::{own, peering};
use crate::error::ApiError;
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
    tx: &mut Transaction,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described, ApiError> {
    let scope = call.scope();
    let vpcs = own::vpc_ids(tx, call).await?;
    let peerings = peering::accepted(tx, &scope).await?.into_iter();
    let active: BTreeSet<VpcPeeringConnectionId> = peerings
        .filter(|connection| connection.state == State::Active)
        .map(|connection| connection.id)
        .collect();
    let mut tags = TagsOf::read(tx, call).await?;
    let mut tables = tx.peek(&keys::route_tables(&scope)).await?;
    tables.retain(|table| vpcs.contains(&table.vpc));
    let all = tables.into_iter().map(|table| {
        let tags = tags.take(&table.id);
        RouteTableView::new(table, &active, tags)
    });
    let ids = ("routeTableIds", &input.route_table_ids[..]);
    let page = input
        .selection
        .named(call, "DescribeRouteTables", ids, all.collect())?;
    Ok(Described {
        route_tables: page.items,
        next_token: page.next_token,
    })
}

/// EC2's RouteTable.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RouteTableView {
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
    association_state: AssociationState,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssociationState {
    state: &'static str,
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
    fn new(table: RouteTable, active: &BTreeSet<VpcPeeringConnectionId>, tags: Vec<Tag>) -> Self {
        let association = |id| Association {
            main: true,
            route_table_association_id: id,
            route_table_id: table.id.clone(),
            association_state: AssociationState {
                state: "associated",
            },
        };
        RouteTableView {
            associations: table.main.map(association).into_iter().collect(),
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
        ("association.main", |table| {
            let associations = table.associations.iter();
            associations.map(|a| a.main.to_string()).collect()
        }),
        ("association.route-table-association-id", |table| {
            let associations = table.associations.iter();
            associations
                .map(|a| a.route_table_association_id.to_string())
                .collect()
        }),
        ("association.route-table-id", |table| {
            let associations = table.associations.iter();
            associations.map(|a| a.route_table_id.to_string()).collect()
        }),
        // No subnet has a table of its own: all use the VPC's main one.
        ("association.subnet-id", |_| vec![]),
        ("owner-id", |table| vec![table.owner_id.to_string()]),
        ("route-table-id", |table| {
            vec![table.route_table_id.to_string()]
        }),
        ("route.destination-cidr-block", |table| {
            table.of_routes(|route| Some(route.destination_cidr_block.clone()))
        }),
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

impl Shown for RouteTableView {
    type Id = RouteTableId;

    fn id(&self) -> &RouteTableId {
        &self.route_table_id
    }
}
