//! The network of this machine: the engine has what the store wants.
//!
//! One round:
//! 1. What has changed of the [records](mirror) is [given](applier) to the engine, as the change of the
//!    network that it means. At the start, after a failure, and while something does not fit, it is given
//!    the whole network. If that does not fit, [something is evicted](capacity). An interface that could
//!    not be made is [tried again](retries) by itself. Every 15 s, whatever changes meanwhile, the engine
//!    looks at all that is there, and less often where that takes longer than a tenth of it.
//! 2. What the engine has put in force is [to be reported](outbox): connections whose packets it now
//!    lets through, connections of which it lets none through any more, what it found changed behind
//!    its back.
//!
//! Reports are [made](reporter) beside it, and [tables](tables) counted after them: the next change
//! waits for neither.
//!
//! The first report tells of the host too: a host that is known has its network.
//!
//! A connection is reported only after the engine has it so, and is reported again until the store
//! says that it was heard.

mod applier;
mod capacity;
mod mirror;
mod outbox;
mod repair;
mod reporter;
mod retries;
mod status;
mod tables;
mod wanted;
#[cfg(debug_assertions)]
mod whole;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;
use tombolo_controller::Reports;
use tombolo_domain::vpc::SecurityGroupNumber;
use tombolo_network::EngineError;
use tombolo_store::keys::Kind;
use tombolo_store::{StoreError, Wakes, WatchError};
use tombolo_tasks::{Loops, Reason, reason_to_run};

use applier::Applier;
use mirror::{Following, HearError};
use outbox::{Outbox, Report};

pub(crate) use status::NetworkStatus;

use crate::Context;

/// What the network is made from. Of instances it reads how players reach them, which the public
/// ports tell of; that a supervisor reported something does not concern it. When numbers are reserved
/// it is asked which network is in force, though nothing of that changed.
pub(crate) const READS: [Kind; 9] = [
    Kind::VpcNumber,
    Kind::Vpc,
    Kind::Subnet,
    Kind::NetworkInterface,
    Kind::RouteTable,
    Kind::SecurityGroup,
    Kind::Connection,
    Kind::Fleet,
    Kind::PublicPort,
];

/// How long to wait at most before looking for drift.
const RESYNC: Duration = Duration::from_secs(15);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("using the store")]
    Store(#[from] StoreError),
    #[error("applying the wanted network")]
    Engine(#[from] EngineError),
}

/// The loop's name.
const TASK: &str = "node/network";

/// Starts the loop, and those that report and count what it has done.
pub(crate) fn spawn(
    loops: &mut Loops,
    context: Context,
    reports: Arc<dyn Reports>,
    wakes: Wakes,
    status: watch::Sender<NetworkStatus>,
) {
    let outbox = Outbox::new();
    let (counts, changed) = watch::channel(());
    let reporter = reporter::run(context.clone(), reports, outbox.clone(), counts);
    loops.spawn(reporter::TASK, reporter);
    loops.spawn(tables::TASK, tables::run(context.clone(), changed));
    loops.spawn(TASK, run(context, outbox, wakes, status));
}

async fn run(
    context: Context,
    outbox: Arc<Outbox>,
    mut wakes: Wakes,
    status: watch::Sender<NetworkStatus>,
) {
    let purpose = "gives the network engine what the store wants";
    let task = context.tasks.task(TASK, purpose, RESYNC);
    let applier = Applier::new(context.engine.clone(), outbox.clone(), status);
    let mut reconciler = Reconciler {
        context,
        outbox,
        following: None,
        applier,
        logged: BTreeSet::new(),
    };
    loop {
        let mut reason = reconciler.wait(&mut wakes).await;
        while let Err(error) = task.run(reason, reconciler.round()).await {
            if let RoundError::Engine(_) = error {
                reconciler.applier.forget();
            }
            sleep(RETRY).await;
            reason = Reason::Again;
        }
    }
}

struct Reconciler {
    context: Context,
    outbox: Arc<Outbox>,
    /// What is wanted; `None` before it was read, or when changes of it were missed.
    following: Option<Following>,
    applier: Applier,
    /// The security groups that the log names as closed.
    logged: BTreeSet<SecurityGroupNumber>,
}

impl Reconciler {
    /// Waits until there is something to do, and meanwhile hears what becomes of the records, so that
    /// no change is forgotten by the store before it was heard.
    async fn wait(&mut self, wakes: &mut Wakes) -> Reason {
        let mut reason = pin!(reason_to_run(wakes, self.applier.pause()));
        loop {
            let Some(following) = &mut self.following else {
                return reason.await;
            };
            select! {
                reason = &mut reason => return reason,
                heard = following.next() => if heard.is_err() {
                    // They are read anew.
                    self.following = None;
                }
            }
        }
    }

    async fn round(&mut self) -> Result<(), RoundError> {
        // What is written from here on may be heard, or not.
        let revision = self.context.store.revision().await?;
        self.catch_up().await?;
        let Some(Following { mirror, .. }) = &mut self.following else {
            return Err(StoreError::Closed.into());
        };
        let taken = mirror.take();
        let (provisioning, deleting) = (mirror.provisioning(), mirror.deleting());
        let given = self.applier.give(mirror.network(), taken, &provisioning);
        let mut full = given.await?;
        if full.is_none() {
            self.outbox.push(Report::InForce {
                revision,
                provisioned: provisioning.clone(),
                removed: deleting,
            });
            if self.applier.is_due() {
                full = self.applier.look(mirror.network(), &provisioning).await?;
            }
        }
        if let Some(full) = full {
            // What follows from it wakes this loop, which then sees whether the rest fits.
            self.outbox.push(Report::Refused {
                revision,
                full,
                provisioning,
            });
        }
        self.log_evicted();
        Ok(())
    }

    /// Names the security groups whose rules do not fit, each once.
    fn log_evicted(&mut self) {
        let evicted = self.applier.evicted();
        for number in evicted.difference(&self.logged) {
            let mirror = self.following.as_ref().map(|following| &following.mirror);
            let group = mirror.and_then(|mirror| mirror.group_id(*number));
            tracing::error!(
                group = group.map(tracing::field::display),
                "the data path has no room for the rules of a security group, and its interfaces \
                 are closed but for their other groups; delete rules that are no longer needed"
            );
        }
        self.logged.clone_from(evicted);
    }

    /// Has the mirror hear what the store has acknowledged by now. It is there afterwards.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        loop {
            let following = match self.following.take() {
                Some(following) => following,
                None => {
                    self.applier.forget();
                    Following::start(&self.context).await?
                }
            };
            match self.following.insert(following).catch_up() {
                Ok(()) => return Ok(()),
                Err(HearError::Watch(WatchError::Compacted(_) | WatchError::Lost)) => {
                    self.following = None
                }
                Err(HearError::Watch(WatchError::Closed)) => return Err(StoreError::Closed),
                Err(HearError::Store(error)) => {
                    self.following = None;
                    return Err(error);
                }
            }
        }
    }
}
