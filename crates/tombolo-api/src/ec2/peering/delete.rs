//! DeleteVpcPeeringConnection.

use tombolo_domain::peering::{Connection, State, Step};

use super::{Happened, Named, invalid_transition, not_permitted};
use crate::ec2::error::Result;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// Ends a connection. One that is ending or ended already is left as it is.
///
/// Of a request, its requester may; of a connection, either owner. The owner of a VPC that a fleet
/// is connected to may at any time, without an authorization; the fleet's owner does with GameLift,
/// which asks for one.
pub(crate) async fn delete_vpc_peering_connection(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Named,
) -> Result<Happened> {
    let mut connection = tx
        .peering_connection(&input.vpc_peering_connection_id)
        .to(call.action())
        .await?;
    refuse_other_owner(call, &connection)?;
    match connection.state {
        State::Deleting { .. } | State::Deleted { .. } => {}
        _ => {
            let ended = connection.take(Step::Delete(call.principal.account()), call.now);
            ended.map_err(|_| invalid_transition(&connection, "deleting"))?;
            tx.put(&connection)?;
        }
    }
    Ok(Happened { r#return: true })
}

fn refuse_other_owner(call: &Call<'_>, connection: &Connection) -> Result<()> {
    let account = call.principal.account();
    let is_requester = connection.requester.account == account;
    let is_accepter = connection.accepter.account == account;
    match &connection.fleet {
        Some(fleet) if !is_accepter => {
            let why = format!(
                "it is fleet {fleet}'s. Use the operation of this name of Amazon GameLift, while \
                 the owner of VPC {} authorizes it.",
                connection.accepter.vpc
            );
            Err(not_permitted(call, "delete", connection, &why))
        }
        None if !is_requester && connection.state.is_request() => {
            let why = "its requester does. Reject it.";
            Err(not_permitted(call, "delete", connection, why))
        }
        _ => Ok(()),
    }
}
