//! How an operation runs: as one transaction, started over when something it read has changed.
//!
//! A handler is `async fn(&mut Transaction, &Call<'_>, Input) -> Result<Output, ApiError>`. It
//! reads and writes the store through the transaction and touches nothing else, so running it
//! again is always safe.
//!
//! **Architecture invariant:** no handler commits, sleeps, or talks to a network or a process.

pub mod build;
mod call;
pub mod interface;
mod route;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod vpc;

use std::sync::Arc;

use async_trait::async_trait;
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::id::{IdSource, Region};
use tombolo_domain::time::Clock;
use tombolo_store::Store;
use tombolo_store::typed::{Committed, Transaction};

use crate::error::{ApiError, ErrorKind};
use crate::http::{Caller, Dispatch};
use crate::model::{Document, ServiceName};

pub use call::Call;

/// How often an operation is started over before the client is told to try again. Each conflict
/// means that somebody else's transaction went through, so this bounds unfairness, not progress.
const ATTEMPTS: usize = 100;

/// What every operation needs.
pub struct Operations {
    /// Where everything is.
    pub store: Arc<dyn Store>,
    /// The server's time.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn IdSource>,
    /// What cannot be asked of the store.
    pub settings: Settings,
}

/// What the server's configuration decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Regions that this server is.
    pub regions: Vec<Region>,
    /// Where fleets' blocks of addresses come from.
    pub address_plan: AddressPlan,
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
        let dry_run = input
            .get("DryRun")
            .and_then(Document::as_bool)
            .unwrap_or(false);
        for _ in 0..ATTEMPTS {
            let mut tx = Transaction::new(self.store.clone());
            let call = Call {
                caller,
                now: self.clock.now(),
                ids: &*self.ids,
                settings: &self.settings,
            };
            let output = route::route(service, operation, &mut tx, &call, &input).await?;
            if dry_run {
                return Err(ApiError::dry_run());
            }
            if tx.commit().await? == Committed::Yes {
                return Ok(output);
            }
        }
        Err(ApiError::new(
            ErrorKind::Conflict,
            format!(
                "{operation} met other changes of the same resources {ATTEMPTS} times; try it again"
            ),
        ))
    }
}
