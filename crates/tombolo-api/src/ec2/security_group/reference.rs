//! DescribeSecurityGroupReferences.

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{SecurityGroupId, VpcId, VpcPeeringConnectionId};

use super::peering::ActivePeerings;
use crate::ec2::error::Result;
use crate::lookup::ScopedTransaction;
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
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: DescribeReferences,
) -> Result<DescribedReferences> {
    let mut references = Vec::new();
    for id in &input.group_id {
        let group = tx.security_group(id).to(call.action()).await?;
        let peerings = ActivePeerings::of_vpc(tx, &group).await?;
        for (connection, end) in peerings.from(&group.vpc) {
            let is_named = tx.is_named_by_peer(connection, &end.vpc, &group.id).await?;
            if is_named {
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
