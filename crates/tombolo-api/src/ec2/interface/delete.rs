//! DeleteNetworkInterface.

use serde::Deserialize;
use tombolo_domain::vpc::Attachment;

use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    network_interface_id: String,
}

/// Deletes a network interface that no workload has.
pub(crate) async fn delete_network_interface(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let interface = tx
        .interface(&input.network_interface_id)
        .to(call.action())
        .await?;
    let user = match &interface.attachment {
        None => {
            tx.remove(&interface);
            return Ok(Empty {});
        }
        Some(Attachment::Instance { instance, .. }) => format!("instance {instance}"),
        Some(Attachment::Program { pid, .. }) => format!("the program with process id {pid}"),
    };
    Err(Error::new(
        Ec2Error::NetworkInterfaceInUse,
        format!(
            "Network interface '{}' is currently in use by {user}, and goes with it when it ends.",
            interface.id
        ),
    ))
}
