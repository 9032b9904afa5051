//! DescribeInstances.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use tombolo_domain::Timestamp;
use tombolo_domain::fleet::{Fleet, Instance, InstanceStatus, ManagedCompute, OperatingSystem};
use tombolo_domain::id::{FleetId, InstanceId};

use super::lookup::{FleetIdentity, compute, home};
use crate::gamelift::error::{Error, Result};
use crate::gamelift::page::{Page, Window};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;
use crate::operation::format::{seconds, shorten};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    fleet_id: String,
    instance_id: Option<String>,
    limit: Option<u64>,
    next_token: Option<String>,
    location: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    instances: Vec<InstanceView>,
    next_token: Option<String>,
}

/// The shape Instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceView {
    fleet_id: FleetId,
    fleet_arn: String,
    instance_id: InstanceId,
    ip_address: Option<Ipv4Addr>,
    dns_name: Option<String>,
    operating_system: Option<OperatingSystem>,
    r#type: String,
    status: InstanceStatus,
    #[serde(serialize_with = "seconds")]
    creation_time: Timestamp,
    location: String,
}

/// The instances of a fleet, or one of them.
pub(crate) async fn describe_instances(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let fleet = tx.fleet(&input.fleet_id).to(call.action()).await?;
    let managed = compute(&fleet)?;
    let location = home(call, input.location.as_deref())?;
    let page = match &input.instance_id {
        Some(id) => Page {
            records: vec![one(tx, &fleet, id).await?],
            next_token: None,
        },
        None => {
            let instances = tx.instances_of(&fleet);
            let window = Window::new(&instances, input.limit, input.next_token.as_deref())?;
            window.read(instances, |_| true, |_| true).await?
        }
    };
    let mut instances = Vec::with_capacity(page.records.len());
    for instance in page.records {
        let address = address(tx, call, managed, &instance).await?;
        let FleetIdentity {
            fleet_id,
            fleet_arn,
        } = FleetIdentity::of(&fleet);
        instances.push(InstanceView {
            fleet_id,
            fleet_arn,
            status: instance.status(),
            instance_id: instance.id,
            ip_address: address,
            // There are no names; an address is accepted wherever a name is.
            dns_name: address.map(|address| address.to_string()),
            operating_system: fleet.shown.operating_system,
            r#type: managed.instance_type.clone(),
            creation_time: instance.created,
            location: location.clone(),
        });
    }
    Ok(Described {
        instances,
        next_token: page.next_token,
    })
}

async fn one(tx: &mut ScopedTransaction<'_>, fleet: &Fleet, id: &str) -> Result<Instance> {
    let found = match id.parse() {
        Ok(id) => tx.instance_of(fleet, &id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        Error::not_found(format!(
            "Fleet {} has no instance {}.",
            fleet.id,
            shorten(id)
        ))
    })
}

/// The address by which players reach an instance; if they cannot, that of its interface, by which
/// peered VPCs do. None before it has an interface.
async fn address(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    managed: &ManagedCompute,
    instance: &Instance,
) -> Result<Option<Ipv4Addr>> {
    if let Some(public) = call.settings.public.filter(|_| !instance.ports.is_empty()) {
        return Ok(Some(public.address));
    }
    let interface = tx.interface_in(managed, &instance.interface).await?;
    Ok(interface.map(|interface| interface.address))
}
