//! Subnets.
//!
//! What ModifySubnetAttribute changes in EC2 — public and IPv6 addresses, names — Tombolo does not
//! have, so a subnet's attributes can be set to what they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo_domain::id::{AccountId, SubnetId, VpcId};
use tombolo_domain::vpc::Subnet;
use tombolo_domain::{Scope, cidr as blocks};

use super::Empty;
use super::filter::{Field, Filtered};
use super::parameter::{OtherParameters, parse_cidr, unsupported};
use super::region::{choose_zone, zone_id};
use super::selection::{Describable, Selection, well_formed};
use super::tag::{self, Tag, TagSpecification, TagsOf};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::{CustomerVpcs, ScopedTransaction};
use crate::operation::Call;
use crate::operation::format::shorten;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create {
    vpc_id: String,
    cidr_block: Option<String>,
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    #[serde(default)]
    tag_specifications: Vec<TagSpecification>,
    #[serde(flatten)]
    others: OtherParameters,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    subnet: SubnetView,
}

/// Makes a subnet of a part of the VPC's addresses that no other subnet has.
pub(crate) async fn create_subnet(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Create,
) -> Result<Created> {
    input.others.refuse()?;
    let vpc = tx.vpc(&input.vpc_id).to(call.action()).await?;
    let cidr = parse_cidr(input.cidr_block.as_deref(), Ec2Error::InvalidSubnetRange)?;
    if !vpc.cidrs().any(|block| block.contains(&cidr)) {
        let blocks: Vec<String> = vpc.cidrs().map(|block| block.to_string()).collect();
        return Err(Error::new(
            Ec2Error::InvalidSubnetRange,
            format!(
                "The CIDR '{cidr}' is invalid: VPC {} has {}, and a subnet's block is within one \
                 block of its VPC.",
                vpc.id,
                blocks.join(", ")
            ),
        ));
    }
    let subnets = tx.subnets_of(&vpc).list().await?;
    let mut others = subnets.iter();
    if let Some(other) = others.find(|other| blocks::overlap(other.cidr, cidr)) {
        return Err(Error::new(
            Ec2Error::SubnetConflict,
            format!(
                "The CIDR '{cidr}' conflicts with another subnet: {} has {}.",
                other.id, other.cidr
            ),
        ));
    }
    let (zone, zone_id) = (&input.availability_zone, &input.availability_zone_id);
    let subnet = Subnet {
        availability_zone: choose_zone(&vpc.scope.region, zone.as_deref(), zone_id.as_deref())?,
        id: SubnetId::generate(call.ids),
        scope: vpc.scope,
        vpc: vpc.id,
        cidr,
    };
    tx.put(&subnet)?;
    let tags = tag::write_new(tx, &subnet.scope, &subnet.id, input.tag_specifications)?;
    Ok(Created {
        subnet: SubnetView::new(subnet, 0, tags),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Delete {
    subnet_id: String,
}

/// Deletes a subnet with no network interface in it, and its association with a route table.
pub(crate) async fn delete_subnet(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Delete,
) -> Result<Empty> {
    let (vpc, subnet) = tx.subnet(&input.subnet_id).to(call.action()).await?;
    let interfaces = tx.interfaces_of(&vpc).list().await?;
    if let Some(interface) = interfaces.iter().find(|other| other.subnet == subnet.id) {
        return Err(Error::new(
            Ec2Error::DependencyViolation,
            format!(
                "The subnet '{}' has dependencies and cannot be deleted; delete {} first.",
                subnet.id, interface.id
            ),
        ));
    }
    for mut table in tx.route_tables_of(&vpc).list().await? {
        let associations = table.associations.len();
        table.associations.retain(|one| one.subnet != subnet.id);
        if table.associations.len() < associations {
            tx.put(&table)?;
        }
    }
    tx.remove(&subnet);
    Ok(Empty {})
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    subnet_ids: Vec<String>,
    #[serde(flatten)]
    selection: Selection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Described {
    subnets: Vec<SubnetView>,
    next_token: Option<String>,
}

/// The subnets of the caller's VPCs.
pub(crate) async fn describe_subnets(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Describe,
) -> Result<Described> {
    let vpcs = match &input.subnet_ids[..] {
        [] => input.selection.vpcs(tx, call).await?,
        ids => {
            let ids = well_formed::<SubnetId>(ids);
            tx.vpcs().holding(call.action(), &ids).await?
        }
    };
    let mut taken = taken_addresses(tx, &vpcs).await?;
    let mut tags = TagsOf::read(tx, call).await?;
    let subnets = tx.subnets_in(&vpcs).await?;
    let all = subnets.into_iter().map(|subnet| {
        let taken = taken.remove(&subnet.id).unwrap_or(0);
        let tags = tags.take(&subnet.id);
        SubnetView::new(subnet, taken, tags)
    });
    let ids = ("subnetIds", &input.subnet_ids[..]);
    let page = input.selection.by_ids(call, ids, all.collect())?;
    Ok(Described {
        subnets: page.items,
        next_token: page.next_token,
    })
}

/// How many addresses of each subnet network interfaces have.
async fn taken_addresses(
    tx: &mut ScopedTransaction<'_>,
    vpcs: &CustomerVpcs,
) -> Result<BTreeMap<SubnetId, usize>> {
    let mut taken = BTreeMap::new();
    for interface in tx.interfaces_in(vpcs).await? {
        *taken.entry(interface.subnet).or_default() += 1;
    }
    Ok(taken)
}

/// EC2's Subnet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SubnetView {
    subnet_id: SubnetId,
    subnet_arn: String,
    vpc_id: VpcId,
    owner_id: AccountId,
    state: &'static str,
    cidr_block: String,
    availability_zone: String,
    availability_zone_id: String,
    available_ip_address_count: usize,
    default_for_az: bool,
    map_public_ip_on_launch: bool,
    map_customer_owned_ip_on_launch: bool,
    assign_ipv6_address_on_creation: bool,
    ipv6_cidr_block_association_set: [(); 0],
    ipv6_native: bool,
    enable_dns64: bool,
    private_dns_name_options_on_launch: PrivateDnsNameOptions,
    tags: Vec<Tag>,
}

/// EC2's PrivateDnsNameOptionsOnLaunch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateDnsNameOptions {
    hostname_type: &'static str,
    enable_resource_name_dns_a_record: bool,
    #[serde(rename = "EnableResourceNameDnsAAAARecord")]
    enable_resource_name_dns_aaaa_record: bool,
}

impl SubnetView {
    fn new(subnet: Subnet, taken: usize, tags: Vec<Tag>) -> Self {
        let Scope { account, region } = &subnet.scope;
        SubnetView {
            subnet_arn: format!("arn:aws:ec2:{region}:{account}:subnet/{}", subnet.id),
            owner_id: *account,
            state: "available",
            cidr_block: subnet.cidr.to_string(),
            availability_zone_id: zone_id(region, &subnet.availability_zone),
            available_ip_address_count: blocks::usable_addresses(subnet.cidr)
                .len()
                .saturating_sub(taken),
            default_for_az: false,
            map_public_ip_on_launch: false,
            map_customer_owned_ip_on_launch: false,
            assign_ipv6_address_on_creation: false,
            ipv6_cidr_block_association_set: [],
            ipv6_native: false,
            enable_dns64: false,
            private_dns_name_options_on_launch: PrivateDnsNameOptions {
                hostname_type: HOSTNAME_TYPE,
                enable_resource_name_dns_a_record: false,
                enable_resource_name_dns_aaaa_record: false,
            },
            tags,
            availability_zone: subnet.availability_zone,
            subnet_id: subnet.id,
            vpc_id: subnet.vpc,
        }
    }
}

impl Filtered for SubnetView {
    const FIELDS: &'static [Field<Self>] = &[
        ("availability-zone", |s| vec![s.availability_zone.clone()]),
        ("availabilityZone", |s| vec![s.availability_zone.clone()]),
        ("availability-zone-id", |s| {
            vec![s.availability_zone_id.clone()]
        }),
        ("availabilityZoneId", |s| {
            vec![s.availability_zone_id.clone()]
        }),
        ("available-ip-address-count", |s| {
            vec![s.available_ip_address_count.to_string()]
        }),
        ("cidr", |s| vec![s.cidr_block.clone()]),
        ("cidr-block", |s| vec![s.cidr_block.clone()]),
        ("cidrBlock", |s| vec![s.cidr_block.clone()]),
        ("customer-owned-ipv4-pool", |_| vec![]),
        ("default-for-az", |s| vec![s.default_for_az.to_string()]),
        ("defaultForAz", |s| vec![s.default_for_az.to_string()]),
        ("enable-dns64", |s| vec![s.enable_dns64.to_string()]),
        ("enable-lni-at-device-index", |_| vec![]),
        // No subnet has IPv6 blocks, so a filter for one matches none.
        ("ipv6-cidr-block-association.association-id", |_| vec![]),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |_| vec![]),
        ("ipv6-cidr-block-association.state", |_| vec![]),
        ("ipv6-native", |s| vec![s.ipv6_native.to_string()]),
        ("map-customer-owned-ip-on-launch", |s| {
            vec![s.map_customer_owned_ip_on_launch.to_string()]
        }),
        ("map-public-ip-on-launch", |s| {
            vec![s.map_public_ip_on_launch.to_string()]
        }),
        ("outpost-arn", |_| vec![]),
        ("owner-id", |s| vec![s.owner_id.to_string()]),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            |s| {
                let options = &s.private_dns_name_options_on_launch;
                vec![options.enable_resource_name_dns_a_record.to_string()]
            },
        ),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
            |s| {
                let options = &s.private_dns_name_options_on_launch;
                vec![options.enable_resource_name_dns_aaaa_record.to_string()]
            },
        ),
        ("private-dns-name-options-on-launch.hostname-type", |s| {
            let options = &s.private_dns_name_options_on_launch;
            vec![options.hostname_type.to_owned()]
        }),
        ("state", |s| vec![s.state.to_owned()]),
        ("subnet-arn", |s| vec![s.subnet_arn.clone()]),
        ("subnet-id", |s| vec![s.subnet_id.to_string()]),
        ("vpc-id", |s| vec![s.vpc_id.to_string()]),
    ];

    fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

impl Describable for SubnetView {
    type Id = SubnetId;

    fn id(&self) -> &SubnetId {
        &self.subnet_id
    }
}

/// What a new subnet has for PrivateDnsHostnameTypeOnLaunch.
const HOSTNAME_TYPE: &str = "ip-name";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Modify {
    subnet_id: String,
    private_dns_hostname_type_on_launch: Option<String>,
    #[serde(flatten)]
    others: OtherParameters,
}

/// Sets one attribute to the value that it has.
pub(crate) async fn modify_subnet_attribute(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
    input: Modify,
) -> Result<Empty> {
    let hostname_type = input.private_dns_hostname_type_on_launch;
    let attributes = usize::from(hostname_type.is_some()) + input.others.count();
    if attributes != 1 {
        return Err(Error::new(
            Ec2Error::InvalidParameterCombination,
            format!(
                "One attribute can be modified at a time, and the request has {attributes}; use a \
                 request for each."
            ),
        ));
    }
    input.others.refuse()?;
    if let Some(other) = hostname_type.filter(|name| name != HOSTNAME_TYPE) {
        return Err(unsupported(format!(
            "PrivateDnsHostnameTypeOnLaunch {} is not supported: Tombolo names no hosts. Use \
             {HOSTNAME_TYPE}.",
            shorten(&other)
        )));
    }
    tx.subnet(&input.subnet_id).to(call.action()).await?;
    Ok(Empty {})
}
