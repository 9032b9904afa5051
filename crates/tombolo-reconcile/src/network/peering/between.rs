//! A request between two VPCs that people own, until its accepter answers.

use tombolo_domain::peering::{Connection, FailureReason, State, Step};
use tombolo_store::StoreError;
use tombolo_store::keys::{self, ConnectionAt};
use tombolo_store::typed::Transaction;

use super::vpc_of;
use crate::Context;
use crate::step;

/// Delivers a new request, or writes that one which nobody accepted has expired.
///
/// A request for a VPC that the named account does not have fails in the same step, with the same
/// message, as one for a VPC with overlapping blocks.
pub(super) async fn advance(
    context: &Context,
    tx: &mut Transaction,
    connection: Connection,
) -> Result<Option<Connection>, StoreError> {
    let was_request = connection.state.is_request();
    let mut connection = connection.as_of(context.clock.now());
    if was_request && !connection.state.is_request() {
        tx.put(&connection)?;
        return Ok(Some(connection));
    }
    if connection.state != State::InitiatingRequest {
        return Ok(None);
    }
    let accepter = vpc_of(&connection, &connection.accepter, tx).await?;
    // A fleet's hidden VPC is its account's, and unknown to EC2's operations all the same.
    let Some(vpc) = accepter.filter(|vpc| vpc.fleet.is_none()) else {
        return step::take(
            context,
            tx,
            connection,
            Step::Fail(FailureReason::NoSuchVpc),
        );
    };
    connection.accepter.follow(&vpc);
    if let Some((requester, accepter)) = connection.overlap() {
        let reason = FailureReason::OverlappingVpcs {
            requester,
            accepter,
        };
        return step::take(context, tx, connection, Step::Fail(reason));
    }
    // From here on the accepter sees it.
    tx.put_at(
        &keys::peering(
            &connection.region,
            connection.accepter.account,
            &connection.accepter.vpc,
            &connection.id,
        ),
        &ConnectionAt::of(&connection),
    )?;
    step::take(context, tx, connection, Step::Deliver)
}
