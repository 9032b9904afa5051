//! Network interfaces: made by a request and deleted here, and shown by [`view`].
//!
//! Making one is in [`new`], since not only requests do.

mod attribute;
pub mod new;
mod view;

pub(crate) use attribute::{
    describe_network_interface_attribute, modify_network_interface_attribute,
};
pub(crate) use view::describe_network_interfaces;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::SecurityGroupId;
use tombolo_domain::quota::Quotas;
use tombolo_domain::vpc::{Attachment, NetworkInterface};

use self::new::NewInterface;
use self::view::{Context, InterfaceView};
use crate::ec2::Empty;
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::ec2::parameter::{OtherParameters, invalid_value, parse_id, unsupported};
use crate::ec2::tag::{self, TagSpecification};
use crate::lookup::ScopedTransaction;
use crate::operation::Call;

/// The security groups asked for, each once.
fn wanted_groups(quotas: &Quotas, texts: &[String]) -> Result<Vec<SecurityGroupId>> {
    let mut groups: Vec<SecurityGroupId> = Vec::with_capacity(texts.len());
    for text in texts {
        let group = parse_id(text)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let most = quotas.security_groups_per_interface;
    if groups.len() <= most {
        return Ok(groups);
    }
    Err(Error::new(
        Ec2Error::SecurityGroupsPerInterfaceLimitExceeded,
        format!(
            "The maximum number of security groups per interface has been reached: {} were given, \
             and the quota is {most}.",
            groups.len()
        ),
    ))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    subnet_id: String,
    private_ip_address: Option<String>,
    #[serde(default)]
    private_ip_addresses: Vec<AddressSpecification>,
    #[serde(default)]
    groups: Vec<String>,
    description: Option<String>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
    #[serde(flatten)]
    others: OtherParameters,
}

/// EC2's PrivateIpAddressSpecification.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AddressSpecification {
    private_ip_address: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    network_interface: InterfaceView,
    client_token: Option<String>,
}

/// Makes a network interface that nothing has yet. The same client token again gives the interface
/// that it made, while it exists.
pub(crate) async fn create_network_interface(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Created> {
    input.others.refuse()?;
    let address = wanted_address(&input)?;
    let groups = wanted_groups(&tx.quotas().await?, &input.groups)?;
    let description = input.description.unwrap_or_default();
    let (vpc, subnet) = tx.subnet(&input.subnet_id).to(call.action()).await?;

    let new = NewInterface {
        vpc: &vpc,
        subnet: &subnet,
        address,
        groups,
        mtu: None,
        description,
        attachment: None,
    };
    let token = input.client_token;
    let interface = match made_before(tx, token.as_deref(), &new).await? {
        Some(before) => before,
        None => {
            let mut made = new::create(tx, call.ids, new).await?;
            made.client_token.clone_from(&token);
            tx.put(&made)?;
            tag::write_new(tx, &vpc.scope, &made.id, input.tag_specifications)?;
            made
        }
    };
    Ok(Created {
        network_interface: Context::of_one(tx, &interface).await?.view(interface),
        client_token: token,
    })
}

/// The interface of the VPC that the same request made before, as its client token tells.
async fn made_before(
    tx: &mut ScopedTransaction<'_>,
    token: Option<&str>,
    wanted: &NewInterface<'_>,
) -> Result<Option<NetworkInterface>> {
    if token.is_none() {
        return Ok(None);
    }
    let vpc = wanted.vpc;
    let all = tx.interfaces_of(vpc).list().await?;
    let mut all = all.into_iter();
    let Some(before) = all.find(|other| other.client_token.as_deref() == token) else {
        return Ok(None);
    };
    let same = before.subnet == wanted.subnet.id
        && before.description == wanted.description
        && wanted
            .address
            .is_none_or(|address| before.address == address)
        && (wanted.groups.is_empty() || before.groups == wanted.groups);
    if same {
        return Ok(Some(before));
    }
    Err(Error::new(
        Ec2Error::IdempotentParameterMismatch,
        format!(
            "The client token was used to make network interface {} with other parameters; use \
             another token.",
            before.id
        ),
    ))
}

/// The address asked for, in either of the two members that EC2 has for it.
fn wanted_address(input: &Create) -> Result<Option<Ipv4Addr>> {
    let (parameter, text) = match (&input.private_ip_address, &input.private_ip_addresses[..]) {
        (None, []) => return Ok(None),
        (Some(text), []) => ("privateIpAddress", Some(text)),
        (None, [only]) => ("privateIpAddresses", only.private_ip_address.as_ref()),
        _ => {
            return Err(unsupported(
                "A network interface has one private IPv4 address in Tombolo: name at most one, in \
                 PrivateIpAddress or in PrivateIpAddresses.",
            ));
        }
    };
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| invalid_value(parameter, text, "This is not an IPv4 address."))
    };
    text.map(parse).transpose()
}

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
