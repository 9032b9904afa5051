//! What a fleet does: as it is stored, as the data path counts, and as its supervisors tell.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, stream};
use tokio::time::timeout;
use tombolo_domain::fleet::{Fleet, FleetEvent, Instance};
use tombolo_domain::id::FleetId;
use tombolo_domain::peering::{Connection, State};
use tombolo_network::TrafficCounters;
use tombolo_node::{instance_directory, instances_of_other_hosts};
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::hint::hinted;
use crate::message::{
    DescribeFleet, FleetDescription, FleetEventDescription, FleetPeeringDescription,
    InstanceDescription, ListMisplacedInstances, ManagedFleetDescription, MisplacedInstance,
};
use crate::server_clock::real_now;
use crate::service::{AdminService, find_account};

/// How many of the last events are listed.
const MAX_EVENTS: usize = 20;

/// How many supervisors are asked at a time.
const MAX_CONCURRENT_SUPERVISORS: usize = 16;

/// How long one supervisor may take: whoever looks wants to see those that do answer.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(2);

impl AdminService {
    /// What a fleet does at the moment.
    pub async fn describe_fleet(&self, request: DescribeFleet) -> Result<FleetDescription> {
        let mut tx = self.read();
        let fleet = find_fleet(&mut tx, &request.fleet, request.account.as_deref()).await?;
        let counters = self.engine.traffic().await?;
        let instances = tx
            .peek(&keys::instances_of(&fleet.scope, &fleet.id))
            .await?;
        let mut readings = Vec::with_capacity(instances.len());
        for instance in instances {
            readings.push(reading(&mut tx, &fleet, instance, &counters).await?);
        }
        let directory = &self.directory;
        let instances = stream::iter(readings)
            .map(|reading| inside(directory, reading))
            .buffered(MAX_CONCURRENT_SUPERVISORS)
            .collect();

        let connections = keys::connections_of_fleet(&fleet.scope, &fleet.id);
        let connections = tx.peek(&connections).await?.into_iter();
        let now = real_now();
        let peerings = connections.filter(|one| is_shown(&one.state));
        let events = keys::fleet_events(&fleet.scope, &fleet.id);
        let events = tx.page(&events, None, MAX_EVENTS).await?.records;
        Ok(FleetDescription {
            managed: managed(&mut tx, &fleet).await?,
            instances: instances.await,
            peerings: peerings.map(|one| peering(one, &counters)).collect(),
            events: events.into_iter().map(|(_, event)| event.into()).collect(),
            network: self.network,
            public_address: self.settings.public.map(|public| public.address),
            now,
            id: fleet.id,
            scope: fleet.scope,
            name: fleet.name,
            status: fleet.status,
        })
    }
}

impl AdminService {
    /// The instances whose files are in the data directory and whose records are another host's.
    pub async fn list_misplaced_instances(
        &self,
        _: ListMisplacedInstances,
    ) -> Result<Vec<MisplacedInstance>> {
        let found = instances_of_other_hosts(&self.store, &self.directory, &self.host.host).await?;
        let mut misplaced = Vec::new();
        for instance in found {
            let Some(host) = instance.host else {
                continue;
            };
            let reported = self.read().get(&keys::reported_host(&host)).await?;
            misplaced.push(MisplacedInstance {
                instance: instance.id,
                host,
                label: reported.map(|host| host.label),
            });
        }
        Ok(misplaced)
    }
}

/// A fleet of this server, of whichever account unless one is named.
pub(crate) async fn find_fleet(
    tx: &mut Transaction,
    id: &FleetId,
    account: Option<&str>,
) -> Result<Fleet> {
    let account = match account {
        Some(account) => Some(find_account(tx, account).await?.id),
        None => None,
    };
    let mut fleets = tx.peek(&keys::all_fleets()).await?.into_iter();
    let known = fleets.find(|fleet| {
        fleet.id == *id && account.is_none_or(|account| account == fleet.scope.account)
    });
    known.ok_or_else(|| {
        hinted(
            format!("there is no fleet {id}"),
            "`aws gamelift list-fleets` shows an account's",
        )
    })
}

async fn managed(tx: &mut Transaction, fleet: &Fleet) -> Result<Option<ManagedFleetDescription>> {
    let Some(managed) = fleet.managed() else {
        return Ok(None);
    };
    let scaling = keys::scaling_policies(&fleet.scope, &fleet.id);
    Ok(Some(ManagedFleetDescription {
        build: managed.build.clone(),
        vpc: managed.vpc.clone(),
        capacity: managed.capacity,
        scaling: tx.peek(&scaling).await?,
        scaling_is_stopped: managed.scaling_is_stopped,
    }))
}

/// What is known of an instance without asking its supervisor.
async fn reading(
    tx: &mut Transaction,
    fleet: &Fleet,
    instance: Instance,
    counters: &TrafficCounters,
) -> Result<InstanceDescription> {
    let interface = match fleet.vpc() {
        Some(vpc) => {
            let key = keys::interface(&fleet.scope, vpc, &instance.interface);
            tx.get(&key).await?
        }
        None => None,
    };
    let traffic = counters.interfaces.get(&instance.interface);
    Ok(InstanceDescription {
        status: instance.status(),
        id: instance.id,
        created: instance.created,
        traffic: traffic.copied().unwrap_or_default(),
        interface: instance.interface,
        address: interface.map(|interface| interface.address),
        ports: instance.ports,
        inside: None,
        silent: None,
    })
}

/// Adds what the instance's supervisor tells.
async fn inside(directory: &Path, mut reading: InstanceDescription) -> InstanceDescription {
    let directory = instance_directory(directory, &reading.id);
    let asked = timeout(SUPERVISOR_TIMEOUT, async {
        match tombolo_fleet::Instance::attach(&directory).await? {
            Some(live) => anyhow::Ok(Some(live.status().await?)),
            None => Ok(None),
        }
    });
    match asked.await {
        Ok(Ok(Some(status))) => reading.inside = Some(status),
        Ok(Ok(None)) => reading.silent = Some("its supervisor does not run".to_owned()),
        Ok(Err(error)) => reading.silent = Some(format!("{error:#}")),
        Err(_) => {
            let seconds = SUPERVISOR_TIMEOUT.as_secs();
            reading.silent = Some(format!("its supervisor did not answer within {seconds} s"));
        }
    }
    reading
}

/// Whether a connection is listed with its fleet. It is decided that one that failed is, though it is
/// over ([`State::is_over`]): nothing will be made of it any more, and it is for the operator to see why.
fn is_shown(state: &State) -> bool {
    !state.is_over() || matches!(state, State::Failed { .. })
}

fn peering(connection: Connection, counters: &TrafficCounters) -> FleetPeeringDescription {
    let traffic = counters.peerings.get(&connection.id);
    FleetPeeringDescription {
        state: connection.state.code().to_owned(),
        traffic: traffic.copied().unwrap_or_default(),
        id: connection.id,
        peer_vpc: connection.accepter.vpc,
        peer_account: connection.accepter.account,
    }
}

impl From<FleetEvent> for FleetEventDescription {
    fn from(event: FleetEvent) -> Self {
        FleetEventDescription {
            at: event.at,
            code: event.code,
            message: event.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use tombolo_domain::peering::FailureReason;

    use super::*;

    #[test]
    fn a_fleet_is_shown_with_its_connections_that_failed_and_without_those_that_ended_otherwise() {
        let by = "111122223333".parse().unwrap();
        let ended = [
            State::Rejected { by },
            State::Expired,
            State::Deleted { by },
        ];
        assert!(!ended.iter().any(is_shown));
        let failed = State::Failed {
            reason: FailureReason::NoRoom {
                table: "rules".to_owned(),
                capacity: 1,
            },
        };
        assert!(failed.is_over() && is_shown(&failed));
        assert!(is_shown(&State::Active) && is_shown(&State::Deleting { by }));
    }
}
