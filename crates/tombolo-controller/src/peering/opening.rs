//! The routes and rules that a fleet's connection adds to both VPCs, marked as its own, and takes
//! back. One between two VPCs that people own adds none: as with EC2, each owner does.

use ipnet::Ipv4Net;
use tombolo_domain::cidr;
use tombolo_domain::id::VpcPeeringConnectionId;
use tombolo_domain::peering::{Connection, End, FailureReason};
use tombolo_domain::vpc::{Route, RouteTable, RouteTarget};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use super::step::scope_of;
use crate::Context;

/// Adds what lets the two sides reach each other: routes to every block of the other in every
/// route table of both VPCs, and a rule for each in both default security groups. If the routes of
/// another connection lead to some of these addresses already, nothing is added.
pub(super) async fn open(
    context: &Context,
    tx: &mut Transaction,
    connection: &Connection,
) -> Result<Result<(), FailureReason>, StoreError> {
    let Connection {
        id,
        requester: fleet,
        accepter: peer,
        ..
    } = connection;
    let mut of_fleet = route_tables(tx, connection, fleet).await?;
    let mut of_peer = route_tables(tx, connection, peer).await?;
    if let Some(Taken { block, other, .. }) = taken(&of_fleet, peer) {
        return Ok(Err(FailureReason::TakenInFleet { peer: block, other }));
    }
    if let Some(Taken { block, other, by }) = taken(&of_peer, fleet) {
        let entry = keys::peering(&connection.accepter_scope(), &peer.vpc, by);
        let at = tx.get(&entry).await?;
        let is_own = at.is_some_and(|at| at.account == fleet.account);
        return Ok(Err(FailureReason::TakenInPeer {
            fleet: block,
            other: is_own.then_some(other),
        }));
    }
    for (tables, here, there) in [(&mut of_fleet, fleet, peer), (&mut of_peer, peer, fleet)] {
        for table in tables {
            add_routes(table, there, id);
            tx.put(table)?;
        }
        let scope = scope_of(connection, here);
        for mut group in tx
            .list(&keys::security_groups_of(&scope, &here.vpc))
            .await?
        {
            if group.is_default() {
                for block in there.cidrs() {
                    group.admit(block, id, &*context.ids);
                }
                tx.put(&group)?;
            }
        }
    }
    Ok(Ok(()))
}

/// Takes back exactly what [`open`] added.
pub(super) async fn close(tx: &mut Transaction, connection: &Connection) -> Result<(), StoreError> {
    if connection.fleet.is_none() {
        return Ok(());
    }
    for end in [&connection.requester, &connection.accepter] {
        for mut table in route_tables(tx, connection, end).await? {
            table.remove_routes_of(&connection.id);
            tx.put(&table)?;
        }
        let scope = scope_of(connection, end);
        for mut group in tx.list(&keys::security_groups_of(&scope, &end.vpc)).await? {
            for rule in group.remove_rules_of(&connection.id) {
                tx.delete(&keys::tags(&scope, rule.id.as_str()));
            }
            tx.put(&group)?;
        }
    }
    Ok(())
}

/// Addresses that another connection's routes lead to.
struct Taken<'t> {
    /// The block that is wanted.
    block: Ipv4Net,
    /// The route's destination.
    other: Ipv4Net,
    /// The connection that made the route.
    by: &'t VpcPeeringConnectionId,
}

/// Whether addresses of `there` are reached through another connection already. That the routes
/// tell, and not all the connections of the VPC, keeps joining many fleets to one VPC cheap.
fn taken<'t>(tables: &'t [RouteTable], there: &End) -> Option<Taken<'t>> {
    let routes = tables.iter().flat_map(|table| &table.routes);
    let made = routes.filter_map(|route| Some((route.destination, route.made_by.as_ref()?)));
    let blocks: Vec<_> = there.cidrs().collect();
    made.into_iter().find_map(|(other, by)| {
        let shared = blocks.iter().find(|block| cidr::overlap(**block, other));
        shared.map(|block| Taken {
            block: *block,
            other,
            by,
        })
    })
}

/// Adds the routes to `there`, except where a person has one to the very same block.
fn add_routes(table: &mut RouteTable, there: &End, connection: &VpcPeeringConnectionId) {
    for destination in there.cidrs() {
        let is_there = |route: &Route| route.destination == destination;
        if !table.routes.iter().any(is_there) {
            table.routes.push(Route {
                destination,
                target: RouteTarget::Peering(connection.clone()),
                made_by: Some(connection.clone()),
            });
        }
    }
}

async fn route_tables(
    tx: &mut Transaction,
    connection: &Connection,
    end: &End,
) -> Result<Vec<RouteTable>, StoreError> {
    let scope = scope_of(connection, end);
    tx.list(&keys::route_tables_of(&scope, &end.vpc)).await
}
