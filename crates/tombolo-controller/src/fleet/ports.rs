//! Which ports of the public address lead to a fleet's instances, in the store.

use std::collections::BTreeSet;

use tombolo_domain::fleet::{
    EventCode, Instance, ManagedCompute, MappedPort, PortPool, ReachedAt, TransportProtocol,
    are_mapped, inbound::open_ports,
};
use tombolo_domain::id::InstanceId;
use tombolo_store::keys::{self, InstanceRef};
use tombolo_store::typed::Transaction;
use tombolo_store::{StoreError, keys::Entity};

use super::record::Record;
use crate::{Context, Failure};

/// The ports that players reach of each instance of a fleet, and those of the public address that
/// are free for it.
pub(super) struct Ports {
    open: BTreeSet<(TransportProtocol, u16)>,
    /// `None` where players reach nothing.
    pool: Option<PortPool>,
}

/// Whether an instance is reached at the ports that it is to be reached at.
pub(super) fn are_right(context: &Context, managed: &ManagedCompute, instance: &Instance) -> bool {
    match &context.public {
        Some(public) => {
            let open = open_ports(&managed.inbound_permissions);
            are_mapped(&instance.ports, &open, public)
        }
        None => instance.ports.is_empty(),
    }
}

impl Ports {
    pub(super) async fn of(
        record: &Record,
        tx: &mut Transaction,
        managed: &ManagedCompute,
    ) -> Result<Self, StoreError> {
        let Some(public) = record.context.public else {
            return Ok(Ports {
                open: BTreeSet::new(),
                pool: None,
            });
        };
        let open = open_ports(&managed.inbound_permissions);
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
        for protocol in [TransportProtocol::Tcp, TransportProtocol::Udp] {
            // Of two fleets that take ports at once, one looks again.
            for (key, at) in tx.list_keyed(&keys::public_ports(protocol)).await? {
                let is_own = at.scope.account == record.scope.account;
                let of = if is_own { &mut own } else { &mut others };
                of.insert((protocol, key.port));
            }
        }
        Ok(Ports {
            open,
            pool: Some(PortPool::new(public, own, others)),
        })
    }

    /// How an instance that has `current` is to be reached.
    pub(super) fn map(
        &mut self,
        current: &[MappedPort],
        instance: &InstanceId,
    ) -> Result<Vec<MappedPort>, Failure> {
        let Some(pool) = &mut self.pool else {
            return Ok(Vec::new());
        };
        pool.map(current, &self.open).map_err(|error| Failure {
            code: EventCode::FleetActivationFailed,
            message: format!(
                "Instance {instance} cannot be reached by players: {error}. Delete a fleet, ask for \
                 fewer instances or ports, or give the server more ports."
            ),
        })
    }

    /// Opens and closes ports of instances that are there, after the fleet's permissions or the
    /// server's public address were changed.
    pub(super) async fn set_right<'i>(
        &mut self,
        record: &Record,
        tx: &mut Transaction,
        managed: &ManagedCompute,
        instances: impl Iterator<Item = &'i Instance>,
    ) -> Result<Result<(), Failure>, StoreError> {
        for instance in instances.filter(|one| !are_right(&record.context, managed, one)) {
            let Some(mut instance) = tx.get(&instance.key()).await? else {
                continue;
            };
            let mapped = match self.map(&instance.ports, &instance.id) {
                Ok(mapped) => mapped,
                Err(failure) => return Ok(Err(failure)),
            };
            give_back(tx, &instance);
            instance.ports = mapped;
            claim(tx, &instance)?;
            tx.put(&instance)?;
            if instance.running {
                let message = match reachable_at(&record.context, &instance) {
                    reachable_at if reachable_at.is_empty() => {
                        format!(
                            "Players reach no port of instance {} any more.",
                            instance.id
                        )
                    }
                    reachable_at => format!(
                        "Ports of instance {} were changed.{reachable_at}",
                        instance.id
                    ),
                };
                tx.put(&record.event(EventCode::GenericEvent, message))?;
            }
        }
        Ok(Ok(()))
    }
}

/// Writes that the instance's ports are its.
pub(super) fn claim(tx: &mut Transaction, instance: &Instance) -> Result<(), StoreError> {
    let at = InstanceRef {
        scope: instance.scope.clone(),
        fleet: instance.fleet.clone(),
        instance: instance.id.clone(),
    };
    for mapped in &instance.ports {
        tx.put_at(&keys::public_port(mapped.protocol, mapped.public_port), &at)?;
    }
    Ok(())
}

/// Lets others have the instance's ports.
pub(super) fn give_back(tx: &mut Transaction, instance: &Instance) {
    for mapped in &instance.ports {
        tx.delete(&keys::public_port(mapped.protocol, mapped.public_port));
    }
}

/// A sentence that says where players reach the instance, with a space before it; nothing if
/// nowhere.
pub(super) fn reachable_at(context: &Context, instance: &Instance) -> String {
    match &context.public {
        Some(public) if !instance.ports.is_empty() => format!(
            " Instance {} is reachable at {}: {}.",
            instance.id,
            public.address,
            ReachedAt(&instance.ports)
        ),
        _ => String::new(),
    }
}
