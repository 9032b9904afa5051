//! What the data path looks packets up in, compiled from a [`Network`].
//!
//! Pure, and the same for every engine: the `ebpf` engine copies [`Tables`] into BPF maps, the
//! `simulated` one asks [`crate::verdict`] about them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::id::NetworkInterfaceId;

use crate::network::{Network, Peering, PeeringEnd, RouteTableNumber, VpcNumber};
use crate::rules::Rules;

/// Routes, peering ACL and endpoints of all VPCs, and the rules of all security groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// By route table and destination; the longest prefix wins.
    pub(crate) routes: BTreeMap<(RouteTableNumber, Ipv4Net), NextHop>,
    /// Who may send into a VPC from another.
    pub(crate) peering_acl: BTreeSet<PeeringAclEntry>,
    /// Who has an address. Two interfaces that claim one address are a mistake of the caller's;
    /// the first id keeps it.
    pub(crate) endpoints: BTreeMap<(VpcNumber, Ipv4Addr), NetworkInterfaceId>,
    /// What may begin a flow.
    pub(crate) rules: Rules,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// Within this VPC, the table's own.
    Local(VpcNumber),
    /// Into a peered VPC.
    Peering(VpcNumber),
    /// Nowhere, and not by a wider route either.
    BlackHole,
}

/// Sources of VPC `from` that VPC `to` lets in. When the two VPCs share several peerings, what
/// one of them admits is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeeringAclEntry {
    pub(crate) to: VpcNumber,
    pub(crate) from: VpcNumber,
    pub(crate) sources: Ipv4Net,
}

impl Tables {
    /// Compiles `network`. A route that names no peering of its VPC is a black hole, whose packets
    /// count as `NoRoute`.
    pub(crate) fn compile(network: &Network) -> Tables {
        let mut tables = Tables {
            rules: Rules::compile(network),
            ..Tables::default()
        };
        for (&number, table) in &network.route_tables {
            let Some(vpc) = network.vpcs.get(&table.vpc) else {
                continue;
            };
            for cidr in &vpc.cidrs {
                let local = NextHop::Local(table.vpc);
                tables.routes.insert((number, cidr.trunc()), local);
            }
            for route in &table.routes {
                let peering = network.peerings.get(&route.peering);
                let peer = peering.and_then(|peering| other_end(peering, table.vpc));
                // A VPC's own block stays local, and the first of equal routes wins.
                tables
                    .routes
                    .entry((number, route.destination.trunc()))
                    .or_insert(match peer {
                        Some(peer) => NextHop::Peering(peer.vpc),
                        None => NextHop::BlackHole,
                    });
            }
        }
        for Peering {
            requester,
            accepter,
        } in network.peerings.values()
        {
            tables.admit(requester, accepter.vpc);
            tables.admit(accepter, requester.vpc);
        }
        for (id, interface) in &network.interfaces {
            tables
                .endpoints
                .entry((interface.vpc, interface.address))
                .or_insert_with(|| id.clone());
        }
        tables
    }

    /// Makes up for a change of a part, which was compiled before and after it.
    pub(crate) fn patch(&mut self, before: Tables, after: Tables) {
        patch_map(&mut self.routes, before.routes, after.routes);
        patch_map(&mut self.endpoints, before.endpoints, after.endpoints);
        patch_set(&mut self.peering_acl, before.peering_acl, after.peering_acl);
        let rules = &mut self.rules;
        patch_set(&mut rules.blocks, before.rules.blocks, after.rules.blocks);
        patch_set(&mut rules.ports, before.rules.ports, after.rules.ports);
    }

    fn admit(&mut self, from: &PeeringEnd, to: VpcNumber) {
        let allowed = from.cidrs.iter().map(|cidr| PeeringAclEntry {
            to,
            from: from.vpc,
            sources: cidr.trunc(),
        });
        self.peering_acl.extend(allowed);
    }
}

fn other_end(peering: &Peering, vpc: VpcNumber) -> Option<&PeeringEnd> {
    if peering.requester.vpc == vpc {
        Some(&peering.accepter)
    } else if peering.accepter.vpc == vpc {
        Some(&peering.requester)
    } else {
        None
    }
}

fn patch_map<K: Ord, V>(of: &mut BTreeMap<K, V>, before: BTreeMap<K, V>, after: BTreeMap<K, V>) {
    for key in before.keys() {
        of.remove(key);
    }
    of.extend(after);
}

fn patch_set<T: Ord>(of: &mut BTreeSet<T>, before: BTreeSet<T>, after: BTreeSet<T>) {
    for entry in &before {
        of.remove(entry);
    }
    of.extend(after);
}
