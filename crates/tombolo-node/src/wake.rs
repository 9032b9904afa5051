//! Wake-ups: the store's changes, as "look again", to whom they may concern.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tombolo_domain::id::FleetId;
use tombolo_domain::peering::Asker;
use tombolo_store::keys::{AnyKey, ConnectionKey, FleetKey, InstanceKey, Kind, ScalingPolicyKey};
use tombolo_store::{Revision, Store, WatchError};

/// What the network reconciler reads. Of instances it reads how players reach them, which the
/// public ports tell of; that a supervisor reported something does not concern it.
const NETWORK: [Kind; 9] = [
    Kind::Vpc,
    Kind::Subnet,
    Kind::NetworkInterface,
    Kind::RouteTable,
    Kind::SecurityGroup,
    Kind::Connection,
    // A connection's next step may wait for these.
    Kind::Authorization,
    Kind::Fleet,
    Kind::PublicPort,
];
/// What the build reconciler reads.
const BUILDS: [Kind; 3] = [Kind::Build, Kind::Object, Kind::UnusedBlob];

/// Wakes the reconcilers. Several wake-ups before somebody looks are one.
#[derive(Clone)]
pub(crate) struct Wake {
    network: Arc<watch::Sender<()>>,
    /// Whoever looks for fleets that have no worker.
    fleets: Arc<watch::Sender<()>>,
    /// The workers, by their fleets' ids: what happens to one of a hundred fleets is no matter of
    /// the others.
    each: Arc<Mutex<BTreeMap<FleetId, watch::Sender<()>>>>,
    builds: Arc<watch::Sender<()>>,
}

/// Waits for wake-ups.
pub(crate) type Wakes = watch::Receiver<()>;

impl Wake {
    pub(crate) fn new() -> Self {
        Wake {
            network: Arc::new(watch::Sender::new(())),
            fleets: Arc::new(watch::Sender::new(())),
            each: Arc::default(),
            builds: Arc::new(watch::Sender::new(())),
        }
    }

    /// Wake-ups of the network reconciler; the first wait returns at once.
    pub(crate) fn network(&self) -> Wakes {
        subscribe(&self.network)
    }

    /// Wake-ups of who starts fleets' workers; the first wait returns at once.
    pub(crate) fn fleets(&self) -> Wakes {
        subscribe(&self.fleets)
    }

    /// Wake-ups of one fleet's worker; the first wait returns at once.
    pub(crate) fn fleet(&self, fleet: &FleetId) -> Wakes {
        let mut each = self.each();
        each.retain(|_, worker| worker.receiver_count() > 0);
        subscribe(each.entry(fleet.clone()).or_default())
    }

    /// Wake-ups of the build reconciler; the first wait returns at once.
    pub(crate) fn builds(&self) -> Wakes {
        subscribe(&self.builds)
    }

    /// Wakes everybody.
    pub(crate) fn all(&self) {
        self.network.send_replace(());
        self.fleets.send_replace(());
        for worker in self.each().values() {
            worker.send_replace(());
        }
        self.builds.send_replace(());
    }

    /// Wakes those whom a change of one of `keys` may concern.
    fn of<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) {
        let mut network = false;
        let mut fleets = false;
        let mut builds = false;
        let each = self.each();
        for key in keys {
            let key = match AnyKey::parse(key) {
                Ok(key) => key,
                Err(error) => {
                    tracing::error!(%error, "something was written that concerns nobody");
                    continue;
                }
            };
            network |= NETWORK.contains(&key.kind());
            fleets |= key.kind() == Kind::Fleet;
            builds |= BUILDS.contains(&key.kind());
            if let Some(worker) = fleet_of(&key).and_then(|fleet| each.get(fleet)) {
                worker.send_replace(());
            }
        }
        if network {
            self.network.send_replace(());
        }
        if fleets {
            self.fleets.send_replace(());
        }
        if builds {
            self.builds.send_replace(());
        }
    }

    fn each(&self) -> MutexGuard<'_, BTreeMap<FleetId, watch::Sender<()>>> {
        // Each change is whole, so a panic elsewhere leaves no half-made state.
        self.each.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fleet whose worker reads what is kept under `key`.
fn fleet_of(key: &AnyKey) -> Option<&FleetId> {
    match key {
        AnyKey::Fleet(FleetKey { fleet, .. })
        | AnyKey::Instance(InstanceKey { fleet, .. })
        | AnyKey::ScalingPolicy(ScalingPolicyKey { fleet, .. })
        | AnyKey::Connection(ConnectionKey {
            asker: Asker::Fleet(fleet),
            ..
        }) => Some(fleet),
        _ => None,
    }
}

fn subscribe(sender: &watch::Sender<()>) -> Wakes {
    let mut wakes = sender.subscribe();
    wakes.mark_changed();
    wakes
}

/// Wakes the reconcilers at the store's changes, until the store is closed.
pub(crate) async fn follow(store: Arc<dyn Store>, wake: Wake) {
    let mut seen = Revision(0);
    'read_again: loop {
        seen = seen.max(store.revision());
        let mut changes = store.watch(b"", seen);
        wake.all();
        loop {
            match changes.next().await {
                Ok(events) => {
                    seen = events.last().map_or(seen, |event| event.revision);
                    wake.of(events.iter().map(|event| &event.key[..]));
                }
                Err(WatchError::Compacted(_)) => continue 'read_again,
                Err(WatchError::Closed) => return,
            }
        }
    }
}
