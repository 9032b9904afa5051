//! Making a VPC together with what comes with every VPC: EC2's CreateVpc and GameLift's CreateFleet
//! do the same thing here.

use ipnet::Ipv4Net;
use tombolo_domain::id::{FleetId, RouteTableAssociationId, RouteTableId, VpcId};
use tombolo_domain::vpc::{Route, RouteTable, SecurityGroup, Vpc, VpcAttributes, VpcNumber};

use super::Call;
use crate::error::ApiError;
use crate::lookup::ScopedTransaction;

/// Makes a VPC with its main route table and its default security group.
pub(crate) async fn create(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    cidr: Ipv4Net,
    fleet: Option<FleetId>,
) -> Result<Vpc, ApiError> {
    let scope = call.scope();
    let id = VpcId::generate(call.ids);
    let vpc = Vpc {
        scope: scope.clone(),
        id: id.clone(),
        number: VpcNumber(call.numbers.next()?),
        cidr,
        secondary_cidrs: Vec::new(),
        attributes: VpcAttributes::default(),
        fleet,
        created: call.now,
    };
    let route_table = RouteTable {
        scope: scope.clone(),
        id: RouteTableId::generate(call.ids),
        vpc: id.clone(),
        number: None,
        main: Some(RouteTableAssociationId::generate(call.ids)),
        associations: Vec::new(),
        routes: vec![Route::local(cidr)],
        client_token: None,
    };
    tx.put_new_vpc(&vpc)?;
    tx.put(&route_table)?;
    tx.put(&SecurityGroup::default_of(scope, id, call.ids))?;
    Ok(vpc)
}
