//! Making a VPC together with what comes with every VPC: EC2's CreateVpc and GameLift's CreateFleet
//! do the same thing here.

use ipnet::Ipv4Net;
use tombolo_domain::id::{FleetId, RouteTableAssociationId, RouteTableId, VpcId};
use tombolo_domain::vpc::{Route, RouteTable, RouteTarget, SecurityGroup, Vpc, VpcNumber};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::Call;
use crate::error::ApiError;

/// The largest VPC number: what a 24-bit tunnel key holds.
const MAX_NUMBER: u32 = (1 << 24) - 1;

/// Makes a VPC with its main route table and its default security group.
pub(crate) async fn create(
    tx: &mut Transaction,
    call: &Call<'_>,
    cidr: Ipv4Net,
    fleet: Option<FleetId>,
) -> Result<Vpc, ApiError> {
    let number = tx.get(&keys::vpc_number()).await?.unwrap_or(0) + 1;
    if number > MAX_NUMBER {
        return Err(ApiError::internal(
            "numbering a VPC",
            format!("all {MAX_NUMBER} VPC numbers of this store were used"),
        ));
    }
    tx.put_at(&keys::vpc_number(), &number)?;

    let scope = call.scope();
    let id = VpcId::generate(call.ids);
    let vpc = Vpc {
        scope: scope.clone(),
        id: id.clone(),
        number: VpcNumber(number),
        cidr,
        fleet,
        created: call.now,
    };
    let route_table = RouteTable {
        scope: scope.clone(),
        id: RouteTableId::generate(call.ids),
        vpc: id.clone(),
        main: Some(RouteTableAssociationId::generate(call.ids)),
        routes: vec![Route {
            destination: cidr,
            target: RouteTarget::Local,
            made_by: None,
        }],
    };
    tx.put(&vpc)?;
    tx.put_at(&keys::vpc_scope(&id), &scope)?;
    tx.put(&route_table)?;
    tx.put(&SecurityGroup::default_of(scope, id, call.ids))?;
    Ok(vpc)
}
