//! What would pass a bound of the key space is refused, for all operations at one place.
//!
//! The counting is the transaction's (`tombolo-store/src/typed/bounds.rs`), the code the service's
//! ([`ServiceError::over_bound`]), and the sentence is here.

use tombolo_domain::quota::Quota;
use tombolo_store::keys::Kind;
use tombolo_store::typed::OverBound;

use crate::error::{ApiError, ServiceError};
use crate::lookup::ScopedTransaction;
use crate::operation::Operation;

/// Refuses an operation whose transaction would pass a bound.
pub(crate) async fn check<E: ServiceError>(
    tx: &mut ScopedTransaction<'_>,
    operation: &Operation,
) -> Result<(), ApiError<E>> {
    match tx.over_bound().await? {
        None => Ok(()),
        Some(over) => {
            let kind = E::over_bound(&over, operation.lists_limit);
            Err(ApiError::new(kind, message(&over)))
        }
    }
}

/// What the client is told. The sentences of quotas that are older than the bounds table are as they
/// were, since somebody may look for their words.
pub fn message(over: &OverBound) -> String {
    let OverBound { most, group, .. } = over;
    let region = group.region.as_deref().unwrap_or("this server");
    let parent = group.parent.as_deref().unwrap_or_default();
    match (over.kind, over.quota) {
        (Kind::SecurityGroup, _) => format!(
            "The maximum number of security groups for Region {region} has been reached: the quota \
             is {most}. Delete one that is not used."
        ),
        (Kind::RouteTable, _) => format!(
            "The maximum number of route tables has been reached: VPC {parent} has {most}. Delete \
             one, or raise the quota route_tables_per_vpc of the server."
        ),
        (Kind::Bucket, _) => {
            format!("Your account has {most} buckets in {region}, the most there may be.")
        }
        (Kind::MultipartUpload, _) => format!(
            "Your account has {most} multipart uploads in {region}, the most there may be; complete \
             or abort some."
        ),
        (_, Some(quota)) => format!(
            "The maximum number of {} has been reached: {group} may have {most}. {}, or have the \
             server's operator raise the quota {quota}.",
            quota.things(),
            way_out(quota)
        ),
        (kind, None) => format!(
            "The maximum number of records of the kind {} has been reached: {group} may have {most}.",
            kind.name()
        ),
    }
}

/// What somebody can do who may not have one more.
fn way_out(quota: Quota) -> &'static str {
    match quota {
        Quota::UploadCredentialsPerRegion => {
            "Use those that are valid, wait until some have expired"
        }
        Quota::UploadedPartsPerRegion => "Complete or abort multipart uploads",
        Quota::AuthorizationsPerRegion => "Delete one, wait until some have expired",
        _ => "Delete one that is not used",
    }
}
