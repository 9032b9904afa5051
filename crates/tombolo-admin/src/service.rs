//! What the operator's views and verbs work on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tombolo_api::bound;
use tombolo_api::lookup::ScopedTransaction;
use tombolo_api::operation::Settings;
use tombolo_domain::Scope;
use tombolo_domain::account::Account;
use tombolo_domain::host::HostBoot;
use tombolo_domain::id::{IdSource, NetworkInterfaceId, Region};
use tombolo_domain::principal::Principal;
use tombolo_domain::time::Clock;
use tombolo_network::{EngineKind, NetworkEngine};
use tombolo_store::typed::{Attempts, Committed, OverBound, Transaction};
use tombolo_store::{Overtaken, Store, keys};
use tombolo_tasks::Tasks;

use crate::hint::hinted;
use crate::message::{DescribeServer, Mode, ServerDescription};
use crate::server_clock::ServerClock;

/// The operator's view of one server, and what the operator can do to it.
///
/// The methods need no socket: [`server`](crate::server) answers with them over HTTP, and whoever
/// runs in the server's process calls them.
pub struct AdminService {
    /// The data directory.
    pub directory: PathBuf,
    /// Where builds' files are.
    pub builds: PathBuf,
    /// Where the API is.
    pub endpoint: String,
    /// What started the server.
    pub mode: Mode,
    /// Whether packets flow.
    pub network: EngineKind,
    /// What moves them, asked what it counts and decides.
    pub engine: Arc<dyn NetworkEngine>,
    /// The Regions.
    pub settings: Settings,
    /// Which host the server runs on, and which boot of it.
    pub host: HostBoot,
    /// Where everything is.
    pub store: Arc<dyn Store>,
    /// The server's time.
    pub clock: Arc<ServerClock>,
    /// Where ids and secrets come from.
    pub ids: Arc<dyn IdSource>,
    /// What makes desired state so.
    pub node: Arc<dyn NodeHandle>,
    /// How the server's loops are.
    pub tasks: Tasks,
    /// Cancelled when the server stops: streams end then.
    pub stopping: CancellationToken,
}

/// The part of the server that makes desired state so, as verbs use it.
#[async_trait]
pub trait NodeHandle: Send + Sync {
    /// Wakes every reconciler, for instance after the clock was moved. Does nothing while the
    /// server is stopping.
    async fn wake(&self);

    /// The network namespace of an attached interface, as soon as the engine has made it.
    ///
    /// # Errors
    /// The engine did not make it within `deadline`, or the server is stopping.
    async fn namespace_of(
        &self,
        interface: &NetworkInterfaceId,
        deadline: Duration,
    ) -> Result<PathBuf>;
}

impl AdminService {
    /// Where the server is and what it runs on.
    pub async fn describe_server(&self, _: DescribeServer) -> Result<ServerDescription> {
        Ok(ServerDescription {
            endpoint: self.endpoint.clone(),
            mode: self.mode,
            network: self.network,
            regions: self.settings.regions.clone(),
        })
    }

    /// A transaction that only reads.
    pub(crate) fn read(&self) -> Transaction {
        Transaction::new(self.store.clone())
    }

    /// Who acts for an account in a Region; in the server's first if none is named.
    pub(crate) fn principal(&self, account: &Account, region: Option<Region>) -> Result<Principal> {
        let regions = &self.settings.regions;
        let region = match region {
            Some(region) if regions.contains(&region) => region,
            Some(region) => {
                let served: Vec<_> = regions.iter().map(Region::as_str).collect();
                return Err(hinted(
                    format!("this server is not in the Region {region}"),
                    format!("its Regions are {}", served.join(", ")),
                ));
            }
            // Settings have at least one Region: the configuration and `dev` see to it.
            None => regions
                .first()
                .cloned()
                .ok_or_else(|| anyhow!("this server has no Region"))?,
        };
        let scope = Scope {
            account: account.id,
            region,
        };
        #[expect(clippy::disallowed_methods, reason = "this is the admin socket")]
        let principal = Principal::admin(scope);
        Ok(principal)
    }

    /// Runs `work` in a transaction and commits it, over again for as long as what it read changes
    /// meanwhile.
    pub(crate) async fn transact<T>(
        &self,
        work: impl AsyncFn(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let mut attempts = Attempts::default();
        loop {
            let mut tx = Transaction::new(self.store.clone());
            let outcome = work(&mut tx).await?;
            let over = tx.over_bound(&self.settings.quotas, self.clock.now());
            over.await?.map_or(Ok(()), |over| Err(over_bound(&over)))?;
            if tx.commit().await? == Committed::Yes {
                return Ok(outcome);
            }
            attempts.after_conflict().await.map_err(try_again)?;
        }
    }

    /// The same for what an account does, as an operation of its own would.
    pub(crate) async fn transact_as<T>(
        &self,
        principal: &Principal,
        work: impl AsyncFn(&mut ScopedTransaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut attempts = Attempts::default();
        loop {
            let mut tx = ScopedTransaction::new(self.store.clone(), principal, self.clock.now())
                .within(self.settings.quotas);
            let outcome = work(&mut tx).await?;
            let over = tx.over_bound().await?;
            over.map_or(Ok(()), |over| Err(over_bound(&over)))?;
            if tx.commit().await? == Committed::Yes {
                return Ok(outcome);
            }
            attempts.after_conflict().await.map_err(try_again)?;
        }
    }
}

/// What the operator is told whose change would pass a bound.
fn over_bound(over: &OverBound) -> Error {
    let hint = match over.quota {
        Some(quota) => format!(
            "`tombolo account quota set` gives the account more {}",
            quota.things()
        ),
        None => "a server has no more; delete what is not used".to_owned(),
    };
    hinted(bound::message(over), hint)
}

/// What the operator is told whose change others others overtook each time.
fn try_again(Overtaken { attempts }: Overtaken) -> Error {
    anyhow!("others changed the same records {attempts} times meanwhile; try it again")
}

/// The account that is called `name` here or has these 12 digits.
pub(crate) async fn find_account(tx: &mut Transaction, name: &str) -> Result<Account> {
    let id = match (name.parse(), name.parse()) {
        (Ok(id), _) => Some(id),
        (Err(_), Ok(name)) => tx.get(&keys::account_name(&name)).await?,
        (Err(_), Err(_)) => None,
    };
    let account = match id {
        Some(id) => tx.get(&keys::account(id)).await?,
        None => None,
    };
    account.ok_or_else(|| {
        hinted(
            format!("there is no account {name:?} on this server"),
            "`tombolo account list` shows those that there are",
        )
    })
}
