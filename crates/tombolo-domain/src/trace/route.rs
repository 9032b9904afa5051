//! Which way a route table sends a packet.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Obstacle, Records, Way};
use crate::id::{VpcId, VpcPeeringConnectionId};
use crate::peering::{Connection, End};
use crate::vpc::{NetworkInterface, RouteTable, RouteTarget};

/// The route that a packet takes: the one with the longest prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchedRoute<'r> {
    pub(super) table: &'r RouteTable,
    pub(super) destination: Ipv4Net,
    pub(super) next: NextHop<'r>,
}

/// Its target.
#[derive(Debug, Clone, Copy)]
pub(super) enum NextHop<'r> {
    /// Within the VPC.
    Local,
    /// Through a connection, which may carry packets or not.
    Peering(&'r VpcPeeringConnectionId),
}

/// The route with the longest prefix for `to` in the table of the interface's subnet. The VPC's own
/// blocks are local in every table, whatever else it says about them.
///
/// `Ok(None)`: no route takes it. `Err`: the interface's VPC or table is not among the records.
pub(super) fn longest_match<'r>(
    records: &'r Records,
    from: &NetworkInterface,
    to: Ipv4Addr,
) -> Result<(&'r RouteTable, Option<MatchedRoute<'r>>), IncompleteRecords> {
    let vpc = records.vpc(&from.vpc).ok_or(IncompleteRecords)?;
    let table = records
        .table_of(&from.vpc, &from.subnet)
        .ok_or(IncompleteRecords)?;
    let local = vpc.cidrs().map(|cidr| (cidr, NextHop::Local));
    let others = table.routes.iter().filter_map(|route| {
        let next = match &route.target {
            // Those are the VPC's blocks.
            RouteTarget::Local => return None,
            RouteTarget::Peering(id) => NextHop::Peering(id),
        };
        Some((route.destination.trunc(), next))
    });
    let mut longest: Option<MatchedRoute<'r>> = None;
    for (destination, next) in local.chain(others) {
        let is_longer =
            longest.is_none_or(|found| destination.prefix_len() > found.destination.prefix_len());
        if destination.contains(&to) && is_longer {
            longest = Some(MatchedRoute {
                table,
                destination,
                next,
            });
        }
    }
    Ok((table, longest))
}

/// Records of which some were deleted while the others were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IncompleteRecords;

/// A connection's ends as `vpc` sees them: its own and the other; `None` if it has none.
pub(super) fn ends<'r>(connection: &'r Connection, vpc: &VpcId) -> Option<(&'r End, &'r End)> {
    let Connection {
        requester,
        accepter,
        ..
    } = connection;
    if requester.vpc == *vpc {
        Some((requester, accepter))
    } else if accepter.vpc == *vpc {
        Some((accepter, requester))
    } else {
        None
    }
}

/// The VPC that `matched` leads into from `from`'s, or why it leads nowhere.
pub(super) fn leads_to<'r>(
    records: &'r Records,
    from: &'r NetworkInterface,
    matched: &MatchedRoute<'r>,
    way: Way,
) -> Result<&'r VpcId, Obstacle> {
    let NextHop::Peering(peering) = matched.next else {
        return Ok(&from.vpc);
    };
    let connection = records.connection(peering);
    let open = connection.filter(|connection| records.carries(connection));
    match open.and_then(|connection| ends(connection, &from.vpc)) {
        Some((_, there)) => Ok(&there.vpc),
        None => Err(Obstacle::BlackHole {
            way,
            table: matched.table.id.clone(),
            destination: matched.destination,
            peering: peering.clone(),
            state: connection.map(|connection| connection.state.code().to_owned()),
        }),
    }
}

/// Whether packets of `from` may enter the VPC `to`: the source address must be in a CIDR block
/// that some connection between the two VPCs has for its end.
pub(super) fn admits_source(records: &Records, from: &NetworkInterface, to: &VpcId) -> bool {
    records.carrying(&from.vpc, to).any(|connection| {
        let own = ends(connection, &from.vpc).map(|(own, _)| own);
        own.is_some_and(|own| own.cidrs().any(|cidr| cidr.contains(&from.address)))
    })
}
