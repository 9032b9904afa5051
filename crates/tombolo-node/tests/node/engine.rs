//! An engine whose data path is small and that others meddle with, as a real one may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tombolo_domain::id::{NetworkInterfaceId, VpcPeeringConnectionId};
use tombolo_network::{
    Applied, EngineError, EngineKind, FlowRecords, Interface, Network, NetworkChange,
    NetworkEngine, Packet, Repair, RepairKind, Repairs, SecurityGroupNumber, SimulatedEngine,
    TableUsage, TrafficCounters, Verdict,
};

/// The table that fills up.
pub(crate) const TABLE: &str = "admissions";

pub(crate) struct Narrow {
    simulated: SimulatedEngine,
    /// How many peerings its tables take.
    peering_capacity: usize,
    /// How many entries of rules they take.
    rule_capacity: u64,
    /// What it was last given that fitted.
    applied: Mutex<Network>,
    /// How many whole networks it was given.
    whole: AtomicUsize,
    /// The changes that it was given.
    changes: Mutex<Vec<NetworkChange>>,
    /// The interfaces that it does not make.
    refused: Mutex<BTreeSet<NetworkInterfaceId>>,
    /// Whether it is counting the entries of its tables for ever.
    counting: AtomicBool,
    /// How many ports of each interface have players.
    players: Mutex<BTreeMap<NetworkInterfaceId, u32>>,
    /// What it will have found changed the next time that it looks.
    meddled: Mutex<Repairs>,
}

impl Narrow {
    pub(crate) fn with_peering_capacity(capacity: usize) -> Self {
        Narrow {
            simulated: SimulatedEngine::new(),
            peering_capacity: capacity,
            rule_capacity: u64::MAX,
            applied: Mutex::default(),
            whole: AtomicUsize::new(0),
            changes: Mutex::default(),
            refused: Mutex::default(),
            counting: AtomicBool::new(false),
            players: Mutex::default(),
            meddled: Mutex::default(),
        }
    }

    pub(crate) fn with_rule_capacity(capacity: u64) -> Self {
        Narrow {
            rule_capacity: capacity,
            ..Narrow::with_peering_capacity(usize::MAX)
        }
    }

    /// Does not make an interface from now on.
    pub(crate) fn refuse(&self, interface: &NetworkInterfaceId) {
        self.refused.lock().unwrap().insert(interface.clone());
    }

    /// Does not come to an end with counting the entries of its tables.
    pub(crate) fn never_counts(&self) {
        self.counting.store(true, Ordering::SeqCst);
    }

    /// How many whole networks it was given.
    pub(crate) fn whole_networks(&self) -> usize {
        self.whole.load(Ordering::SeqCst)
    }

    /// The changes that it was given.
    pub(crate) fn changes(&self) -> Vec<NetworkChange> {
        self.changes.lock().unwrap().clone()
    }

    /// Those of these interfaces that it does not make.
    fn failed<'a>(
        &self,
        interfaces: impl Iterator<Item = &'a NetworkInterfaceId>,
    ) -> BTreeMap<NetworkInterfaceId, String> {
        let refused = self.refused.lock().unwrap();
        let failed = interfaces.filter(|id| refused.contains(*id));
        failed
            .map(|id| (id.clone(), "it is refused".to_owned()))
            .collect()
    }

    fn check_capacity(&self, wanted: &Network) -> Result<(), EngineError> {
        if wanted.peerings.len() > self.peering_capacity {
            return Err(EngineError::Full {
                table: TABLE.to_owned(),
                needed: wanted.peerings.len() as u64,
                capacity: self.peering_capacity as u64,
            });
        }
        let groups = wanted.security_groups.values();
        let entries = groups.map(|group| group.entries().total()).sum();
        if entries > self.rule_capacity {
            return Err(EngineError::Full {
                table: "rule_ports".to_owned(),
                needed: entries,
                capacity: self.rule_capacity,
            });
        }
        Ok(())
    }

    /// How many rules each security group has that is in force, by its number.
    pub(crate) fn rules_in_force(&self) -> BTreeMap<SecurityGroupNumber, usize> {
        let network = self.applied.lock().unwrap();
        let groups = network.security_groups.iter();
        groups
            .map(|(number, group)| (*number, group.rules.len()))
            .collect()
    }

    /// Whether packets pass by a peering connection.
    pub(crate) fn has_peering(&self, id: &VpcPeeringConnectionId) -> bool {
        self.applied.lock().unwrap().peerings.contains_key(id)
    }

    /// An interface that is in force.
    pub(crate) fn interface(&self, id: &NetworkInterfaceId) -> Option<Interface> {
        self.applied.lock().unwrap().interfaces.get(id).cloned()
    }

    /// Has players at so many of an interface's ports.
    pub(crate) fn has_players(&self, interface: &NetworkInterfaceId, ports: u32) {
        let mut players = self.players.lock().unwrap();
        players.insert(interface.clone(), ports);
    }

    /// Has `count` links deleted by somebody.
    pub(crate) fn meddle(&self, count: usize) {
        let link = |number| Repair {
            what: RepairKind::Interface,
            found: format!("the link number {number} was gone"),
        };
        *self.meddled.lock().unwrap() = Repairs {
            listed: (0..count.min(Repairs::MAX_LISTED)).map(link).collect(),
            unlisted: count.saturating_sub(Repairs::MAX_LISTED),
        };
    }
}

#[async_trait]
impl NetworkEngine for Narrow {
    fn kind(&self) -> EngineKind {
        self.simulated.kind()
    }

    async fn apply(&self, wanted: &Network) -> Result<Applied, EngineError> {
        self.check_capacity(wanted)?;
        let applied = self.simulated.apply(wanted).await?;
        *self.applied.lock().unwrap() = wanted.clone();
        self.whole.fetch_add(1, Ordering::SeqCst);
        Ok(Applied {
            failed: self.failed(wanted.interfaces.keys()),
            repairs: std::mem::take(&mut *self.meddled.lock().unwrap()),
            ..applied
        })
    }

    async fn change(&self, change: NetworkChange) -> Result<Applied, EngineError> {
        let mut wanted = self.applied.lock().unwrap().clone();
        wanted.change(change.clone());
        self.check_capacity(&wanted)?;
        let applied = self.simulated.change(change.clone()).await?;
        *self.applied.lock().unwrap() = wanted;
        let wanted = change.interfaces.iter().filter(|(_, one)| one.is_some());
        let failed = self.failed(wanted.map(|(id, _)| id));
        self.changes.lock().unwrap().push(change);
        Ok(Applied {
            failed,
            // An engine may look at all that is there whenever it is asked for something.
            repairs: std::mem::take(&mut *self.meddled.lock().unwrap()),
            ..applied
        })
    }

    fn namespace(&self, interface: &NetworkInterfaceId) -> Option<PathBuf> {
        self.simulated.namespace(interface)
    }

    async fn traffic(&self) -> Result<TrafficCounters, EngineError> {
        self.simulated.traffic().await
    }

    async fn tables(&self) -> Result<BTreeMap<String, TableUsage>, EngineError> {
        if self.counting.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let usage = TableUsage {
            used: 0,
            capacity: self.peering_capacity as u64,
        };
        Ok([(TABLE.to_owned(), usage)].into())
    }

    async fn active_ports(&self) -> Result<BTreeMap<NetworkInterfaceId, u32>, EngineError> {
        Ok(self.players.lock().unwrap().clone())
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
