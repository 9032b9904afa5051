//! Wake-ups: the store's changes, as "look again".

use std::sync::Arc;

use tokio::sync::watch;
use tombolo_store::{Revision, Store, WatchError};

/// Wakes whoever has subscribed. Several wake-ups before somebody looks are one.
#[derive(Clone)]
pub(crate) struct Wake(Arc<watch::Sender<()>>);

/// Waits for wake-ups.
pub(crate) type Wakes = watch::Receiver<()>;

impl Wake {
    pub(crate) fn new() -> Self {
        Wake(Arc::new(watch::Sender::new(())))
    }

    /// A subscriber whose first wait returns at once.
    pub(crate) fn subscribe(&self) -> Wakes {
        let mut wakes = self.0.subscribe();
        wakes.mark_changed();
        wakes
    }

    /// Wakes everybody.
    pub(crate) fn all(&self) {
        self.0.send_replace(());
    }
}

/// Wakes everybody at every change of the store, until the store is closed.
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
                    wake.all();
                }
                Err(WatchError::Compacted(_)) => continue 'read_again,
                Err(WatchError::Closed) => return,
            }
        }
    }
}
