//! A fleet's record, and how it goes from state to state.

use std::sync::Arc;

use tombolo_domain::Scope;
use tombolo_domain::fleet::{Compute, EventCode, Fleet, FleetEvent, FleetStatus};
use tombolo_domain::id::{FleetId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, FailureReason, Step};
use tombolo_store::keys::{self, Key};
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, StoreError};

use crate::Context;
use crate::transact::transact;

/// One fleet in the store.
pub(super) struct Record {
    pub(super) context: Context,
    pub(super) scope: Scope,
    pub(super) id: FleetId,
}

/// Why a fleet cannot become active: the code and the message of its event.
pub(super) struct Failure {
    pub(super) code: EventCode,
    pub(super) message: String,
}

impl Record {
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.context.store
    }

    pub(super) fn key(&self) -> Key<Fleet> {
        keys::fleet(&self.scope, &self.id)
    }

    fn connection_key(&self, connection: &VpcPeeringConnectionId) -> Key<Connection> {
        keys::connection(&self.scope.region, self.scope.account, &self.id, connection)
    }

    /// A connection of the fleet.
    pub(super) async fn connection(
        &self,
        connection: &VpcPeeringConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        Transaction::new(self.store().clone())
            .get(&self.connection_key(connection))
            .await
    }

    /// Takes the fleet to the next state on its way, if it is still in `from`.
    pub(super) async fn advance(&self, from: FleetStatus) -> Result<(), StoreError> {
        transact(self.store(), async |tx| {
            let fleet = tx.get(&self.key()).await?;
            if let Some(fleet) = fleet.filter(|fleet| fleet.status == from)
                && let Some(next) = from.next_towards_active()
            {
                self.write_status(tx, fleet, next)?;
            }
            Ok(())
        })
        .await
    }

    /// Takes the fleet to ERROR, if it is still in `from`.
    pub(super) async fn fail(
        &self,
        from: FleetStatus,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        transact(self.store(), async |tx| {
            let fleet = tx.get(&self.key()).await?;
            if let Some(fleet) = fleet.filter(|fleet| fleet.status == from) {
                self.write_failure(tx, fleet, failure).await?;
            }
            Ok(())
        })
        .await
    }

    /// A fleet that fails takes the connection along that was asked for together with it: both
    /// succeed, or both fail.
    pub(super) async fn write_failure(
        &self,
        tx: &mut Transaction,
        fleet: Fleet,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        if let Compute::Managed {
            peering: Some(id), ..
        } = &fleet.compute
            && let Some(mut connection) = tx.get(&self.connection_key(id)).await?
        {
            let step = match connection.state.is_pending() {
                true => Step::Fail(FailureReason::FleetEnded),
                false => Step::Delete(self.scope.account),
            };
            // One that has ended already stays as it is.
            if connection.take(step, self.context.clock.now()).is_ok() {
                tx.put(&connection)?;
            }
        }
        tx.put(&self.event(failure.code, failure.message.clone()))?;
        self.write_status(tx, fleet, FleetStatus::Error)
    }

    /// Writes the fleet in its new state, with the event that says so.
    pub(super) fn write_status(
        &self,
        tx: &mut Transaction,
        mut fleet: Fleet,
        to: FleetStatus,
    ) -> Result<(), StoreError> {
        match fleet.status.to(to) {
            Ok(status) => fleet.status = status,
            Err(refused) => {
                tracing::warn!(fleet = %self.id, %refused, "a fleet's step was out of place");
                return Ok(());
            }
        }
        let event = self.event(
            to.event(),
            format!("Fleet {} changed state to {to}.", self.id),
        );
        if to == FleetStatus::Terminated {
            fleet.terminated = Some(event.at);
        }
        tracing::info!(fleet = %self.id, status = %to, "fleet changed state");
        tx.put(&event)?;
        tx.put(&fleet)
    }

    /// An event of the fleet, now.
    pub(super) fn event(&self, code: EventCode, message: String) -> FleetEvent {
        let now = self.context.clock.now();
        let (scope, fleet) = (self.scope.clone(), self.id.clone());
        FleetEvent::new(scope, fleet, code, message, now, &*self.context.ids)
    }
}
