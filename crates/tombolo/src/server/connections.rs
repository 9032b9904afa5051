//! How many connections there may be: of one listener, and of one source on it, so that whoever opens
//! many leaves room for the others.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tombolo_api::admission::Source;

use super::descriptors::connections_a_listener;

/// How many sources' shares are all connections of a listener.
const SHARES: usize = 4;

/// The connections of one listener.
#[derive(Clone)]
pub(super) struct Connections {
    all: Arc<Semaphore>,
    of_source: Arc<OfSource>,
}

struct OfSource {
    max: usize,
    /// Only sources with a connection are in it.
    open: Mutex<BTreeMap<Source, usize>>,
}

/// A place for a connection, which is free again when this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// A connection of a source's, counted until this is dropped.
pub(super) struct Admitted {
    source: Source,
    of_source: Arc<OfSource>,
    _place: Place,
}

impl Connections {
    /// As many as there are descriptors for.
    pub(super) fn new() -> Self {
        Self::at_most(connections_a_listener())
    }

    /// As many as `all`.
    pub(super) fn at_most(all: usize) -> Self {
        Connections {
            all: Arc::new(Semaphore::new(all)),
            of_source: Arc::new(OfSource {
                max: (all / SHARES).max(1),
                open: Mutex::default(),
            }),
        }
    }

    /// Waits for a place.
    pub(super) async fn place(&self) -> io::Result<Place> {
        let permit = self.all.clone().acquire_owned().await;
        // It is never closed.
        permit.map_err(io::Error::other)
    }

    /// Gives a connection of `source`'s the place, unless the source has its share.
    pub(super) fn admit(&self, source: Source, place: Place) -> Option<Admitted> {
        if source != Source::Exempt {
            let mut open = self.of_source.open();
            let count = open.entry(source).or_default();
            if *count >= self.of_source.max {
                return None;
            }
            *count += 1;
        }
        Some(Admitted {
            source,
            of_source: self.of_source.clone(),
            _place: place,
        })
    }
}

impl OfSource {
    // Each change is a whole one, so a panic elsewhere leaves nothing half-made.
    fn open(&self) -> MutexGuard<'_, BTreeMap<Source, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// Whose it is.
    pub(super) fn source(&self) -> Source {
        self.source
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.of_source.open();
        if let Some(count) = open.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_source_has_a_share_of_the_places_and_others_have_the_rest() {
        let connections = Connections::at_most(8);
        let source = |n| Source::V4(Ipv4Addr::new(127, 0, 0, n));
        let mut admitted = Vec::new();
        for n in 1..=2 {
            for _ in 0..2 {
                let place = connections.place().await.unwrap();
                admitted.push(connections.admit(source(n), place).unwrap());
            }
            let place = connections.place().await.unwrap();
            assert!(connections.admit(source(n), place).is_none());
        }
        // A balancer's are bounded by the places alone.
        for _ in 0..4 {
            let place = connections.place().await.unwrap();
            admitted.push(connections.admit(Source::Exempt, place).unwrap());
        }
        assert_eq!(connections.all.available_permits(), 0);
        drop(admitted);
        assert_eq!(connections.all.available_permits(), 8);
        assert!(connections.of_source.open().is_empty());
    }
}
