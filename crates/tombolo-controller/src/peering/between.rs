//! A request between two VPCs that people own, until its accepter answers.

use tombolo_domain::peering::{Connection, State, Step};
use tombolo_store::StoreError;
use tombolo_store::typed::Transaction;

use super::step;
use super::vpc_of;
use crate::Context;

/// Delivers a new request, or writes that one which nobody accepted has expired.
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
    let found = vpc_of(&connection, &connection.accepter, tx).await?;
    // A fleet's hidden VPC is its account's, and unknown to EC2's operations all the same.
    let found = found.filter(|vpc| vpc.fleet.is_none());
    let step = connection.delivery(found.as_ref());
    if step == Step::Deliver {
        tx.put_delivered(&connection)?;
    }
    step::take(context, tx, connection, step)
}
