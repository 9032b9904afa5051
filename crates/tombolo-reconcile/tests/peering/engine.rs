//! An engine whose data path is small and that others meddle with, as a real one may be.

use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_network::{
    Applied, Counters, EngineError, EngineKind, FlowRecords, Network, NetworkEngine, Packet,
    Repair, RepairKind, Repairs, SimulatedEngine, Use, Verdict,
};

/// The table that fills up.
pub(crate) const TABLE: &str = "admissions";

pub(crate) struct Narrow {
    simulated: SimulatedEngine,
    /// How many peerings it has room for.
    room: usize,
    /// What it will have found changed the next time that it looks.
    meddled: Mutex<Repairs>,
}

impl Narrow {
    pub(crate) fn with_room_for(room: usize) -> Self {
        Narrow {
            simulated: SimulatedEngine::new(),
            room,
            meddled: Mutex::default(),
        }
    }

    /// Has `count` links deleted by somebody.
    pub(crate) fn meddle(&self, count: usize) {
        let link = |number| Repair {
            what: RepairKind::Interface,
            found: format!("the link number {number} was gone"),
        };
        *self.meddled.lock().unwrap() = Repairs {
            listed: (0..count.min(Repairs::LISTED)).map(link).collect(),
            unlisted: count.saturating_sub(Repairs::LISTED),
        };
    }
}

#[async_trait]
impl NetworkEngine for Narrow {
    fn kind(&self) -> EngineKind {
        self.simulated.kind()
    }

    async fn apply(&self, wanted: &Network) -> Result<Applied, EngineError> {
        if wanted.peerings.len() > self.room {
            return Err(EngineError::Full {
                table: TABLE.to_owned(),
                needed: wanted.peerings.len() as u64,
                capacity: self.room as u64,
            });
        }
        let applied = self.simulated.apply(wanted).await?;
        Ok(Applied {
            repairs: std::mem::take(&mut *self.meddled.lock().unwrap()),
            ..applied
        })
    }

    fn namespace(&self, interface: &NetworkInterfaceId) -> Option<PathBuf> {
        self.simulated.namespace(interface)
    }

    async fn counters(&self) -> Result<Counters, EngineError> {
        let mut counters = self.simulated.counters().await?;
        let room = Use {
            used: 0,
            capacity: self.room as u64,
        };
        counters.tables.insert(TABLE.to_owned(), room);
        Ok(counters)
    }

    fn flows(&self) -> FlowRecords {
        self.simulated.flows()
    }

    async fn decide(
        &self,
        from: &NetworkInterfaceId,
        packet: &Packet,
    ) -> Result<Verdict, EngineError> {
        self.simulated.decide(from, packet).await
    }

    async fn teardown(&self) -> Result<(), EngineError> {
        self.simulated.teardown().await
    }
}
