//! What the network does, for the machine's operator, who may see all accounts.

mod compare;
mod flows;
mod repairs;
mod trace;
mod traffic;

use std::collections::BTreeMap;

use anyhow::Result;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_domain::vpc::NetworkInterface;
use tombolo_store::keys;

use crate::message::InterfaceDescription;
use crate::service::AdminService;

impl AdminService {
    /// The interfaces that are attached, of all accounts.
    async fn attached_interfaces(
        &self,
    ) -> Result<BTreeMap<NetworkInterfaceId, InterfaceDescription>> {
        let interfaces = self.read().peek(&keys::all_interfaces()).await?;
        let attached = interfaces
            .iter()
            .filter(|interface| interface.attachment.is_some());
        Ok(attached
            .map(|interface| (interface.id.clone(), describe(interface)))
            .collect())
    }
}

fn describe(interface: &NetworkInterface) -> InterfaceDescription {
    InterfaceDescription {
        id: interface.id.clone(),
        account: interface.scope.account,
        region: interface.scope.region.clone(),
        vpc: interface.vpc.clone(),
        subnet: interface.subnet.clone(),
        address: interface.address,
    }
}
