//! The set of a fleet's instances: those that are missing are made, those that are too many end.
//!
//! Nobody but the fleet's worker does either, so how many there are does not change under it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use tombolo_domain::cidr::usable_addresses;
use tombolo_domain::fleet::{
    EventCode, Fleet, FleetStatus, Instance, ManagedCompute, Standing, surplus,
};
use tombolo_domain::id::{IdSource, InstanceId, NetworkInterfaceId, SecurityGroupId};
use tombolo_domain::peering::State;
use tombolo_domain::reported::ReportedFleet;
use tombolo_domain::vpc::{Attachment, MacAddress, NetworkInterface, Subnet};
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{StoreError, keys};

use super::ports::{self, Ports};
use super::record::{Record, put_if_any};
use crate::{Context, Failure};

/// How many of an instance's server processes have players, by its interface.
pub(super) type Busy = BTreeMap<NetworkInterfaceId, u32>;

/// Whether a fleet has as many instances as it is to have, each reached at the ports that it is to
/// be reached at.
pub(super) fn is_balanced(
    context: &Context,
    managed: &ManagedCompute,
    instances: &[Instance],
) -> bool {
    staying(instances).count() == wanted(managed)
        && staying(instances).all(|one| ports::are_right(context, managed, one))
}

/// Whether a fleet that starts has all that makes it ACTIVE: its peering, if one was asked for
/// together with it, and as many instances as it is to have, all of which run. The commit does not
/// depend on the other instances: of two that come to run at once, each may miss the other, and the
/// fleet's worker sees both.
pub(super) async fn may_be_active(
    record: &Record,
    tx: &mut Transaction,
    fleet: &Fleet,
) -> Result<bool, StoreError> {
    let Some(managed) = fleet
        .managed()
        .filter(|_| fleet.status == FleetStatus::Activating)
    else {
        return Ok(false);
    };
    if let Some(id) = &managed.peering {
        let connection = tx.get(&record.connection_key(id)).await?;
        if connection.is_none_or(|connection| connection.state != State::Active) {
            return Ok(false);
        }
    }
    let instances = tx
        .peek(&keys::instances_of(&record.scope, &record.id))
        .await?;
    Ok(is_balanced(&record.context, managed, &instances)
        && staying(&instances).all(|instance| instance.running))
}

/// The instances that are not being taken away.
pub(super) fn staying(instances: &[Instance]) -> impl Iterator<Item = &Instance> {
    instances.iter().filter(|instance| !instance.ending)
}

fn wanted(managed: &ManagedCompute) -> usize {
    managed.capacity.desired as usize
}

/// Writes the instances that are missing, all in one transaction, and marks those that are too
/// many; with the report that this follows from, if it does from one. The failure is what kept some
/// from being made; the others are.
pub(super) async fn balance(
    record: &Record,
    busy: &Busy,
    report: Option<&ReportedFleet>,
) -> Result<Result<(), Failure>, StoreError> {
    transact(record.store(), async |tx| {
        let fleet = tx.get(&record.key()).await?;
        let Some(fleet) = fleet.filter(|fleet| fleet.status.has_instances()) else {
            return Ok(Ok(()));
        };
        let Some(managed) = fleet.managed() else {
            return Ok(Ok(()));
        };
        put_if_any(tx, report).await?;
        let instances = tx
            .peek(&keys::instances_of(&record.scope, &record.id))
            .await?;
        let wanted = wanted(managed);
        for id in chosen(staying(&instances), wanted, busy) {
            let key = keys::instance(&record.scope, &record.id, &id);
            if let Some(mut instance) = tx.get(&key).await? {
                instance.ending = true;
                tx.put(&instance)?;
            }
        }
        let mut ports = Ports::of(record, tx, managed).await?;
        let missing = wanted.saturating_sub(staying(&instances).count());
        let made = make(record, tx, managed, missing, &mut ports).await?;
        let moved = ports
            .set_right(record, tx, managed, staying(&instances))
            .await?;
        Ok(made.and(moved))
    })
    .await
}

/// Those of `instances` that go, so that `wanted` are left.
fn chosen<'i>(
    instances: impl Iterator<Item = &'i Instance>,
    wanted: usize,
    busy: &Busy,
) -> Vec<InstanceId> {
    let standings = instances.map(|instance| Standing {
        busy: busy.get(&instance.interface).copied().unwrap_or(0),
        number: instance.number,
        instance: &instance.id,
    });
    let gone = surplus(standings.collect(), wanted);
    gone.into_iter()
        .map(|standing| standing.instance.clone())
        .collect()
}

/// Writes `missing` instances, each with an interface of its own in the fleet's VPC, and with ports
/// of the public address.
async fn make(
    record: &Record,
    tx: &mut Transaction,
    managed: &ManagedCompute,
    missing: usize,
    ports: &mut Ports,
) -> Result<Result<(), Failure>, StoreError> {
    if missing == 0 {
        return Ok(Ok(()));
    }
    let (scope, vpc) = (&record.scope, &managed.vpc);
    let Some(subnet) = tx
        .list(&keys::subnets_of(scope, vpc))
        .await?
        .into_iter()
        .next()
    else {
        return Ok(Ok(()));
    };
    let taken: BTreeSet<Ipv4Addr> = tx
        .list(&keys::interfaces_of(scope, vpc))
        .await?
        .into_iter()
        .map(|interface| interface.address)
        .collect();
    let groups = tx.list(&keys::security_groups_of(scope, vpc)).await?;
    let groups: Vec<SecurityGroupId> = groups.into_iter().map(|group| group.id).collect();
    let mut number = tx.get(&keys::instance_number()).await?.unwrap_or(0);

    let free = usable_addresses(subnet.cidr).filter(|address| !taken.contains(address));
    let mut made = 0;
    let mut failure = None;
    for address in free.take(missing) {
        let instance = InstanceId::generate(&*record.context.ids);
        let mapped = match ports.map(&[], &instance) {
            Ok(mapped) => mapped,
            Err(no_port) => {
                failure = Some(no_port);
                break;
            }
        };
        number = number.wrapping_add(1);
        let interface = interface(record, &subnet, &groups, &instance, address);
        tx.put(&interface)?;
        let instance = Instance {
            scope: scope.clone(),
            fleet: record.id.clone(),
            id: instance,
            host: Some(record.context.host.clone()),
            number,
            interface: interface.id,
            ports: mapped,
            running: false,
            active_processes: 0,
            ending: false,
            earlier_position: None,
            created: record.context.clock.now(),
        };
        ports::claim(tx, &instance)?;
        tx.put(&instance)?;
        made += 1;
    }
    if made > 0 {
        tx.put_at(&keys::instance_number(), &number)?;
    }
    Ok(match failure {
        Some(failure) => Err(failure),
        None if made < missing => Err(no_address(&subnet, missing - made)),
        None => Ok(()),
    })
}

fn interface(
    record: &Record,
    subnet: &Subnet,
    groups: &[SecurityGroupId],
    instance: &InstanceId,
    address: Ipv4Addr,
) -> NetworkInterface {
    let ids: &dyn IdSource = &*record.context.ids;
    NetworkInterface {
        scope: record.scope.clone(),
        id: NetworkInterfaceId::generate(ids),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        address,
        mac: MacAddress::for_address(address),
        description: format!("Instance {instance} of fleet {}", record.id),
        mtu: None,
        groups: groups.to_vec(),
        attachment: Some(Attachment::Instance {
            fleet: record.id.clone(),
            instance: instance.clone(),
        }),
        client_token: None,
        created: record.context.clock.now(),
    }
}

fn no_address(subnet: &Subnet, without: usize) -> Failure {
    Failure {
        code: EventCode::FleetInitializationFailed,
        message: format!(
            "{without} instances could not be made, since no address of the fleet's block {} is \
             free: it holds {} instances. Ask for fewer, or create a fleet with a larger block.",
            subnet.cidr,
            usable_addresses(subnet.cidr).len()
        ),
    }
}
