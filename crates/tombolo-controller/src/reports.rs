//! What nodes report, and where.
//!
//! A report says what is so on a host; what follows from it for a status that clients see is decided
//! here. [`Reports`] is given to the nodes, one a host. What was reported is kept in records of its own
//! ([`tombolo_domain::reported`]), each of one host and subject, and what follows from a report commits
//! in the same transaction as its record: where both are one process, nobody waits for a second commit.
//! A report from which nothing follows is not written, so that a host with nothing to do writes nothing.
//!
//! Each report may come twice, late or not at all: a node tells again what still holds.

use async_trait::async_trait;
use tombolo_domain::fleet::Build;
use tombolo_domain::id::{BlobId, BootId, HostId};
use tombolo_domain::reported::ReportedHost;
use tombolo_domain::vpc::NetworkInterface;
use tombolo_store::StoreError;
use tombolo_store::typed::transact;

use crate::report::{
    FleetAt, FleetReport, InstanceAt, InstanceEvent, NetworkApplied, NetworkRefused, Repaired,
    Unpacked, put_report,
};
use crate::{Context, build, expiry, fleet, peering, repair};

/// Takes the reports of one host's node, which tells from one thread each.
#[async_trait(?Send)]
pub trait Reports: Send + Sync {
    /// Which boot the host runs in, and the name that it has.
    async fn host(&self, label: &str, boot: &BootId) -> Result<(), StoreError>;

    /// The network that a node was to have is in force on it.
    async fn network_applied(&self, applied: NetworkApplied) -> Result<(), StoreError>;

    /// A node's data path has no room for what it was to have; nothing was changed on it.
    async fn network_refused(&self, refused: NetworkRefused) -> Result<(), StoreError>;

    /// A node found these things of its network changed by somebody else, and has put them right.
    async fn network_repaired(&self, repairs: Vec<Repaired>) -> Result<(), StoreError>;

    /// The program that has this interface has ended, and nothing runs on it any more.
    async fn program_ended(&self, interface: &NetworkInterface) -> Result<(), StoreError>;

    /// What became of a build's archive. `false`: the build is gone, and its files can go.
    async fn build_unpacked(&self, build: &Build, outcome: Unpacked) -> Result<bool, StoreError>;

    /// The files of these blobs, which nothing names any more, are gone.
    async fn blobs_removed(&self, blobs: &[BlobId]) -> Result<(), StoreError>;

    /// How far a node has come with a fleet.
    async fn fleet(&self, fleet: &FleetAt, report: FleetReport) -> Result<(), StoreError>;

    /// A number for a build's installer, which no instance has: users are counted from it.
    async fn installer_number(&self) -> Result<u32, StoreError>;

    /// Events of one run of an instance's supervisor, in order. `incarnation` is which run; those
    /// that were reported before count once.
    async fn instance_events(
        &self,
        instance: &InstanceAt,
        incarnation: &str,
        events: Vec<InstanceEvent>,
    ) -> Result<(), StoreError>;

    /// What keeps an instance from running, as a sentence.
    async fn instance_hindered(&self, fleet: &FleetAt, message: String) -> Result<(), StoreError>;

    /// No process of an instance that was to end is left.
    async fn instance_ended(&self, instance: &InstanceAt) -> Result<(), StoreError>;

    /// An instance that has ended has no interface any more either: nothing of it is left.
    async fn instance_released(&self, instance: &InstanceAt) -> Result<(), StoreError>;
}

/// Decides what follows from each report of a host.
pub(crate) struct Decided {
    pub(crate) context: Context,
    pub(crate) host: HostId,
}

#[async_trait(?Send)]
impl Reports for Decided {
    async fn host(&self, label: &str, boot: &BootId) -> Result<(), StoreError> {
        let report = ReportedHost {
            id: self.host.clone(),
            label: label.to_owned(),
            boot: boot.clone(),
        };
        transact(&self.context.store, async |tx| {
            put_report(tx, &report).await
        })
        .await
    }

    async fn network_applied(&self, applied: NetworkApplied) -> Result<(), StoreError> {
        // One host's is every host's as long as there is one.
        let in_force = applied.revision;
        peering::applied(&self.context, &self.host, applied).await?;
        self.context.network_in_force.send_if_modified(|known| {
            let is_later = *known < in_force;
            *known = in_force.max(*known);
            is_later
        });
        Ok(())
    }

    async fn network_refused(&self, refused: NetworkRefused) -> Result<(), StoreError> {
        peering::refused(&self.context, &self.host, refused).await
    }

    async fn network_repaired(&self, repairs: Vec<Repaired>) -> Result<(), StoreError> {
        repair::record(&self.context, &self.host, repairs).await
    }

    async fn program_ended(&self, interface: &NetworkInterface) -> Result<(), StoreError> {
        expiry::program_ended(&self.context, interface).await
    }

    async fn build_unpacked(&self, build: &Build, outcome: Unpacked) -> Result<bool, StoreError> {
        build::unpacked(&self.context, &self.host, build, outcome).await
    }

    async fn blobs_removed(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        build::forget_blobs(&self.context, blobs).await
    }

    async fn fleet(&self, fleet: &FleetAt, report: FleetReport) -> Result<(), StoreError> {
        fleet::reported(&self.context, &self.host, fleet, report).await
    }

    async fn installer_number(&self) -> Result<u32, StoreError> {
        fleet::installer_number(&self.context).await
    }

    async fn instance_events(
        &self,
        instance: &InstanceAt,
        incarnation: &str,
        events: Vec<InstanceEvent>,
    ) -> Result<(), StoreError> {
        fleet::instance::events(&self.context, &self.host, instance, incarnation, &events).await
    }

    async fn instance_hindered(&self, fleet: &FleetAt, message: String) -> Result<(), StoreError> {
        fleet::instance::hindered(&self.context, fleet, message).await
    }

    async fn instance_ended(&self, instance: &InstanceAt) -> Result<(), StoreError> {
        fleet::instance::ended(&self.context, &self.host, instance).await
    }

    async fn instance_released(&self, instance: &InstanceAt) -> Result<(), StoreError> {
        fleet::instance::released(&self.context, &self.host, instance).await
    }
}
