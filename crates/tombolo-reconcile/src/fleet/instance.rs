//! An instance of a fleet: its records, and its supervisor.

use std::time::Duration;

use tombolo_domain::Scope;
use tombolo_domain::cidr::usable_addresses;
use tombolo_domain::fleet::{Fleet, Instance, RuntimeConfiguration};
use tombolo_domain::id::{FleetId, IdSource, InstanceId, NetworkInterfaceId, VpcId};
use tombolo_domain::vpc::{Attachment, MacAddress, NetworkInterface};
use tombolo_fleet::{
    AttachError, ControlError, Events, InstanceSpec, RestartPolicy, ServerProcess, StartError,
    StopError, Work,
};
use tombolo_store::{StoreError, keys};

use crate::folder::remove_folder;
use crate::transact::transact;
use crate::{Context, builds_directory, logs_directory};

/// A supervisor that is listened to.
pub(super) struct Live {
    pub(super) id: InstanceId,
    pub(super) instance: tombolo_fleet::Instance,
    pub(super) events: Events,
}

impl Live {
    /// Listens to what happened after event `resume_after`.
    pub(super) async fn follow(
        instance: tombolo_fleet::Instance,
        id: InstanceId,
        resume_after: u64,
    ) -> Result<Self, ControlError> {
        let events = instance.events(resume_after).await?;
        Ok(Live {
            id,
            instance,
            events,
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.instance.is_alive()
    }
}

/// Writes an instance of `fleet` with an interface in `vpc`, unless it has one.
pub(super) async fn create(
    context: &Context,
    scope: &Scope,
    fleet: &FleetId,
    vpc: &VpcId,
) -> Result<(), StoreError> {
    let ids: &dyn IdSource = &*context.ids;
    transact(&context.store, async |tx| {
        let there = tx.list(&keys::instances_of(scope, fleet)).await?;
        let subnets = tx.list(&keys::subnets_of(scope, vpc)).await?;
        let (true, Some(subnet)) = (there.is_empty(), subnets.into_iter().next()) else {
            return Ok(());
        };
        let taken = tx.list(&keys::interfaces_of(scope, vpc)).await?;
        let is_free = |address: &_| !taken.iter().any(|other| other.address == *address);
        // A fleet's block is at least a /28, and its one instance the first to want an address.
        let Some(address) = usable_addresses(subnet.cidr).find(is_free) else {
            return Ok(());
        };
        let groups = tx.list(&keys::security_groups_of(scope, vpc)).await?;

        let id = InstanceId::generate(ids);
        let interface = NetworkInterface {
            scope: scope.clone(),
            id: NetworkInterfaceId::generate(ids),
            vpc: vpc.clone(),
            subnet: subnet.id,
            address,
            mac: MacAddress::for_address(address),
            description: format!("Instance {id} of fleet {fleet}"),
            mtu: None,
            groups: groups.into_iter().map(|group| group.id).collect(),
            attachment: Some(Attachment::Instance {
                fleet: fleet.clone(),
                instance: id.clone(),
            }),
            client_token: None,
            created: context.clock.now(),
        };
        tx.put(&interface)?;
        tx.put(&Instance {
            scope: scope.clone(),
            fleet: fleet.clone(),
            id,
            number: 0,
            interface: interface.id,
            ports: Vec::new(),
            supervisor: None,
            seen: 0,
            running: false,
            active_processes: 0,
            ending: false,
            created: context.clock.now(),
        })
    })
    .await
}

/// The instance's supervisor, found or started, and which run of it this is.
pub(super) async fn attach_or_start(
    context: &Context,
    fleet: &Fleet,
    runtime: &RuntimeConfiguration,
    instance: &Instance,
) -> Result<(tombolo_fleet::Instance, String), AttachOrStartError> {
    let directory = context.instance_directory(&instance.id);
    let live = match tombolo_fleet::Instance::attach(&directory).await? {
        Some(live) => live,
        None => {
            let spec = spec(context, fleet, runtime, instance);
            tombolo_fleet::Instance::start(&context.binary, &spec).await?
        }
    };
    let incarnation = live.incarnation().to_string();
    Ok((live, incarnation))
}

/// Why an instance is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachOrStartError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Start(#[from] StartError),
}

fn spec(
    context: &Context,
    fleet: &Fleet,
    runtime: &RuntimeConfiguration,
    instance: &Instance,
) -> InstanceSpec {
    // Only fleets with a build have instances.
    let build = fleet.managed().map_or("", |managed| managed.build.as_str());
    let processes = runtime
        .server_processes
        .iter()
        .map(|process| ServerProcess {
            launch_path: process.launch_path.clone(),
            parameters: process.parameters.clone().unwrap_or_default(),
            concurrent_executions: process.concurrent_executions,
        });
    InstanceSpec {
        instance: instance.id.clone(),
        fleet: instance.fleet.clone(),
        network_namespace: context.engine.namespace(&instance.interface),
        build: builds_directory(&context.directory).join(build),
        directory: context.instance_directory(&instance.id),
        logs: logs_directory(&context.directory, &instance.fleet).join(instance.id.as_str()),
        hidden: vec![context.directory.clone()],
        installed: None,
        work: Work::Serve(processes.collect()),
        restart: RestartPolicy::default(),
        sandbox: context.sandbox.for_instance(instance.number),
        log_paths: fleet.shown.log_paths.clone(),
    }
}

/// Ends the instance's processes: all of them, whatever they have started.
pub(super) async fn end(
    context: &Context,
    instance: &Instance,
    grace: Duration,
) -> Result<(), EndError> {
    let directory = context.instance_directory(&instance.id);
    if let Some(live) = tombolo_fleet::Instance::attach(&directory).await? {
        live.stop(grace).await?;
    }
    remove_folder(directory).await;
    Ok(())
}

/// Why an instance did not end.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Stop(#[from] StopError),
}

/// Deletes the instance's interface, so that the network lets go of it.
pub(super) async fn detach(context: &Context, instance: &Instance) -> Result<(), StoreError> {
    let Instance {
        scope,
        fleet,
        interface,
        ..
    } = instance;
    transact(&context.store, async |tx| {
        let fleet = tx.get(&keys::fleet(scope, fleet)).await?;
        if let Some(vpc) = fleet.as_ref().and_then(Fleet::vpc)
            && let Some(interface) = tx.get(&keys::interface(scope, vpc, interface)).await?
        {
            tx.remove(&interface);
        }
        Ok(())
    })
    .await
}

/// Removes the instance's record.
pub(super) async fn remove(context: &Context, instance: &Instance) -> Result<(), StoreError> {
    let Instance {
        scope, fleet, id, ..
    } = instance;
    transact(&context.store, async |tx| {
        tx.delete(&keys::instance(scope, fleet, id));
        Ok(())
    })
    .await
}
