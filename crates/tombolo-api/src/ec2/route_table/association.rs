//! AssociateRouteTable, DisassociateRouteTable and ReplaceRouteTableAssociation: which subnets use a
//! route table. One without an association uses its VPC's main table.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::RouteTableAssociationId;
use tombolo_domain::vpc::RouteTableUser;

use super::view::AssociationState;
use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{OtherParameters, invalid};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Associate {
    route_table_id: String,
    subnet_id: Option<String>,
    #[serde(flatten)]
    others: OtherParameters,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Associated {
    association_id: RouteTableAssociationId,
    association_state: AssociationState,
}

/// Makes a subnet use a table of its VPC. A subnet that has one already keeps it.
pub(crate) async fn associate_route_table(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Associate,
) -> Result<Associated> {
    input.others.refuse()?;
    let subnet = input
        .subnet_id
        .ok_or_else(|| Error::missing_parameter("subnetId"))?;
    let mut table = tx
        .route_table(&input.route_table_id)
        .to(call.action())
        .await?;
    let (vpc, subnet) = tx.subnet(&subnet).to(call.action()).await?;
    if table.vpc != vpc.id {
        return Err(invalid(format!(
            "route table {} and subnet {} belong to different networks: {} and {}",
            table.id, subnet.id, table.vpc, vpc.id
        )));
    }
    for other in tx.route_tables_of(&vpc).list().await? {
        let mut associations = other.associations.iter();
        if let Some(existing) = associations.find(|one| one.subnet == subnet.id) {
            return Err(Error::new(
                Ec2Error::AlreadyAssociated,
                format!(
                    "the specified association for route table {} conflicts with an existing \
                     association: subnet {} uses {} by {}. Replace or disassociate that.",
                    table.id, subnet.id, other.id, existing.id
                ),
            ));
        }
    }
    let id = RouteTableAssociationId::generate(call.ids);
    table.associate(id.clone(), RouteTableUser::Subnet(subnet.id));
    tx.put(&table)?;
    Ok(Associated {
        association_id: id,
        association_state: AssociationState::ASSOCIATED,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Disassociate {
    association_id: String,
}

/// Makes a subnet use its VPC's main table again.
pub(crate) async fn disassociate_route_table(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Disassociate,
) -> Result<Empty> {
    let (mut table, id) = tx
        .associated_route_table(&input.association_id)
        .to(call.action())
        .await?;
    if table.disassociate(&id) == Some(RouteTableUser::Vpc) {
        return Err(invalid(format!(
            "cannot disassociate the main route table association {id}; make another table the \
             main one with ReplaceRouteTableAssociation"
        )));
    }
    tx.put(&table)?;
    Ok(Empty {})
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Replace {
    association_id: String,
    route_table_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Replaced {
    new_association_id: RouteTableAssociationId,
    association_state: AssociationState,
}

/// Makes what uses one table use another of the same VPC, under a new id: a subnet, or the VPC,
/// whose main table is another from then on.
pub(crate) async fn replace_route_table_association(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Replace,
) -> Result<Replaced> {
    let (mut old, id) = tx
        .associated_route_table(&input.association_id)
        .to(call.action())
        .await?;
    let user = old
        .disassociate(&id)
        .ok_or_else(|| Error::internal("replacing an association", format!("no {id}")))?;
    tx.put(&old)?;
    // If it is the same table, this reads what was just put.
    let mut new = tx
        .route_table(&input.route_table_id)
        .to(call.action())
        .await?;
    if new.vpc != old.vpc {
        return Err(invalid(format!(
            "route table {} and route table {} belong to different networks: {} and {}",
            old.id, new.id, old.vpc, new.vpc
        )));
    }
    let id = RouteTableAssociationId::generate(call.ids);
    new.associate(id.clone(), user);
    tx.put(&new)?;
    Ok(Replaced {
        new_association_id: id,
        association_state: AssociationState::ASSOCIATED,
    })
}
