//! How an operation runs: as one transaction, started over when something it read has changed.
//!
//! A handler is `async fn(&mut ScopedTransaction, &Call<'_>, Input) -> Result<Output, ApiError<E>>`,
//! where `E` is its service's enum of errors. It reads and writes the store through the transaction,
//! so running it again is always safe. All that it takes from elsewhere are numbers for what it
//! makes, which are released when nothing was committed.
//!
//! **Architecture invariant:** no handler commits, sleeps, or talks to a network or a process.

pub mod build;
mod call;
pub(crate) mod capacity;
pub(crate) mod definition;
pub(crate) mod format;
mod number;
mod rule_share;
pub(crate) mod vpc;

pub use call::Call;
pub use definition::{Docs, Operation, ResourceType, Support};

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tombolo_domain::Timestamp;
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::fleet::PublicAddress;
use tombolo_domain::id::{IdSource, Region};
use tombolo_domain::principal::Principal;
use tombolo_domain::quota::Quotas;
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_domain::time::Clock;
use tombolo_store::typed::{Attempts, Committed};
use tombolo_store::{Revision, Store};

use self::number::NumberAllocator;
use self::rule_share::{RuleShares, Shares};
use crate::error::{ApiError, CommonError, Refusal};
use crate::lookup::ScopedTransaction;
use crate::model::Document;

/// After how many conflicts an operation waits for its turn among those that lost as often, so that
/// each has only newcomers to race against, however many there are.
const UNORDERED_ATTEMPTS: usize = 8;

/// What came of running a handler once.
enum Attempt {
    Done(Document),
    /// Something that it read has changed meanwhile, and nothing was written.
    Conflict,
    /// There were too few numbers in memory, and nothing was written.
    LackedNumbers,
    /// How many entries the account's rules take has to be counted first; nothing was written.
    LackedRuleCount,
}

/// Runs every operation.
pub struct Operations {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    settings: Settings,
    numbers: NumberAllocator,
    rule_shares: RuleShares,
    table_capacity: watch::Receiver<TableCapacity>,
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
            numbers: NumberAllocator::default(),
            rule_shares: RuleShares::default(),
            // Nothing is known of the network's tables, so nothing is refused for them.
            table_capacity: watch::Sender::default().subscribe(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The same, refusing what exceeds the capacity of the network's tables.
    pub fn with_table_capacity(self, table_capacity: watch::Receiver<TableCapacity>) -> Self {
        Operations {
            table_capacity,
            ..self
        }
    }

    /// The same, giving a number in the data path again only once `in_force` shows that every host
    /// has the network of a later revision in force.
    pub fn reusing_numbers_after(self, in_force: watch::Receiver<Revision>) -> Self {
        Operations {
            numbers: NumberAllocator::after(in_force),
            ..self
        }
    }

    /// What one account may have of the tables of rules.
    fn shares(&self) -> Shares {
        let tables = self.table_capacity.borrow();
        Shares {
            blocks: tables.share(rule_share::BLOCKS),
            ports: tables.share(rule_share::PORTS),
        }
    }

    fn begin<'p>(&self, principal: &'p Principal, now: Timestamp) -> ScopedTransaction<'p> {
        let tx = ScopedTransaction::new(self.store.clone(), principal, now);
        tx.within(self.settings.quotas)
    }

    /// Runs a handler once.
    async fn attempt(
        &self,
        operation: &'static Operation,
        principal: &Principal,
        input: &Document,
        are_rules_counted: bool,
    ) -> Result<Attempt, Refusal> {
        let now = self.clock.now();
        let mut tx = self.begin(principal, now);
        let numbers = self.numbers.reserve();
        let account = principal.account();
        let rules = (self.rule_shares).reserve(account, self.shares(), are_rules_counted);
        let call = Call {
            operation,
            principal,
            now,
            ids: &*self.ids,
            numbers: &numbers,
            rules: &rules,
            settings: &self.settings,
        };
        match (operation.handler)(&mut tx, &call, input).await {
            Err(_) if rules.needs_count() => {
                numbers.abandoned();
                let mut tx = self.begin(principal, now);
                let counted = self.rule_shares.count(&mut tx, &self.settings.regions);
                let counted = counted.await.map_err(ApiError::from);
                counted.map_err(operation.refuse)?;
                Ok(Attempt::LackedRuleCount)
            }
            Err(_) if numbers.is_lacking() => {
                rules.abandoned();
                numbers.abandoned();
                let begin = || ScopedTransaction::new(self.store.clone(), principal, now);
                let filled = self.numbers.fill(begin, || self.store.revision()).await;
                Ok(match filled.map_err(operation.refuse)? {
                    Committed::Yes => Attempt::LackedNumbers,
                    Committed::Conflict => Attempt::Conflict,
                })
            }
            Err(error) => {
                numbers.abandoned();
                rules.abandoned();
                // Records that contradict each other may have been read at different times.
                let is_torn =
                    error.is_internal() && matches!(tx.check().await, Ok(Committed::Conflict));
                if is_torn {
                    Ok(Attempt::Conflict)
                } else {
                    Err(error)
                }
            }
            Ok(output) => match tx.commit().await {
                Ok(Committed::Yes) => Ok(Attempt::Done(output)),
                Ok(Committed::Conflict) => {
                    numbers.abandoned();
                    rules.abandoned();
                    Ok(Attempt::Conflict)
                }
                Err(error) => Err((operation.refuse)(error.into())),
            },
        }
    }
}

#[async_trait]
impl Dispatch for Operations {
    async fn call(
        &self,
        operation: &'static Operation,
        principal: &Principal,
        input: Document,
    ) -> Result<Document, Refusal> {
        capacity::check(&self.table_capacity.borrow(), operation).map_err(operation.refuse)?;
        let crowded = self.table_capacity.borrow().crowded(operation.fills);
        if !crowded.is_empty() {
            let mut tx = self.begin(principal, self.clock.now());
            let regions = &self.settings.regions;
            let rules = &self.rule_shares;
            let share = capacity::check_share(&mut tx, rules, &crowded, regions, operation);
            share.await.map_err(operation.refuse)?;
        }
        let (mut attempts, mut turn) = (Attempts::default(), None);
        let mut are_rules_counted = false;
        let overtaken = loop {
            let attempt = self.attempt(operation, principal, &input, are_rules_counted);
            match attempt.await? {
                Attempt::Done(output) => return Ok(output),
                Attempt::LackedRuleCount => {
                    are_rules_counted = true;
                    continue;
                }
                // There are some now, unless others were faster: then more are reserved.
                Attempt::LackedNumbers => continue,
                Attempt::Conflict => {}
            }
            if let Err(overtaken) = attempts.after_conflict().await {
                break overtaken;
            }
            if turn.is_none() && attempts.lost() >= UNORDERED_ATTEMPTS {
                turn = Some(self.turn.lock().await);
                attempts.restart_waits();
            }
        };
        let busy = ApiError::new(
            CommonError::Busy,
            format!(
                "{} met other changes of the same resources {} times; try it again.",
                operation.name, overtaken.attempts
            ),
        );
        Err((operation.refuse)(busy))
    }
}

/// Carries out operations. Implemented by the handlers; called with verified principals, served
/// operations and validated input only.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Carries out `operation` with `input`, a map of the members of the operation's input shape
    /// by the model's member names, and gives the members of its output shape.
    ///
    /// # Errors
    /// The operation refuses, or the server failed.
    async fn call(
        &self,
        operation: &'static Operation,
        principal: &Principal,
        input: Document,
    ) -> Result<Document, Refusal>;
}
