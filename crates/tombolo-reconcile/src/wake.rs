//! Wake-ups: the store's changes, as "look again", to whom they may concern.

use std::sync::Arc;

use tokio::sync::watch;
use tombolo_store::keys::Kind;
use tombolo_store::{Revision, Store, WatchError};

/// What the network reconciler reads.
const NETWORK: [Kind; 8] = [
    Kind::Vpc,
    Kind::Subnet,
    Kind::NetworkInterface,
    Kind::RouteTable,
    Kind::SecurityGroup,
    Kind::Connection,
    // A connection's next step may wait for these.
    Kind::Authorization,
    Kind::Fleet,
];
/// What the workers of fleets read.
const FLEETS: [Kind; 3] = [Kind::Fleet, Kind::Instance, Kind::Connection];

/// Wakes the reconcilers. Several wake-ups before somebody looks are one.
#[derive(Clone)]
pub(crate) struct Wake {
    network: Arc<watch::Sender<()>>,
    fleets: Arc<watch::Sender<()>>,
}

/// Waits for wake-ups.
pub(crate) type Wakes = watch::Receiver<()>;

impl Wake {
    pub(crate) fn new() -> Self {
        Wake {
            network: Arc::new(watch::Sender::new(())),
            fleets: Arc::new(watch::Sender::new(())),
        }
    }

    /// Wake-ups of the network reconciler; the first wait returns at once.
    pub(crate) fn network(&self) -> Wakes {
        subscribe(&self.network)
    }

    /// Wake-ups of fleets' workers; the first wait returns at once.
    pub(crate) fn fleets(&self) -> Wakes {
        subscribe(&self.fleets)
    }

    /// Wakes everybody.
    pub(crate) fn all(&self) {
        self.network.send_replace(());
        self.fleets.send_replace(());
    }

    /// Wakes those whom a change of one of `keys` may concern.
    fn of<'a>(&self, keys: impl Iterator<Item = &'a [u8]> + Clone) {
        let kinds = keys.map(|key| key.split(|byte| *byte == b'/').next().unwrap_or_default());
        let concerns = |wanted: &[Kind]| {
            kinds
                .clone()
                .any(|found| wanted.iter().any(|kind| kind.name().as_bytes() == found))
        };
        if concerns(&NETWORK) {
            self.network.send_replace(());
        }
        if concerns(&FLEETS) {
            self.fleets.send_replace(());
        }
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
