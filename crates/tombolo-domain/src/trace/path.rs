//! Walks the path of a packet hop by hop, over records.

use std::net::Ipv4Addr;

use super::route::{self, IncompleteRecords, MatchedRoute, NextHop};
use super::rule::{self, Evaluation, Remote, RuleSummary};
use super::{Hop, Obstacle, Packet, Place, Records, Trace, Way, remedy};
use crate::id::VpcId;
use crate::vpc::{NetworkInterface, RuleDirection};

/// The packet to trace, its sender and its destination.
#[derive(Debug, Clone, Copy)]
pub struct Question<'r> {
    /// Who sends.
    pub from: &'r NetworkInterface,
    /// To which address.
    pub to: Ipv4Addr,
    /// What.
    pub packet: Packet,
}

/// Walks the path of the packet. `None`: `from`'s VPC, subnet or route table is not among the
/// records, so that they were read while some of them were being deleted.
pub fn walk(records: &Records, question: &Question<'_>) -> Option<Trace> {
    let walk = Walk { records, question };
    walk.run().ok()
}

struct Walk<'r> {
    records: &'r Records,
    question: &'r Question<'r>,
}

impl<'r> Walk<'r> {
    fn run(&self) -> Result<Trace, IncompleteRecords> {
        let &Question { from, to, .. } = self.question;
        let mut there = vec![];
        let reached = self.way_there(&mut there)?;
        let destination = reached.and_then(|vpc| self.records.interface_at(vpc, to));

        let mut hops = vec![self.source()];
        hops.push(self.egress(destination));
        hops.append(&mut there);
        if let Some(vpc) = reached {
            hops.push(self.destination(vpc, destination));
        }
        if let Some(destination) = destination {
            hops.push(self.ingress(destination));
            // Within one VPC both directions of a flow take the same local route.
            if destination.vpc != from.vpc {
                hops.push(self.way_back(destination)?);
            }
        }
        Ok(Trace {
            hops,
            destination: destination.map(|interface| interface.id.clone()),
        })
    }

    fn source(&self) -> Hop {
        let from = self.question.from;
        match &from.attachment {
            None => self.obstructed(Place::Source, not_attached(from)),
            Some(_) => passes(
                Place::Source,
                format!("{} has {} in {}", from.id, from.address, from.vpc),
            ),
        }
    }

    fn egress(&self, destination: Option<&NetworkInterface>) -> Hop {
        let remote = Remote {
            address: self.question.to,
            interface: destination,
        };
        self.rules(self.question.from, RuleDirection::Egress, remote)
    }

    fn ingress(&self, destination: &NetworkInterface) -> Hop {
        let remote = Remote {
            address: self.question.from.address,
            interface: Some(self.question.from),
        };
        self.rules(destination, RuleDirection::Ingress, remote)
    }

    fn rules(
        &self,
        interface: &NetworkInterface,
        direction: RuleDirection,
        remote: Remote<'_>,
    ) -> Hop {
        let place = match direction {
            RuleDirection::Egress => Place::Egress,
            RuleDirection::Ingress => Place::Ingress,
        };
        let packet = self.question.packet;
        let Evaluation { allowed_by, stale } =
            rule::evaluate(self.records, interface, direction, packet, remote);
        match allowed_by {
            Some((group, rule)) => passes(
                place,
                format!(
                    "rule {} of security group {} ({}) lets it through: {}",
                    rule.id,
                    group.id,
                    group.name,
                    RuleSummary(rule)
                ),
            ),
            None => self.obstructed(
                place,
                Obstacle::NoRule {
                    interface: interface.id.clone(),
                    direction,
                    groups: interface.groups.clone(),
                    packet,
                    remote: remote.address,
                    stale: stale.into_iter().map(|rule| rule.id.clone()).collect(),
                },
            ),
        }
    }

    /// Route and peering. Gives the VPC that they lead to, whether or not it lets the packet in.
    fn way_there(&self, hops: &mut Vec<Hop>) -> Result<Option<&'r VpcId>, IncompleteRecords> {
        let &Question { from, to, .. } = self.question;
        let (table, matched) = route::longest_match(self.records, from, to)?;
        let Some(matched) = matched else {
            let obstacle = Obstacle::NoRoute {
                way: Way::There,
                table: table.id.clone(),
                to,
            };
            hops.push(self.obstructed(Place::Route, obstacle));
            return Ok(None);
        };
        hops.push(passes(Place::Route, route_summary(&matched)));
        let NextHop::Peering(peering) = matched.next else {
            return Ok(Some(&from.vpc));
        };
        match route::leads_to(self.records, from, &matched, Way::There) {
            Err(obstacle) => {
                hops.push(self.obstructed(Place::Peering, obstacle));
                Ok(None)
            }
            Ok(vpc) if !route::admits_source(self.records, from, vpc) => {
                let obstacle = not_admitted(Way::There, from, vpc);
                hops.push(self.obstructed(Place::Peering, obstacle));
                Ok(Some(vpc))
            }
            Ok(vpc) => {
                let finding = format!("{peering} lets {} into {vpc}", from.address);
                hops.push(passes(Place::Peering, finding));
                Ok(Some(vpc))
            }
        }
    }

    fn destination(&self, vpc: &VpcId, found: Option<&NetworkInterface>) -> Hop {
        let address = self.question.to;
        match found {
            None => {
                let vpc = vpc.clone();
                self.obstructed(
                    Place::Destination,
                    Obstacle::NoSuchDestination { vpc, address },
                )
            }
            Some(interface) if interface.attachment.is_none() => {
                self.obstructed(Place::Destination, not_attached(interface))
            }
            Some(interface) => passes(
                Place::Destination,
                format!("{} has {address} in {vpc}", interface.id),
            ),
        }
    }

    /// The way of the replies, which need a route as the packet did, and no rule.
    fn way_back(&self, destination: &NetworkInterface) -> Result<Hop, IncompleteRecords> {
        let from = self.question.from;
        let back = |obstacle| Ok(self.obstructed(Place::RouteBack, obstacle));
        let (table, matched) = route::longest_match(self.records, destination, from.address)?;
        let Some(matched) = matched else {
            return back(Obstacle::NoRoute {
                way: Way::Back,
                table: table.id.clone(),
                to: from.address,
            });
        };
        let vpc = match route::leads_to(self.records, destination, &matched, Way::Back) {
            Err(obstacle) => return back(obstacle),
            Ok(vpc) => vpc,
        };
        if *vpc != from.vpc {
            return back(Obstacle::LeadsElsewhere {
                table: table.id.clone(),
                destination: matched.destination,
                to: vpc.clone(),
                source: from.vpc.clone(),
            });
        }
        if !route::admits_source(self.records, destination, vpc) {
            return back(not_admitted(Way::Back, destination, vpc));
        }
        Ok(passes(
            Place::RouteBack,
            format!("{}; a reply needs no rule", route_summary(&matched)),
        ))
    }

    fn obstructed(&self, place: Place, obstacle: Obstacle) -> Hop {
        Hop {
            place,
            finding: obstacle.to_string(),
            remedy: remedy::of(self.records, self.question, &obstacle),
            obstacle: Some(obstacle),
        }
    }
}

fn passes(place: Place, finding: String) -> Hop {
    Hop {
        place,
        finding,
        obstacle: None,
        remedy: None,
    }
}

fn route_summary(matched: &MatchedRoute<'_>) -> String {
    let MatchedRoute {
        table,
        destination,
        next,
    } = matched;
    let table = &table.id;
    match next {
        NextHop::Local => format!("route {destination} of {table} is local"),
        NextHop::Peering(peering) => {
            format!("route {destination} of {table} leads through {peering}")
        }
    }
}

fn not_attached(interface: &NetworkInterface) -> Obstacle {
    Obstacle::NotAttached {
        interface: interface.id.clone(),
    }
}

fn not_admitted(way: Way, from: &NetworkInterface, to: &VpcId) -> Obstacle {
    Obstacle::NotAdmitted {
        way,
        source: from.address,
        from: from.vpc.clone(),
        to: to.clone(),
    }
}
