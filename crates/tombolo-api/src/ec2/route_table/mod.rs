//! Route tables: made and deleted here, and shown by [`view`]; which subnets use one is in
//! [`association`], and where it leads in [`route`].

mod association;
mod route;
mod view;

pub(crate) use association::{
    associate_route_table, disassociate_route_table, replace_route_table_association,
};
pub(crate) use route::{create_route, delete_route, replace_route};
pub(crate) use view::describe_route_tables;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::RouteTableId;
use tombolo_domain::vpc::{Route, RouteTable, RouteTableNumber};

use self::view::RouteTableView;
use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::OtherParameters;
use crate::ec2::tag::{self, TagSpecification, TagsOf};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    vpc_id: String,
    client_token: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
    #[serde(flatten)]
    others: OtherParameters,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    route_table: RouteTableView,
    client_token: Option<String>,
}

/// Makes a route table with the VPC's local routes and nothing that uses it. The same client token
/// again gives the table that it made, while it exists.
///
/// The VPC's peering connections add nothing to it: a fleet's connection writes its routes once,
/// into the tables that are there when it is accepted.
pub(crate) async fn create_route_table(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Created> {
    input.others.refuse()?;
    let vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let tables = tx.route_tables_of(&vpc).list().await?;
    let token = input.client_token;
    let made_before = |table: &&RouteTable| token.is_some() && table.client_token == token;
    let (table, tags) = match tables.iter().find(made_before) {
        Some(before) => {
            let mut tags = TagsOf::one(tx, &before.id).await?;
            (before.clone(), tags.take(&before.id))
        }
        None => {
            let table = RouteTable {
                id: RouteTableId::generate(call.ids),
                number: Some(RouteTableNumber(call.numbers.next()?)),
                main: None,
                associations: Vec::new(),
                routes: vpc.cidrs().map(Route::local).collect(),
                client_token: token.clone(),
                scope: vpc.scope,
                vpc: vpc.id,
            };
            tx.put(&table)?;
            let tags = tag::write_new(tx, &table.scope, &table.id, input.tag_specifications)?;
            (table, tags)
        }
    };
    Ok(Created {
        route_table: RouteTableView::new(table, &BTreeSet::new(), tags),
        client_token: token,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    route_table_id: String,
}

/// Deletes a route table that nothing uses, with its routes.
pub(crate) async fn delete_route_table(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let table = tx
        .route_table(&input.route_table_id)
        .to(call.action())
        .await?;
    if let Some(what_to_do) = what_uses(&table) {
        return Err(Error::new(
            Ec2Error::DependencyViolation,
            format!(
                "The routeTable '{}' has dependencies and cannot be deleted; {what_to_do}.",
                table.id
            ),
        ));
    }
    tx.remove(&table);
    Ok(Empty {})
}

/// What has to happen before nothing uses the table.
fn what_uses(table: &RouteTable) -> Option<String> {
    if let Some(main) = &table.main {
        return Some(format!(
            "it is the main one of VPC {}: make another the main one first, with \
             ReplaceRouteTableAssociation of {main}",
            table.vpc
        ));
    }
    let association = table.associations.first()?;
    Some(format!(
        "disassociate {} first, by which subnet {} uses it",
        association.id, association.subnet
    ))
}
