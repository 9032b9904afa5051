//! How an operation runs: as one transaction, started over when something it read has changed.
//!
//! A handler is `async fn(&mut Transaction, &Call<'_>, Input) -> Result<Output, ApiError>`. It
//! reads and writes the store through the transaction, so running it again is always safe. All
//! that it takes from elsewhere are numbers for what it makes, which are given back when the run
//! comes to nothing.
//!
//! **Architecture invariant:** no handler commits, sleeps, or talks to a network or a process.

pub mod build;
mod call;
pub mod interface;
mod number;
pub(crate) mod peering;
mod room;
mod route;
pub(crate) mod tag;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod vpc;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::fleet::PublicAddress;
use tombolo_domain::id::{IdSource, Region};
use tombolo_domain::quota::Quotas;
use tombolo_domain::room::Room;
use tombolo_domain::time::Clock;
use tombolo_store::Store;
use tombolo_store::typed::{Committed, Transaction};

use crate::error::{ApiError, ErrorKind};
use crate::http::{Caller, Dispatch};
use crate::model::{Document, ServiceName};

pub use call::Call;
use number::Numbers;

/// How often an operation is started over before the client is told to try again. Each conflict
/// means that somebody else's transaction went through, so this bounds unfairness, not progress.
const ATTEMPTS: usize = 100;

/// After how many of them an operation waits for its turn among those that lost as often, so that
/// each has only newcomers to race against, however many there are.
const UNORDERED: usize = 8;

/// Runs every operation.
pub struct Operations {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    settings: Settings,
    numbers: Numbers,
    room: watch::Receiver<Room>,
    turn: tokio::sync::Mutex<()>,
}

/// What the server's configuration decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Regions that this server is.
    pub regions: Vec<Region>,
    /// Where fleets' blocks of addresses come from.
    pub address_plan: AddressPlan,
    /// How much of everything there may be.
    pub quotas: Quotas,
    /// Where players reach instances; `None` is nowhere.
    pub public: Option<PublicAddress>,
}

impl Operations {
    /// Operations on what is in `store`. A store has one of these at a time.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        settings: Settings,
    ) -> Self {
        Operations {
            store,
            clock,
            ids,
            settings,
            numbers: Numbers::default(),
            // Nothing is known of the network's tables, so they have room.
            room: watch::Sender::default().subscribe(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The same, refusing what the network has no room for by what `room` shows.
    pub fn within(self, room: watch::Receiver<Room>) -> Self {
        Operations { room, ..self }
    }

    /// Runs a handler once. `None`: something that it read has changed meanwhile, and nothing was
    /// written.
    async fn attempt(
        &self,
        service: ServiceName,
        operation: &'static str,
        caller: &Caller,
        input: &Document,
    ) -> Result<Option<Document>, ApiError> {
        let mut tx = Transaction::new(self.store.clone());
        let numbers = self.numbers.draw();
        let call = Call {
            caller,
            now: self.clock.now(),
            ids: &*self.ids,
            numbers: &numbers,
            settings: &self.settings,
        };
        match route::route(service, operation, &mut tx, &call, input).await {
            Err(error) => {
                numbers.abandoned();
                // Records that contradict each other may have been read at different times.
                let is_torn = error.kind() == ErrorKind::Internal
                    && matches!(tx.check().await, Ok(Committed::Conflict));
                if is_torn { Ok(None) } else { Err(error) }
            }
            Ok(_) if is_dry_run(input) => {
                numbers.abandoned();
                Err(ApiError::dry_run())
            }
            Ok(output) => match tx.commit().await? {
                Committed::Yes => {
                    numbers.committed();
                    Ok(Some(output))
                }
                Committed::Conflict => {
                    numbers.abandoned();
                    Ok(None)
                }
            },
        }
    }
}

fn is_dry_run(input: &Document) -> bool {
    let dry_run = input.get("DryRun").and_then(Document::as_bool);
    dry_run.unwrap_or(false)
}

#[async_trait]
impl Dispatch for Operations {
    async fn call(
        &self,
        service: ServiceName,
        operation: &'static str,
        caller: &Caller,
        input: Document,
    ) -> Result<Document, ApiError> {
        room::check(&self.room.borrow(), service, operation)?;
        let attempt = || self.attempt(service, operation, caller, &input);
        for _ in 0..UNORDERED {
            if let Some(output) = attempt().await? {
                return Ok(output);
            }
        }
        let _turn = self.turn.lock().await;
        for _ in UNORDERED..ATTEMPTS {
            if let Some(output) = attempt().await? {
                return Ok(output);
            }
        }
        Err(ApiError::new(
            ErrorKind::Busy,
            format!(
                "{operation} met other changes of the same resources {ATTEMPTS} times; try it again."
            ),
        ))
    }
}
