//! A fleet's record, and how it goes from state to state.

use std::sync::Arc;

use tombolo_domain::fleet::{EventCode, Fleet, FleetEvent, FleetStatus};
use tombolo_domain::id::{FleetId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, FailureReason, Requester, State, Step};
use tombolo_domain::reported::ReportedFleet;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys::{self, ConnectionKey, FleetKey, Key};
use tombolo_store::typed::{Transaction, transact};
use tombolo_store::{Store, StoreError};

use crate::peering::step;
use crate::report::put_report;
use crate::{Context, Failure};

/// One fleet in the store.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) context: Context,
    pub(super) scope: Scope,
    pub(super) id: FleetId,
}

impl Record {
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.context.store
    }

    pub(super) fn key(&self) -> Key<FleetKey> {
        keys::fleet(&self.scope, &self.id)
    }

    pub(super) fn connection_key(&self, connection: &VpcPeeringConnectionId) -> Key<ConnectionKey> {
        keys::connection(&self.scope, &Requester::Fleet(self.id.clone()), connection)
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

    /// Takes the fleet to the next state on its way, if it is still in `from`; with the report that
    /// this follows from, if it does from one.
    pub(super) async fn advance(
        &self,
        from: FleetStatus,
        report: Option<&ReportedFleet>,
    ) -> Result<(), StoreError> {
        let Some(next) = from.next_towards_active() else {
            return Ok(());
        };
        let advanced = transact(self.store(), async |tx| {
            let fleet = tx.get(&self.key()).await?;
            let Some(mut fleet) = fleet.filter(|fleet| fleet.status == from) else {
                return Ok(false);
            };
            self.write_status(tx, &mut fleet, next)?;
            put_if_any(tx, report).await?;
            Ok(true)
        });
        if advanced.await? {
            self.log(next);
        }
        Ok(())
    }

    /// Takes the fleet to ERROR, if it is still in `from`; with the report that this follows from, if
    /// it does from one.
    pub(super) async fn fail(
        &self,
        from: FleetStatus,
        failure: &Failure,
        report: Option<&ReportedFleet>,
    ) -> Result<(), StoreError> {
        let failed = transact(self.store(), async |tx| {
            let fleet = tx.get(&self.key()).await?;
            let Some(mut fleet) = fleet.filter(|fleet| fleet.status == from) else {
                return Ok(false);
            };
            self.write_failure(tx, &mut fleet, failure).await?;
            put_if_any(tx, report).await?;
            Ok(true)
        });
        if failed.await? {
            self.log(FleetStatus::Error);
        }
        Ok(())
    }

    /// Writes what is the end of a fleet that is starting, and an event of one that is ACTIVE.
    pub(super) async fn report_problem(&self, failure: Failure) -> Result<(), StoreError> {
        let failed = transact(self.store(), async |tx| {
            let Some(mut fleet) = tx.get(&self.key()).await? else {
                return Ok(false);
            };
            if fleet.status.is_starting() {
                self.write_failure(tx, &mut fleet, &failure).await?;
                return Ok(true);
            }
            if fleet.status == FleetStatus::Active {
                let event = self.event(EventCode::GenericEvent, failure.message.clone());
                tx.put(&event)?;
            }
            Ok(false)
        });
        if failed.await? {
            self.log(FleetStatus::Error);
        }
        Ok(())
    }

    /// A fleet that fails takes the connection along that was asked for together with it: both
    /// succeed, or both fail.
    pub(super) async fn write_failure(
        &self,
        tx: &mut Transaction,
        fleet: &mut Fleet,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        if let Some(id) = fleet.managed().and_then(|managed| managed.peering.as_ref())
            && let Some(connection) = tx.get(&self.connection_key(id)).await?
        {
            let step = match connection.state {
                State::InitiatingRequest | State::PendingAcceptance => {
                    Step::Fail(FailureReason::FleetEnded)
                }
                _ => Step::Delete(self.scope.account),
            };
            // One that has ended already stays as it is.
            step::take(&self.context, tx, connection, step)?;
        }
        tx.put(&self.event(failure.code, failure.message.clone()))?;
        self.write_status(tx, fleet, FleetStatus::Error)
    }

    /// Writes the fleet in its new state, with the event that says so.
    pub(super) fn write_status(
        &self,
        tx: &mut Transaction,
        fleet: &mut Fleet,
        to: FleetStatus,
    ) -> Result<(), StoreError> {
        let Ok(status) = fleet.status.to(to) else {
            tracing::warn!(fleet = %self.id, from = %fleet.status, %to, "out of place");
            return Ok(());
        };
        fleet.status = status;
        let event = self.event(
            to.event(),
            format!("Fleet {} changed state to {to}.", self.id),
        );
        if to == FleetStatus::Terminated {
            fleet.terminated = Some(event.at);
        }
        tx.put(&event)?;
        tx.put(fleet)
    }

    /// Writes an event with the report that it follows from, unless the fleet has had one with this
    /// code.
    pub(super) async fn record_event_once(
        &self,
        code: EventCode,
        message: &str,
        report: &ReportedFleet,
    ) -> Result<(), StoreError> {
        transact(self.store(), async |tx| {
            let events = tx.list(&keys::fleet_events(&self.scope, &self.id)).await?;
            if events.iter().any(|event| event.code == code) {
                return Ok(());
            }
            tx.put(&self.event(code, message.to_owned()))?;
            // A report goes with the fleet, and none comes after it.
            match tx.get(&self.key()).await? {
                Some(fleet) if fleet.status != FleetStatus::Terminated => {
                    put_report(tx, report).await
                }
                _ => Ok(()),
            }
        })
        .await
    }

    /// Logs that the fleet has reached `status`, once that is committed.
    pub(super) fn log(&self, status: FleetStatus) {
        tracing::info!(fleet = %self.id, %status, "fleet changed state");
    }

    /// An event of the fleet, now.
    pub(super) fn event(&self, code: EventCode, message: String) -> FleetEvent {
        self.event_at(self.context.clock.now(), code, message)
    }

    /// An event of the fleet that was noticed only now.
    pub(super) fn event_at(&self, at: Timestamp, code: EventCode, message: String) -> FleetEvent {
        let (scope, fleet) = (self.scope.clone(), self.id.clone());
        FleetEvent::new(scope, fleet, code, message, at, &*self.context.ids)
    }
}

/// Puts the report that something follows from, if it does from one.
pub(super) async fn put_if_any(
    tx: &mut Transaction,
    report: Option<&ReportedFleet>,
) -> Result<(), StoreError> {
    match report {
        Some(report) => put_report(tx, report).await,
        None => Ok(()),
    }
}
