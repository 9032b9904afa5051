//! Transactions of the admin socket.

use anyhow::{Result, bail};
use tombolo_api::lookup::ScopedTransaction;
use tombolo_domain::principal::Principal;
use tombolo_domain::time::Clock;
use tombolo_store::typed::{Committed, Transaction};

use crate::server::Door;

/// How often a transaction is started over before the person is told to try again.
const ATTEMPTS: usize = 100;

impl Door {
    /// Runs `work` in a transaction and commits it, over again for as long as what it read changes
    /// meanwhile.
    pub(crate) async fn transact<T>(
        &self,
        work: impl AsyncFn(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let mut tx = Transaction::new(self.store.clone());
            let outcome = work(&mut tx).await?;
            if tx.commit().await? == Committed::Yes {
                return Ok(outcome);
            }
        }
        bail!("others changed the same records {ATTEMPTS} times meanwhile; try it again")
    }

    /// The same for what an account does, as an operation of its own would.
    pub(super) async fn transact_as<T>(
        &self,
        principal: &Principal,
        work: impl AsyncFn(&mut ScopedTransaction<'_>) -> Result<T>,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let mut tx = ScopedTransaction::new(self.store.clone(), principal, self.clock.now());
            let outcome = work(&mut tx).await?;
            if tx.commit().await? == Committed::Yes {
                return Ok(outcome);
            }
        }
        bail!("others changed the same records {ATTEMPTS} times meanwhile; try it again")
    }
}
