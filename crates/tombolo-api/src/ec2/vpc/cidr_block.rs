//! AssociateVpcCidrBlock and DisassociateVpcCidrBlock: the blocks that a VPC has besides its
//! primary one.
//!
//! Amazon VPC User Guide, "VPC CIDR blocks", says what may be added. Adding a block changes nobody's
//! routes and rules but the VPC's own local routes: a peer who wants to reach it adds a route to it.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use tombolo_domain::cidr as blocks;
use tombolo_domain::id::{VpcCidrAssociationId, VpcId};
use tombolo_domain::peering::Connection;
use tombolo_domain::vpc::{CidrAssociation, RouteTable, RouteTarget, Vpc};

use super::view::CidrBlockAssociation;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{OtherParameters, parse_cidr};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Associate {
    vpc_id: String,
    cidr_block: Option<String>,
    #[serde(flatten)]
    others: OtherParameters,
}

/// What both operations answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer {
    vpc_id: VpcId,
    cidr_block_association: CidrBlockAssociation,
}

/// Adds a block to a VPC, with a local route to it in each of its route tables.
pub(crate) async fn associate_vpc_cidr_block(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Associate,
) -> Result<Answer> {
    input.others.refuse()?;
    let mut vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let cidr = parse_cidr(input.cidr_block.as_deref(), Ec2Error::InvalidVpcRange)?;
    refuse_too_many(&vpc, tx.quotas().await?.cidr_blocks_per_vpc)?;
    refuse_own(&vpc, cidr)?;
    let tables = tx.route_tables_of(&vpc).list().await?;
    refuse_routed(&tables, cidr)?;
    let connections = tx.connections_of_vpc(&vpc).await?;
    refuse_peered(&vpc, &connections, cidr)?;

    let id = VpcCidrAssociationId::generate(call.ids);
    vpc.secondary_cidrs.push(CidrAssociation {
        id: id.clone(),
        cidr,
    });
    tx.put(&vpc)?;
    for mut table in tables {
        table.add_local(cidr);
        tx.put(&table)?;
    }
    update_connections(tx, &vpc, connections)?;
    Ok(Answer {
        vpc_id: vpc.id,
        cidr_block_association: CidrBlockAssociation::associated(id, cidr),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Disassociate {
    association_id: String,
}

/// Removes a block with no subnet in it from a VPC, and its local routes.
pub(crate) async fn disassociate_vpc_cidr_block(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Disassociate,
) -> Result<Answer> {
    let (mut vpc, id) = tx
        .vpc_of_block(&input.association_id)
        .to(call.action())
        .await?;
    let Some(at) = vpc.secondary_cidrs.iter().position(|one| one.id == id) else {
        return Err(Error::new(
            Ec2Error::OperationNotPermitted,
            format!(
                "The vpc CIDR block with association ID {id} may not be disassociated. It is the \
                 primary IPv4 CIDR block of the VPC {}.",
                vpc.id
            ),
        ));
    };
    let cidr = vpc.secondary_cidrs.remove(at).cidr;
    let subnets = tx.subnets_of(&vpc).list().await?;
    if let Some(subnet) = subnets.iter().find(|subnet| cidr.contains(&subnet.cidr)) {
        return Err(Error::new(
            Ec2Error::DependencyViolation,
            format!(
                "The vpc CIDR block {cidr} with association ID {id} has dependencies and cannot be \
                 disassociated; delete {} first.",
                subnet.id
            ),
        ));
    }
    tx.put(&vpc)?;
    for mut table in tx.route_tables_of(&vpc).list().await? {
        table.remove_local(cidr);
        tx.put(&table)?;
    }
    let connections = tx.connections_of_vpc(&vpc).await?;
    update_connections(tx, &vpc, connections)?;
    Ok(Answer {
        vpc_id: vpc.id,
        cidr_block_association: CidrBlockAssociation::disassociated(id, cidr),
    })
}

fn refuse_too_many(vpc: &Vpc, most: usize) -> Result<()> {
    if vpc.cidrs().count() < most {
        return Ok(());
    }
    Err(Error::new(
        Ec2Error::CidrLimitExceeded,
        format!(
            "This network '{}' has met its maximum number of allowed CIDRs: {most}. Disassociate \
             one, or raise the quota cidr_blocks_per_vpc of the server.",
            vpc.id
        ),
    ))
}

fn refuse_own(vpc: &Vpc, cidr: Ipv4Net) -> Result<()> {
    match vpc.cidrs().find(|own| blocks::overlap(*own, cidr)) {
        None => Ok(()),
        Some(own) => Err(conflict(cidr, format!("VPC {} has {own} already", vpc.id))),
    }
}

/// A local route may not take precedence over a route that a client wrote: the block has to be smaller
/// than any destination that it touches.
fn refuse_routed(tables: &[RouteTable], cidr: Ipv4Net) -> Result<()> {
    for table in tables {
        let mut routes = table.routes.iter();
        let within = routes
            .find(|route| route.target != RouteTarget::Local && cidr.contains(&route.destination));
        if let Some(route) = within {
            return Err(conflict(
                cidr,
                format!(
                    "route table {} has a route to {}, and a block of the VPC is smaller than the \
                     destinations of its routes; delete the route first",
                    table.id, route.destination
                ),
            ));
        }
    }
    Ok(())
}

/// The Amazon VPC User Guide's rules for a VPC that is part of a peering connection. A request that
/// waits for the VPC's owner does not stand in the way: it fails if the two overlap from now on.
fn refuse_peered(vpc: &Vpc, connections: &[Connection], cidr: Ipv4Net) -> Result<()> {
    for connection in connections {
        let (asked, other) = if connection.requester.vpc == vpc.id {
            (true, &connection.accepter)
        } else {
            (false, &connection.requester)
        };
        if connection.state.carries_packets()
            && let Some(taken) = other.cidrs().find(|block| blocks::overlap(*block, cidr))
        {
            return Err(conflict(
                cidr,
                format!(
                    "VPC peering connection {} joins the VPC to {taken}",
                    connection.id
                ),
            ));
        }
        if asked && connection.state.is_request() {
            return Err(Error::new(
                Ec2Error::OperationNotPermitted,
                format!(
                    "VPC {} asked for VPC peering connection {}, which is {}, and cannot be given \
                     a CIDR block until it is accepted or deleted.",
                    vpc.id,
                    connection.id,
                    connection.state.code()
                ),
            ));
        }
    }
    Ok(())
}

fn conflict(cidr: Ipv4Net, why: String) -> Error {
    Error::new(
        Ec2Error::InvalidVpcRange,
        format!("The CIDR '{cidr}' is invalid: {why}."),
    )
}

/// Writes the VPC's blocks into its live connections, which the data path admits addresses by.
fn update_connections(
    tx: &mut ScopedTransaction<'_>,
    vpc: &Vpc,
    connections: Vec<Connection>,
) -> Result<()> {
    for mut connection in connections {
        if !connection.state.is_live() {
            continue;
        }
        for end in [&mut connection.requester, &mut connection.accepter] {
            if end.vpc == vpc.id {
                end.follow(vpc);
            }
        }
        tx.put(&connection)?;
    }
    Ok(())
}
