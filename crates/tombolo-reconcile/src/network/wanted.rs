//! What the store wants of the network engine.

use std::collections::BTreeMap;

use tombolo_domain::id::{SubnetId, VpcId};
use tombolo_domain::peering::{Connection, End, State};
use tombolo_domain::vpc::{self, RouteTarget, VpcNumber};
use tombolo_network::{Interface, Network, Peering, PeeringEnd, Route, Subnet, Vpc};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys};

use crate::Context;

/// The wanted network, and the connections whose next step is its being in force.
pub(super) struct Wanted {
    pub(super) network: Network,
    pub(super) provisioning: Vec<Connection>,
    pub(super) deleting: Vec<Connection>,
}

/// Reads it. The reads are not one snapshot: something made meanwhile may be there in part, which
/// the wake-up that it caused sets right.
pub(super) async fn read(context: &Context) -> Result<Wanted, StoreError> {
    let mut tx = Transaction::new(context.store.clone());
    let connections = tx.peek(&keys::all_connections()).await?;
    let vpcs = tx.peek(&keys::all_vpcs()).await?;
    let tables = tx.peek(&keys::all_route_tables()).await?;
    let subnets = tx.peek(&keys::all_subnets()).await?;
    let interfaces = tx.peek(&keys::all_interfaces()).await?;

    let numbers: BTreeMap<&VpcId, VpcNumber> =
        vpcs.iter().map(|vpc| (&vpc.id, vpc.number)).collect();
    let mut network = Network::default();
    for vpc in &vpcs {
        network.vpcs.insert(
            vpc.number,
            Vpc {
                cidrs: vec![vpc.cidr],
                routes: Vec::new(),
            },
        );
    }

    for connection in connections
        .iter()
        .filter(|connection| connection.state.carries_packets())
    {
        let ends = (
            end(&numbers, &connection.requester),
            end(&numbers, &connection.accepter),
        );
        // A connection whose VPC has just been deleted carries nothing.
        let (Some(requester), Some(accepter)) = ends else {
            continue;
        };
        network.peerings.insert(
            connection.id.clone(),
            Peering {
                requester,
                accepter,
            },
        );
    }

    for table in &tables {
        let vpc = numbers
            .get(&table.vpc)
            .and_then(|number| network.vpcs.get_mut(number));
        let Some(vpc) = vpc else { continue };
        for route in &table.routes {
            // A route to a connection that carries nothing is a black hole: no route at all.
            if let RouteTarget::Peering(peering) = &route.target
                && network.peerings.contains_key(peering)
            {
                let destination = route.destination;
                vpc.routes.push(Route {
                    destination,
                    peering: peering.clone(),
                });
            }
        }
    }

    let subnets: BTreeMap<&SubnetId, &vpc::Subnet> =
        subnets.iter().map(|subnet| (&subnet.id, subnet)).collect();
    for interface in interfaces
        .iter()
        .filter(|interface| interface.attachment.is_some())
    {
        let (Some(number), Some(subnet)) =
            (numbers.get(&interface.vpc), subnets.get(&interface.subnet))
        else {
            continue;
        };
        let wanted = Interface {
            vpc: *number,
            address: interface.address,
            mac: interface.mac,
            subnet: Subnet(subnet.cidr),
        };
        network.interfaces.insert(interface.id.clone(), wanted);
    }

    let in_state = |wanted: fn(&State) -> bool| {
        connections
            .iter()
            .filter(|connection| wanted(&connection.state))
            .cloned()
            .collect()
    };
    Ok(Wanted {
        provisioning: in_state(|state| *state == State::Provisioning),
        deleting: in_state(|state| matches!(state, State::Deleting { .. })),
        network,
    })
}

fn end(numbers: &BTreeMap<&VpcId, VpcNumber>, end: &End) -> Option<PeeringEnd> {
    let vpc = *numbers.get(&end.vpc)?;
    Some(PeeringEnd {
        vpc,
        cidrs: vec![end.cidr],
    })
}
