//! Making a network interface: CreateNetworkInterface and `tombolo run`, for its program, do the
//! same thing here. That of a fleet's instance is the fleet reconciler's to make.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use tombolo_domain::cidr;
use tombolo_domain::id::{IdSource, NetworkInterfaceId, SecurityGroupId};
use tombolo_domain::vpc::{Attachment, MacAddress, NetworkInterface, Subnet, Vpc};

use crate::ec2::error::{Ec2Error, Error, Resource, Result};
use crate::lookup::{InVpc, ScopedTransaction};

/// What a new network interface is to be.
pub struct NewInterface<'a> {
    /// The VPC.
    pub vpc: &'a Vpc,
    /// The subnet of `vpc` that the interface is in.
    pub subnet: &'a Subnet,
    /// The address; the first free one of the subnet if `None`.
    pub address: Option<Ipv4Addr>,
    /// The security groups; the VPC's default one if empty.
    pub groups: Vec<SecurityGroupId>,
    /// The MTU; the server's if `None`.
    pub mtu: Option<u16>,
    /// What it is for.
    pub description: String,
    /// The workload that has it from the start, if one does.
    pub attachment: Option<Attachment>,
}

/// Makes a network interface, owned by the VPC's owner. `tx` must have read or written the VPC and
/// the subnet itself: that is what makes a deletion in between a conflict.
///
/// # Errors
/// [`Ec2Error::InvalidParameterValue`] for an address that no workload of the subnet can have,
/// [`Ec2Error::AddressInUse`], [`Ec2Error::InsufficientFreeAddresses`], and
/// [`Ec2Error::NotFound`] for a security group that is not the VPC's.
pub async fn create(
    tx: &mut ScopedTransaction<'_>,
    ids: &dyn IdSource,
    new: NewInterface<'_>,
) -> Result<NetworkInterface> {
    let address = free_address(tx, new.vpc, new.subnet, new.address).await?;
    let groups = groups_or_default(tx, new.vpc, new.groups).await?;
    let interface = NetworkInterface {
        scope: new.vpc.scope.clone(),
        id: NetworkInterfaceId::generate(ids),
        vpc: new.vpc.id.clone(),
        subnet: new.subnet.id.clone(),
        address,
        mac: MacAddress::for_address(address),
        description: new.description,
        mtu: new.mtu,
        groups,
        attachment: new.attachment,
        client_token: None,
        created: tx.now(),
    };
    tx.put(&interface)?;
    Ok(interface)
}

/// `wanted` if it is free, or the first free address. No two interfaces of a VPC ever share one, so
/// the commit depends on all that the VPC has.
async fn free_address(
    tx: &mut ScopedTransaction<'_>,
    vpc: &Vpc,
    subnet: &Subnet,
    wanted: Option<Ipv4Addr>,
) -> Result<Ipv4Addr> {
    let interfaces = tx.interfaces_of(vpc).list().await?;
    let taken: BTreeSet<Ipv4Addr> = interfaces.iter().map(|other| other.address).collect();
    let Some(wanted) = wanted else {
        let free = cidr::usable_addresses(subnet.cidr).find(|address| !taken.contains(address));
        return free.ok_or_else(|| {
            Error::new(
                Ec2Error::InsufficientFreeAddresses,
                format!(
                    "Subnet {} ({}) has no free address; delete a network interface in it, or use \
                     another subnet.",
                    subnet.id, subnet.cidr
                ),
            )
        });
    };
    if !cidr::is_usable_address(subnet.cidr, wanted) {
        let why = if subnet.cidr.contains(&wanted) {
            "is reserved: the first four addresses of a subnet and the last cannot be assigned"
        } else {
            "does not fall within the subnet's address range"
        };
        return Err(Error::new(
            Ec2Error::InvalidParameterValue,
            format!(
                "Address {wanted} {why} (subnet {}, {}).",
                subnet.id, subnet.cidr
            ),
        ));
    }
    if taken.contains(&wanted) {
        return Err(Error::new(
            Ec2Error::AddressInUse,
            format!("Address {wanted} of subnet {} is in use.", subnet.id),
        ));
    }
    Ok(wanted)
}

/// `wanted`, each checked to be a group of the VPC, or the VPC's default group.
async fn groups_or_default(
    tx: &mut ScopedTransaction<'_>,
    vpc: &Vpc,
    wanted: Vec<SecurityGroupId>,
) -> Result<Vec<SecurityGroupId>> {
    if !wanted.is_empty() {
        require_groups(tx, vpc, &wanted).await?;
        return Ok(wanted);
    }
    // The default group goes only together with the VPC, which the commit depends on already.
    let all = tx.security_groups_of(vpc).peek().await?;
    let default = all.into_iter().find(|group| group.is_default());
    let default = default.ok_or_else(|| {
        Error::internal(
            "reading a VPC's default security group",
            format!("VPC {} has none", vpc.id),
        )
    })?;
    Ok(vec![default.id])
}

/// Requires that all are groups of the VPC. The commit depends on it.
///
/// # Errors
/// [`Ec2Error::NotFound`] for one that is not.
pub(super) async fn require_groups(
    tx: &mut ScopedTransaction<'_>,
    of: &impl InVpc,
    groups: &[SecurityGroupId],
) -> Result<()> {
    for id in groups {
        if tx.security_group_in(of, id).await?.is_none() {
            return Err(Error::new(
                Ec2Error::NotFound(Resource::SecurityGroup),
                format!(
                    "The security group '{id}' does not exist in VPC '{}'",
                    of.vpc()
                ),
            ));
        }
    }
    Ok(())
}
