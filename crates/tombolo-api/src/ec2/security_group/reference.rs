//! DescribeSecurityGroupReferences.

use serde::{Deserialize, Serialize};
use tombolo_domain::Scope;
use tombolo_domain::id::{SecurityGroupId, VpcId, VpcPeeringConnectionId};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use super::peering::ActivePeerings;
use crate::ec2::error::Result;
use crate::ec2::own;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeReferences {
    group_id: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribedReferences {
    security_group_reference_set: Vec<Reference>,
}

/// EC2's SecurityGroupReference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reference {
    group_id: SecurityGroupId,
    referencing_vpc_id: VpcId,
    vpc_peering_connection_id: VpcPeeringConnectionId,
}

/// The VPCs that are peered with those of the groups and have rules that name them.
pub(crate) async fn describe_security_group_references(
    tx: &mut Transaction,
    call: &Call<'_>,
    input: DescribeReferences,
) -> Result<DescribedReferences> {
    let mut references = Vec::new();
    for id in &input.group_id {
        let group = own::security_group(tx, call, id).await?;
        let peerings = ActivePeerings::of_vpc(tx, &group.scope, &group.vpc).await?;
        for (connection, end) in peerings.from(&group.vpc) {
            let there = Scope {
                account: end.account,
                region: group.scope.region.clone(),
            };
            let groups = tx.peek(&keys::security_groups_of(&there, &end.vpc)).await?;
            if groups.iter().any(|other| other.refers_to(&group.id)) {
                references.push(Reference {
                    group_id: group.id.clone(),
                    referencing_vpc_id: end.vpc.clone(),
                    vpc_peering_connection_id: connection.id.clone(),
                });
            }
        }
    }
    Ok(DescribedReferences {
        security_group_reference_set: references,
    })
}
