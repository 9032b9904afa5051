//! What two readings of a fleet say about the time in between.

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tombolo_admin::message::{
    FleetDescription, FleetEventDescription, FleetPeeringDescription, InstanceDescription,
    ManagedFleetDescription,
};
use tombolo_domain::Scope;
use tombolo_domain::fleet::{FleetStatus, InstanceStatus, MappedPort};
use tombolo_domain::id::{
    AccountId, FleetId, InstanceId, NetworkInterfaceId, VpcId, VpcPeeringConnectionId,
};
use tombolo_fleet::{Exit, ProcessState, ProcessStatus};
use tombolo_network::{EngineKind, Traffic};

use crate::command::live::{Rate, per_second};

/// A fleet in an interval.
#[derive(Debug, Serialize)]
pub(super) struct Dashboard {
    pub(super) id: FleetId,
    pub(super) scope: Scope,
    pub(super) name: String,
    pub(super) status: FleetStatus,
    pub(super) managed: Option<ManagedFleetDescription>,
    pub(super) network: EngineKind,
    pub(super) public_address: Option<Ipv4Addr>,
    pub(super) now: Timestamp,
    /// How long the interval was.
    pub(super) seconds: f64,
    /// Those that are not ACTIVE first, then the busiest.
    pub(super) instances: Vec<InstanceRow>,
    /// Those that do not run first, then those that were started again most often, then the
    /// busiest.
    pub(super) processes: Vec<ProcessRow>,
    pub(super) peerings: Vec<PeeringRow>,
    /// The newest first.
    pub(super) events: Vec<FleetEventDescription>,
}

/// One instance.
#[derive(Debug, Serialize)]
pub(super) struct InstanceRow {
    pub(super) id: InstanceId,
    pub(super) status: InstanceStatus,
    pub(super) created: Timestamp,
    pub(super) interface: NetworkInterfaceId,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) ports: Vec<MappedPort>,
    /// How many server processes run.
    pub(super) running: usize,
    /// How many there are to be.
    pub(super) wanted: usize,
    pub(super) restarts: u64,
    /// CPU time in the interval, as a share of one CPU.
    pub(super) cpu: f64,
    /// In bytes.
    pub(super) memory: u64,
    /// In bytes.
    pub(super) memory_limit: Option<u64>,
    pub(super) received: Rate,
    pub(super) sent: Rate,
    pub(super) dropped: Rate,
    /// Why nothing is known of what runs in it.
    pub(super) silent: Option<String>,
}

/// One server process.
#[derive(Debug, Serialize)]
pub(super) struct ProcessRow {
    pub(super) instance: InstanceId,
    pub(super) name: String,
    pub(super) launch_path: String,
    pub(super) state: ProcessState,
    /// Since when, in seconds.
    pub(super) seconds: u64,
    pub(super) restarts: u64,
    pub(super) last_exit: Option<Exit>,
    /// CPU time in the interval, as a share of one CPU.
    pub(super) cpu: f64,
    /// In bytes.
    pub(super) memory: u64,
}

/// One peering connection.
#[derive(Debug, Serialize)]
pub(super) struct PeeringRow {
    pub(super) id: VpcPeeringConnectionId,
    pub(super) peer_vpc: VpcId,
    pub(super) peer_account: AccountId,
    pub(super) state: String,
    pub(super) carried: Rate,
}

impl Dashboard {
    /// What happened between two readings.
    pub(super) fn between(
        before: &FleetDescription,
        now: FleetDescription,
        elapsed: Duration,
    ) -> Self {
        let was = |id: &InstanceId| before.instances.iter().find(|one| one.id == *id);
        let mut instances = Vec::with_capacity(now.instances.len());
        let mut processes = Vec::new();
        for instance in now.instances {
            let was = was(&instance.id);
            let of_instance = processes_of(was, &instance, now.now, elapsed);
            instances.push(InstanceRow::between(was, instance, &of_instance, elapsed));
            processes.extend(of_instance);
        }
        instances.sort_by(|one, other| {
            let is_active = |row: &InstanceRow| row.status == InstanceStatus::Active;
            let order = is_active(one).cmp(&is_active(other));
            order.then(
                other
                    .packets_per_second()
                    .total_cmp(&one.packets_per_second()),
            )
        });
        processes.sort_by(|one, other| {
            let runs = |row: &ProcessRow| row.state == ProcessState::Healthy;
            let order = runs(one).cmp(&runs(other));
            let order = order.then(other.restarts.cmp(&one.restarts));
            order.then(other.cpu.total_cmp(&one.cpu))
        });
        let peerings = now.peerings.into_iter().map(|peering| {
            let mut earlier = before.peerings.iter();
            let was = earlier.find(|one| one.id == peering.id);
            PeeringRow::between(was, peering, elapsed)
        });
        Dashboard {
            id: now.id,
            scope: now.scope,
            name: now.name,
            status: now.status,
            managed: now.managed,
            network: now.network,
            public_address: now.public_address,
            now: now.now,
            seconds: elapsed.as_secs_f64(),
            instances,
            processes,
            peerings: peerings.collect(),
            events: now.events,
        }
    }

    /// Server processes that run.
    pub(super) fn running(&self) -> usize {
        self.instances.iter().map(|row| row.running).sum()
    }
}

fn processes_of(
    was: Option<&InstanceDescription>,
    is: &InstanceDescription,
    now: Timestamp,
    elapsed: Duration,
) -> Vec<ProcessRow> {
    let earlier = was.and_then(|was| was.inside.as_ref());
    let earlier = |name: &str| {
        let mut earlier = earlier.iter().flat_map(|inside| &inside.processes);
        earlier.find(|process| process.name == name)
    };
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let processes = is.inside.iter().flat_map(|inside| &inside.processes);
    let rows = processes.map(|process| ProcessRow {
        instance: is.id.clone(),
        name: process.name.clone(),
        launch_path: process.launch_path.clone(),
        state: process.state,
        seconds: now.saturating_sub(process.since_unix_ms) / 1000,
        restarts: process.restarts,
        last_exit: process.last_exit,
        cpu: cpu(
            earlier(&process.name).map(|was| was.cpu_usec),
            process.cpu_usec,
            elapsed,
        ),
        memory: process.memory_bytes,
    });
    rows.collect()
}

/// The share of one CPU; 0 of what was not there before, whose time may be of hours.
fn cpu(was: Option<u64>, is: u64, elapsed: Duration) -> f64 {
    was.map_or(0.0, |was| per_second(was, is, elapsed) / 1e6)
}

impl InstanceRow {
    fn between(
        was: Option<&InstanceDescription>,
        is: InstanceDescription,
        processes: &[ProcessRow],
        elapsed: Duration,
    ) -> Self {
        let before = was.map(|was| was.traffic).unwrap_or_default();
        let rate = |was: Traffic, is: Traffic| Rate::between(was, is, elapsed);
        let inside = is.inside.as_ref();
        let usage = inside.and_then(|inside| inside.usage.as_ref());
        let earlier = was.and_then(|was| was.inside.as_ref()?.usage.as_ref()?.cpu_usec);
        // Without a cgroup of the instance's own, what its server processes use together.
        let cpu = match usage.and_then(|usage| usage.cpu_usec) {
            Some(is) => cpu(earlier, is, elapsed),
            None => processes.iter().map(|process| process.cpu).sum(),
        };
        let memory = usage.and_then(|usage| usage.memory_bytes);
        let runs = |process: &&ProcessStatus| {
            matches!(
                process.state,
                ProcessState::Starting | ProcessState::Healthy
            )
        };
        let all = inside.iter().flat_map(|inside| &inside.processes);
        let wanted = all.filter(|process| process.state != ProcessState::Ending);
        InstanceRow {
            status: is.status,
            created: is.created,
            address: is.address,
            running: wanted.clone().filter(runs).count(),
            wanted: wanted.count(),
            restarts: processes.iter().map(|process| process.restarts).sum(),
            cpu,
            memory: memory.unwrap_or_else(|| processes.iter().map(|one| one.memory).sum()),
            memory_limit: usage.and_then(|usage| usage.memory_limit),
            received: rate(before.received, is.traffic.received),
            sent: rate(before.sent, is.traffic.sent),
            dropped: rate(before.dropped, is.traffic.dropped),
            id: is.id,
            interface: is.interface,
            ports: is.ports,
            silent: is.silent,
        }
    }

    fn packets_per_second(&self) -> f64 {
        self.received.packets_per_second + self.sent.packets_per_second
    }
}

impl PeeringRow {
    fn between(
        was: Option<&FleetPeeringDescription>,
        is: FleetPeeringDescription,
        elapsed: Duration,
    ) -> Self {
        let before = was.map(|was| was.traffic).unwrap_or_default();
        PeeringRow {
            carried: Rate::between(before, is.traffic, elapsed),
            id: is.id,
            peer_vpc: is.peer_vpc,
            peer_account: is.peer_account,
            state: is.state,
        }
    }
}
