//! What a person can do about an obstacle, with the command where one command does it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::route::ends;
use super::{NotOutside, Obstacle, Packet, Question, Records};
use crate::id::{FleetId, RouteTableId, SecurityGroupId, VpcId, VpcPeeringConnectionId};
use crate::vpc::{RuleDirection, Vpc};

/// What to do about a packet that does not go outside.
pub(super) fn outside(why: NotOutside) -> Option<String> {
    match why {
        NotOutside::NoInternet => Some(
            "A fleet that is made with the tag tombolo:internet=allowed may: aws gamelift \
             create-fleet --tags Key=tombolo:internet,Value=allowed ..."
                .to_owned(),
        ),
        NotOutside::NoSuchAddress | NotOutside::BeginsNoFlow => None,
    }
}

/// What to do about `obstacle`, as a sentence; `None` where nothing that is stored tells it.
pub(super) fn of(
    records: &Records,
    question: &Question<'_>,
    obstacle: &Obstacle,
) -> Option<String> {
    match obstacle {
        Obstacle::NoWayOutside { why, .. } => outside(*why),
        Obstacle::NotAttached { interface } => Some(format!(
            "An interface gets a workload from `tombolo run` or from a fleet; {interface} was made \
             with neither, so use the interface of a running workload."
        )),
        Obstacle::NoRule {
            direction,
            groups,
            packet,
            remote,
            ..
        } => groups
            .first()
            .map(|group| permission(records, group, *direction, *packet, *remote)),
        Obstacle::NoRoute { table, to, .. } => {
            let here = &records.table(table)?.vpc;
            match way_through(records, here, *to) {
                Some((peering, cidr)) => {
                    Some(owned(records, here).unwrap_or_else(|| route(table, &cidr, peering)))
                }
                None => {
                    let how = new_peering(records, here, *to)?;
                    Some(format!("No VPC that {here} is peered with has {to}: {how}"))
                }
            }
        }
        Obstacle::BlackHole {
            table,
            destination,
            peering,
            state,
            ..
        } => Some(match state.as_deref() {
            Some("pending-acceptance") if is_between_people(records, peering) => format!(
                "Its accepter's owner accepts it: aws ec2 accept-vpc-peering-connection \
                 --vpc-peering-connection-id {peering}"
            ),
            Some("initiating-request" | "pending-acceptance") => {
                format!("It is being made: `tombolo peering show {peering}` tells how far it is.")
            }
            _ => replacement(records, table, destination),
        }),
        Obstacle::LeadsElsewhere {
            table,
            destination,
            source,
            ..
        } => Some(format!(
            "A longer route decides: aws ec2 create-route --route-table-id {table} \
             --destination-cidr-block {}/32 --vpc-peering-connection-id PCX, with a connection to \
             {source}; or take {destination} away.",
            question.from.address
        )),
        Obstacle::NotAdmitted { from, to, .. } => Some(format!(
            "Make the peering of {from} with {to} anew: it then takes every block that the two \
             have."
        )),
        Obstacle::NoSuchDestination { vpc, .. } => Some(format!(
            "`aws ec2 describe-network-interfaces --filters Name=vpc-id,Values={vpc}` shows which \
             addresses are used."
        )),
    }
}

/// The rule that lets the packet through, and no more.
fn permission(
    records: &Records,
    group: &SecurityGroupId,
    direction: RuleDirection,
    packet: Packet,
    remote: Ipv4Addr,
) -> String {
    let vpc = records.group(group).map(|group| &group.vpc);
    if let Some(why) = vpc.and_then(|vpc| owned(records, vpc)) {
        return why;
    }
    let direction = match direction {
        RuleDirection::Ingress => "ingress",
        RuleDirection::Egress => "egress",
    };
    let (protocol, from, to) = match packet {
        Packet::Tcp { port } => ("tcp", i32::from(port), i32::from(port)),
        Packet::Udp { port } => ("udp", i32::from(port), i32::from(port)),
        Packet::Icmp { kind, code } => ("icmp", i32::from(kind), i32::from(code)),
    };
    // The short options of the CLI for egress take no CIDR.
    let is_short = direction == "ingress" && protocol != "icmp";
    let rule = if is_short {
        format!("--protocol {protocol} --port {from} --cidr {remote}/32")
    } else {
        format!(
            "--ip-permissions 'IpProtocol={protocol},FromPort={from},ToPort={to},\
             IpRanges=[{{CidrIp={remote}/32}}]'"
        )
    };
    format!("Allow it: aws ec2 authorize-security-group-{direction} --group-id {group} {rule}")
}

fn route(table: &RouteTableId, cidr: &Ipv4Net, peering: &VpcPeeringConnectionId) -> String {
    format!(
        "Add it: aws ec2 create-route --route-table-id {table} --destination-cidr-block {cidr} \
         --vpc-peering-connection-id {peering}"
    )
}

/// That a VPC is a fleet's hidden one, which no call of EC2's can change.
fn owned(records: &Records, vpc: &VpcId) -> Option<String> {
    let fleet = records.vpc(vpc)?.fleet.as_ref()?;
    Some(format!(
        "{vpc} is the network of {fleet}, whose routes and rules come and go with its peerings: \
         make the peering with aws gamelift create-vpc-peering-connection"
    ))
}

/// What brings packets through a black hole again: another peering with whoever has the addresses,
/// or that the wider routes decide.
fn replacement(records: &Records, table: &RouteTableId, destination: &Ipv4Net) -> String {
    let here = records.table(table).map(|table| &table.vpc);
    let other = here.and_then(|here| way_through(records, here, destination.network()));
    match other {
        Some((peering, _)) => format!(
            "Lead it through the peering that there is now: aws ec2 replace-route \
             --route-table-id {table} --destination-cidr-block {destination} \
             --vpc-peering-connection-id {peering}"
        ),
        None => format!(
            "Make a new peering, or take the route away: aws ec2 delete-route \
             --route-table-id {table} --destination-cidr-block {destination}"
        ),
    }
}

/// How `here` gets a peering with the VPC that has `to`. A fleet's is asked for by GameLift's call,
/// whichever side is missing it.
fn new_peering(records: &Records, here: &VpcId, to: Ipv4Addr) -> Option<String> {
    let here = records.vpc(here)?;
    let there = only_other(records, here, to);
    Some(
        match (&here.fleet, there.and_then(|vpc| vpc.fleet.as_ref())) {
            (Some(_), Some(_)) => "it is another fleet's, and fleets are never peered.".to_owned(),
            (Some(fleet), None) => peering_of(fleet, there),
            (None, Some(fleet)) => peering_of(fleet, Some(here)),
            (None, None) => {
                let (owner, peer) = named(there);
                format!(
                    "peer it with the one that has it, and route to it: aws ec2 \
                 create-vpc-peering-connection --vpc-id {} --peer-owner-id {owner} --peer-vpc-id \
                 {peer}",
                    here.id
                )
            }
        },
    )
}

fn peering_of(fleet: &FleetId, peer: Option<&Vpc>) -> String {
    let (owner, peer) = named(peer);
    format!(
        "once {owner} has called create-vpc-peering-authorization, make the peering: aws gamelift \
         create-vpc-peering-connection --fleet-id {fleet} --peer-vpc-aws-account-id {owner} \
         --peer-vpc-id {peer}"
    )
}

/// A VPC's owner and id as a command names them, with what to fill in where it is not known.
fn named(vpc: Option<&Vpc>) -> (String, String) {
    match vpc {
        Some(vpc) => (vpc.scope.account.to_string(), vpc.id.to_string()),
        None => ("ACCOUNT".to_owned(), "VPC".to_owned()),
    }
}

/// The VPC of the same Region that has `to`, if there is one and no second: then it is not known
/// which one is meant.
fn only_other<'r>(records: &'r Records, here: &Vpc, to: Ipv4Addr) -> Option<&'r Vpc> {
    let mut others = records.vpcs.iter().filter(|vpc| {
        vpc.id != here.id
            && vpc.scope.region == here.scope.region
            && vpc.cidrs().any(|cidr| cidr.contains(&to))
    });
    others.next().filter(|_| others.next().is_none())
}

/// A connection of `here` that carries packets to a VPC with the address, and the block of it.
fn way_through<'r>(
    records: &'r Records,
    here: &VpcId,
    to: Ipv4Addr,
) -> Option<(&'r VpcPeeringConnectionId, Ipv4Net)> {
    records.carrying_of(here).find_map(|connection| {
        let (_, there) = ends(connection, here)?;
        let cidr = there.cidrs().find(|cidr| cidr.contains(&to))?;
        Some((&connection.id, cidr))
    })
}

fn is_between_people(records: &Records, peering: &VpcPeeringConnectionId) -> bool {
    let connection = records.connection(peering);
    connection.is_some_and(|connection| connection.fleet.is_none())
}
