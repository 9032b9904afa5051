//! CreateVpcPeeringAuthorization, DescribeVpcPeeringAuthorizations and
//! DeleteVpcPeeringAuthorization: the owner of a VPC lets an account connect its fleets to it.

use serde::{Deserialize, Serialize};
use tombolo_domain::Timestamp;
use tombolo_domain::id::{AccountId, VpcId};
use tombolo_domain::peering::Authorization;

use super::Empty;
use super::connection::parse_account;
use crate::gamelift::error::{Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::seconds;

/// The two ids that name an authorization of the caller's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AuthorizationInput {
    game_lift_aws_account_id: String,
    peer_vpc_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VpcPeeringAuthorization {
    game_lift_aws_account_id: AccountId,
    peer_vpc_aws_account_id: AccountId,
    peer_vpc_id: VpcId,
    #[serde(serialize_with = "seconds")]
    creation_time: Timestamp,
    #[serde(serialize_with = "seconds")]
    expiration_time: Timestamp,
}

impl From<Authorization> for VpcPeeringAuthorization {
    fn from(authorization: Authorization) -> Self {
        VpcPeeringAuthorization {
            game_lift_aws_account_id: authorization.fleet_account,
            peer_vpc_aws_account_id: authorization.peer_account,
            peer_vpc_id: authorization.peer_vpc,
            creation_time: authorization.created,
            expiration_time: authorization.expires,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    vpc_peering_authorization: VpcPeeringAuthorization,
}

/// Only the VPC's owner can authorize, and issuing again renews.
pub(crate) async fn create_vpc_peering_authorization(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: AuthorizationInput,
) -> Result<Created> {
    let fleet_account = parse_account("gameLiftAwsAccountId", &input.game_lift_aws_account_id)?;
    let vpc = tx.vpc(&input.peer_vpc_id).to(call.action()).await?;

    let scope = call.scope();
    let authorization = Authorization::issue(
        scope.region.clone(),
        fleet_account,
        scope.account,
        vpc.id.clone(),
        call.now,
    );
    tx.put_authorization(&authorization)?;
    Ok(Created {
        vpc_peering_authorization: authorization.into(),
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    vpc_peering_authorizations: Vec<VpcPeeringAuthorization>,
}

/// The valid ones that the caller gave, and those that name the caller.
pub(crate) async fn describe_vpc_peering_authorizations(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    _: Empty,
) -> Result<Described> {
    // Only to be shown.
    let mut found = tx.authorizations().to(call.action())?.peek().await?;
    found.extend(tx.authorizations_from_others().await?);
    found.retain(|authorization| authorization.consent(call.now).is_ok());
    let vpc_peering_authorizations = found.into_iter().map(Into::into).collect();
    Ok(Described {
        vpc_peering_authorizations,
    })
}

/// Only who gave it can cancel it, and one that has ended cannot be cancelled.
pub(crate) async fn delete_vpc_peering_authorization(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: AuthorizationInput,
) -> Result<Empty> {
    let fleet_account = parse_account("gameLiftAwsAccountId", &input.game_lift_aws_account_id)?;
    let found = match input.peer_vpc_id.parse() {
        Ok(vpc) => tx.authorization(fleet_account, &vpc).await?,
        Err(_) => None,
    };
    let valid = found.filter(|authorization| authorization.consent(call.now).is_ok());
    let Some(mut authorization) = valid else {
        return Err(Error::not_found(format!(
            "No valid VPC peering authorization of VPC {} for account {fleet_account} was found.",
            input.peer_vpc_id
        )));
    };
    authorization.cancel(call.now);
    tx.put(&authorization)?;
    Ok(Empty {})
}
