//! DescribeNetworkInterfaces.

use serde::{Deserialize, Serialize};

use super::view::{Context, InterfaceView};
use crate::ec2::error::Result;
use crate::ec2::selection::Selection;
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    network_interface_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    network_interfaces: Vec<InterfaceView>,
    next_token: Option<String>,
}

/// The network interfaces in the caller's VPCs.
pub(crate) async fn describe_network_interfaces(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let vpcs = tx.vpcs().to(call.action()).await?;
    let mut context = Context::of_all(tx, call, &vpcs).await?;
    let interfaces = tx.interfaces_in(&vpcs).await?;
    let all = interfaces
        .into_iter()
        .map(|interface| context.view(interface));
    let ids = ("networkInterfaceIds", &input.network_interface_ids[..]);
    let page = input.selection.named(call, ids, all.collect())?;
    Ok(Described {
        network_interfaces: page.items,
        next_token: page.next_token,
    })
}
