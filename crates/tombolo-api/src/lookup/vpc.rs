//! VPCs that EC2 shows, and what is kept under a VPC.
//!
//! A fleet's hidden VPC is its account's too, but no look-up by an id finds it, nor what is in it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use tombolo_domain::Scope;
use tombolo_domain::arn::Resource;
use tombolo_domain::fleet::ManagedCompute;
use tombolo_domain::id::{
    NetworkInterfaceId, RouteTableAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcCidrAssociationId, VpcId,
};
use tombolo_domain::principal::Action;
use tombolo_domain::vpc::{NetworkInterface, RouteTable, SecurityGroup, Subnet, Vpc};
use tombolo_store::StoreError;
use tombolo_store::keys::{
    self, AuthorizationKey, InterfaceKey, Key, KeyParts, Prefix, RouteTableKey, SecurityGroupKey,
    SubnetKey,
};
use tombolo_store::model::Term;

use super::{Failed, Lookup, LookupKey, Scan, ScopedTransaction};

/// A record that is a VPC or belongs to one. What else the VPC has is read with such a record only.
pub trait InVpc: Sync {
    /// The VPC.
    fn vpc(&self) -> &VpcId;
}

impl InVpc for Vpc {
    fn vpc(&self) -> &VpcId {
        &self.id
    }
}

macro_rules! in_vpc {
    ($($record:ty),*) => {$(
        impl InVpc for $record {
            fn vpc(&self) -> &VpcId {
                &self.vpc
            }
        }
    )*};
}

in_vpc!(
    Subnet,
    NetworkInterface,
    RouteTable,
    SecurityGroup,
    ManagedCompute
);

/// VPCs of an account in a Region that no fleet hides, by their ids: all, or those that a request is
/// about.
pub struct CustomerVpcs {
    by_id: BTreeMap<VpcId, Vpc>,
    are_all: bool,
}

impl CustomerVpcs {
    /// Whether the VPC is one of them.
    pub fn contains(&self, vpc: &VpcId) -> bool {
        self.by_id.contains_key(vpc)
    }

    /// Their ids, if they are not all that the account has.
    pub fn chosen(&self) -> Option<impl Iterator<Item = &VpcId>> {
        (!self.are_all).then(|| self.by_id.keys())
    }

    fn chosen_from(vpcs: impl IntoIterator<Item = Vpc>) -> Self {
        let by_id = vpcs.into_iter().map(|vpc| (vpc.id.clone(), vpc));
        CustomerVpcs {
            by_id: by_id.collect(),
            are_all: false,
        }
    }
}

impl IntoIterator for CustomerVpcs {
    type Item = Vpc;
    type IntoIter = std::collections::btree_map::IntoValues<VpcId, Vpc>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_id.into_values()
    }
}

/// All VPCs, before its action is given.
#[must_use = "nothing is read until it is said what for"]
pub struct VpcListing<'t, 'p>(&'t mut ScopedTransaction<'p>);

impl VpcListing<'_, '_> {
    /// To do `action`. The commit does not depend on them.
    pub async fn to(self, action: Action) -> Result<CustomerVpcs, Failed> {
        self.0.authorize(action, &Resource::Any)?;
        Ok(visible_vpcs(self.0).await?)
    }

    /// As [`to`](VpcListing::to), those of these ids only.
    pub async fn of_ids(self, action: Action, ids: &[VpcId]) -> Result<CustomerVpcs, Failed> {
        self.0.authorize(action, &Resource::Any)?;
        let mut found = Vec::new();
        for id in ids {
            found.extend(peek_visible(self.0, id).await?);
        }
        Ok(CustomerVpcs::chosen_from(found))
    }

    /// As [`to`](VpcListing::to), those only that the subnets, network interfaces, route tables or
    /// security groups of these ids are in.
    pub async fn holding<I: Display>(
        self,
        action: Action,
        resources: &[I],
    ) -> Result<CustomerVpcs, Failed> {
        self.0.authorize(action, &Resource::Any)?;
        let mut found = Vec::new();
        for resource in resources {
            let resource = resource.to_string();
            let located = |owner: &Scope| keys::located(owner, &resource);
            if let Some(vpc) = self.0.peek_own(located).await? {
                found.extend(peek_visible(self.0, &vpc).await?);
            }
        }
        Ok(CustomerVpcs::chosen_from(found))
    }

    /// As [`to`](VpcListing::to), those only whose security groups have the rules of these ids.
    pub async fn holding_rules(
        self,
        action: Action,
        rules: &[SecurityGroupRuleId],
    ) -> Result<CustomerVpcs, Failed> {
        self.0.authorize(action, &Resource::Any)?;
        let mut found = Vec::new();
        for rule in rules {
            let of_rule = Term::SecurityGroupRule(rule);
            for group in self.0.find_own(keys::security_groups, of_rule).await? {
                found.extend(peek_visible(self.0, &group.vpc).await?);
            }
        }
        Ok(CustomerVpcs::chosen_from(found))
    }
}

async fn peek_visible(
    tx: &mut ScopedTransaction<'_>,
    id: &VpcId,
) -> Result<Option<Vpc>, StoreError> {
    let found = tx.peek_own(|owner| keys::vpc(owner, id)).await?;
    Ok(found
        .filter(|vpc| is_visible(vpc))
        .map(|vpc| Vpc::clone(&vpc)))
}

async fn visible_vpcs(tx: &mut ScopedTransaction<'_>) -> Result<CustomerVpcs, StoreError> {
    let all = tx.scan_own(keys::vpcs).peek().await?;
    let visible = all.into_iter().filter(is_visible);
    let by_id = visible.map(|vpc| (vpc.id.clone(), vpc));
    Ok(CustomerVpcs {
        by_id: by_id.collect(),
        are_all: true,
    })
}

fn is_visible(vpc: &Vpc) -> bool {
    vpc.fleet.is_none()
}

/// [`LookupKey::resource`] of an id by which EC2's ARNs name a resource.
macro_rules! ec2_resource {
    ($kind:literal) => {
        fn resource<'a>(&'a self, owner: &'a Scope) -> Option<Resource<'a>> {
            Some(Resource::of_ec2(owner, $kind, self.as_str()))
        }
    };
}

impl LookupKey for VpcId {
    type Record = Vpc;

    ec2_resource!("vpc");

    async fn read(self, tx: &mut ScopedTransaction<'_>, _: Action) -> Result<Option<Vpc>, Failed> {
        Ok(visible_vpc(tx, &self).await?)
    }
}

/// Together with its VPC.
impl LookupKey for SubnetId {
    type Record = (Vpc, Subnet);

    ec2_resource!("subnet");

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        _: Action,
    ) -> Result<Option<(Vpc, Subnet)>, Failed> {
        Ok(located(tx, &self, keys::subnet).await?)
    }
}

macro_rules! named_in_vpc {
    ($($id:ident => $record:ident: $kind:literal, $key:path;)*) => {$(
        impl LookupKey for $id {
            type Record = $record;

            ec2_resource!($kind);

            async fn read(
                self,
                tx: &mut ScopedTransaction<'_>,
                _: Action,
            ) -> Result<Option<$record>, Failed> {
                let found = located(tx, &self, $key).await?;
                Ok(found.map(|(_, record)| record))
            }
        }
    )*};
}

named_in_vpc! {
    NetworkInterfaceId => NetworkInterface: "network-interface", keys::interface;
    RouteTableId => RouteTable: "route-table", keys::route_table;
    SecurityGroupId => SecurityGroup: "security-group", keys::security_group;
}

/// The security group that has the rule. Rules are kept in their groups; the commit depends on the
/// one that is found.
impl LookupKey for SecurityGroupRuleId {
    type Record = SecurityGroup;

    ec2_resource!("security-group-rule");

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        _: Action,
    ) -> Result<Option<SecurityGroup>, Failed> {
        let has_rule = |group: &SecurityGroup| group.rules.iter().any(|rule| rule.id == self);
        let found = tx.find_own(keys::security_groups, Term::SecurityGroupRule(&self));
        let Some(seen) = found.await?.into_iter().next() else {
            return Ok(None);
        };
        if visible_vpc(tx, &seen.vpc).await?.is_none() {
            return Ok(None);
        }
        let group = tx.security_group_in(&*seen, &seen.id).await?;
        Ok(group.filter(has_rule))
    }
}

/// The VPC that a block is associated with. The association is kept in it; the commit depends on the
/// one that is found.
impl LookupKey for VpcCidrAssociationId {
    type Record = (Vpc, Self);

    /// The VPC is authorized instead.
    fn resource<'a>(&'a self, _: &'a Scope) -> Option<Resource<'a>> {
        None
    }

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        action: Action,
    ) -> Result<Option<(Vpc, Self)>, Failed> {
        let has_it = |vpc: &Vpc| {
            let mut secondary = vpc.secondary_cidrs.iter();
            VpcCidrAssociationId::primary_of(&vpc.id) == self || secondary.any(|one| one.id == self)
        };
        let primary = self.vpc_if_primary();
        let found = tx
            .find_own(keys::vpcs, Term::CidrAssociation(&self))
            .await?;
        let id = found.first().map_or(primary, |vpc| vpc.id.clone());
        let vpc = tx.vpc(id.as_str()).find(action).await?;
        Ok(vpc.filter(has_it).map(|vpc| (vpc, self)))
    }
}

/// The route table that is associated with a subnet, or with its VPC as the main one. The
/// association is kept in it; the commit depends on the one that is found.
impl LookupKey for RouteTableAssociationId {
    type Record = (RouteTable, Self);

    /// The route table is authorized instead.
    fn resource<'a>(&'a self, _: &'a Scope) -> Option<Resource<'a>> {
        None
    }

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        action: Action,
    ) -> Result<Option<(RouteTable, Self)>, Failed> {
        let has_it = |table: &RouteTable| table.has_association(&self);
        let found = tx.find_own(keys::route_tables, Term::RouteTableAssociation(&self));
        let Some(seen) = found.await?.into_iter().next() else {
            return Ok(None);
        };
        let table = tx.route_table(seen.id.as_str()).find(action).await?;
        Ok(table.filter(has_it).map(|table| (table, self)))
    }
}

impl<'p> ScopedTransaction<'p> {
    /// A VPC.
    pub fn vpc<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, VpcId> {
        self.look_up(name)
    }

    /// A subnet, with its VPC.
    pub fn subnet<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, SubnetId> {
        self.look_up(name)
    }

    /// A network interface.
    pub fn interface<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, NetworkInterfaceId> {
        self.look_up(name)
    }

    /// A route table.
    pub fn route_table<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, RouteTableId> {
        self.look_up(name)
    }

    /// A security group.
    pub fn security_group<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, SecurityGroupId> {
        self.look_up(name)
    }

    /// The security group that has a rule.
    pub fn group_of_rule<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, SecurityGroupRuleId> {
        self.look_up(name)
    }

    /// The VPC that the association of a block names.
    pub fn vpc_of_block<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, VpcCidrAssociationId> {
        self.look_up(name)
    }

    /// The route table that an association names.
    pub fn associated_route_table<'t>(
        &'t mut self,
        name: &'t str,
    ) -> Lookup<'t, 'p, RouteTableAssociationId> {
        self.look_up(name)
    }

    /// The VPCs that no fleet hides.
    pub fn vpcs(&mut self) -> VpcListing<'_, 'p> {
        VpcListing(self)
    }

    /// The subnets in `vpcs`. The commit does not depend on them.
    pub async fn subnets_in(&mut self, vpcs: &CustomerVpcs) -> Result<Vec<Subnet>, StoreError> {
        self.peek_in(vpcs, keys::subnets, keys::subnets_of).await
    }

    /// The network interfaces in `vpcs`. The commit does not depend on them.
    pub async fn interfaces_in(
        &mut self,
        vpcs: &CustomerVpcs,
    ) -> Result<Vec<NetworkInterface>, StoreError> {
        self.peek_in(vpcs, keys::interfaces, keys::interfaces_of)
            .await
    }

    /// The route tables in `vpcs`. The commit does not depend on them.
    pub async fn route_tables_in(
        &mut self,
        vpcs: &CustomerVpcs,
    ) -> Result<Vec<RouteTable>, StoreError> {
        self.peek_in(vpcs, keys::route_tables, keys::route_tables_of)
            .await
    }

    /// The security groups in `vpcs`. The commit does not depend on them.
    pub async fn security_groups_in(
        &mut self,
        vpcs: &CustomerVpcs,
    ) -> Result<Vec<SecurityGroup>, StoreError> {
        self.peek_in(vpcs, keys::security_groups, keys::security_groups_of)
            .await
    }

    /// A security group in a VPC that no fleet hides. The commit does not depend on it.
    pub async fn peek_group(
        &mut self,
        vpc: &VpcId,
        group: &SecurityGroupId,
    ) -> Result<Option<Arc<SecurityGroup>>, StoreError> {
        if peek_visible(self, vpc).await?.is_none() {
            return Ok(None);
        }
        self.peek_own(|owner| keys::security_group(owner, vpc, group))
            .await
    }

    async fn peek_in<K: KeyParts<Value: InVpc>>(
        &mut self,
        vpcs: &CustomerVpcs,
        prefix: fn(&Scope) -> Prefix<K>,
        of_vpc: fn(&Scope, &VpcId) -> Prefix<K>,
    ) -> Result<Vec<K::Value>, StoreError> {
        if let Some(chosen) = vpcs.chosen() {
            let mut found = Vec::new();
            for vpc in chosen {
                found.extend(self.scan_own(|owner| of_vpc(owner, vpc)).peek().await?);
            }
            return Ok(found);
        }
        let mut all = self.scan_own(prefix).peek().await?;
        all.retain(|record| vpcs.contains(record.vpc()));
        Ok(all)
    }

    /// The subnets of a VPC.
    pub fn subnets_of(&mut self, of: &impl InVpc) -> Scan<'_, SubnetKey> {
        self.scan_own(|owner| keys::subnets_of(owner, of.vpc()))
    }

    /// The network interfaces of a VPC.
    pub fn interfaces_of(&mut self, of: &impl InVpc) -> Scan<'_, InterfaceKey> {
        self.scan_own(|owner| keys::interfaces_of(owner, of.vpc()))
    }

    /// The route tables of a VPC.
    pub fn route_tables_of(&mut self, of: &impl InVpc) -> Scan<'_, RouteTableKey> {
        self.scan_own(|owner| keys::route_tables_of(owner, of.vpc()))
    }

    /// The security groups of a VPC.
    pub fn security_groups_of(&mut self, of: &impl InVpc) -> Scan<'_, SecurityGroupKey> {
        self.scan_own(|owner| keys::security_groups_of(owner, of.vpc()))
    }

    /// The authorizations that the owner of a VPC gave for it.
    pub fn authorizations_of(&mut self, vpc: &Vpc) -> Scan<'_, AuthorizationKey> {
        self.scan_own(|owner| keys::authorizations_of(owner, &vpc.id))
    }

    /// A subnet of a VPC. The commit depends on it.
    pub async fn subnet_in(
        &mut self,
        of: &impl InVpc,
        subnet: &SubnetId,
    ) -> Result<Option<Subnet>, StoreError> {
        self.get_own(|owner| keys::subnet(owner, of.vpc(), subnet))
            .await
    }

    /// A network interface of a VPC. The commit depends on it.
    pub async fn interface_in(
        &mut self,
        of: &impl InVpc,
        interface: &NetworkInterfaceId,
    ) -> Result<Option<NetworkInterface>, StoreError> {
        self.get_own(|owner| keys::interface(owner, of.vpc(), interface))
            .await
    }

    /// A security group of a VPC. The commit depends on it.
    pub async fn security_group_in(
        &mut self,
        of: &impl InVpc,
        group: &SecurityGroupId,
    ) -> Result<Option<SecurityGroup>, StoreError> {
        self.get_own(|owner| keys::security_group(owner, of.vpc(), group))
            .await
    }
}

async fn visible_vpc(
    tx: &mut ScopedTransaction<'_>,
    id: &VpcId,
) -> Result<Option<Vpc>, StoreError> {
    let found = tx.get_own(|owner| keys::vpc(owner, id)).await?;
    Ok(found.filter(is_visible))
}

/// A record that is kept under its VPC, with that VPC.
async fn located<I: Display + Sync, K: KeyParts>(
    tx: &mut ScopedTransaction<'_>,
    id: &I,
    key: fn(&Scope, &VpcId, &I) -> Key<K>,
) -> Result<Option<(Vpc, K::Value)>, StoreError> {
    let text = id.to_string();
    if let Some(vpc) = tx.get_own(|owner| keys::located(owner, &text)).await?
        && let Some(vpc) = visible_vpc(tx, &vpc).await?
        && let Some(found) = tx.get_own(|owner| key(owner, &vpc.id, id)).await?
    {
        return Ok(Some((vpc, found)));
    }
    Ok(None)
}
