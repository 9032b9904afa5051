//! The controller: decides from the store alone.
//!
//! It moves peering connections and fleets through their states, says which instances there are and
//! how players reach them, and forgets what has ended long ago. What its decisions come to on a
//! machine the nodes make so ([`Reports`] is where they tell), and every status that a client sees
//! is written here.
//!
//! Each loop looks at the store, makes the next step in one transaction, and waits for a wake-up.
//! A wake-up says only "look again"; it carries no input, and each loop also looks again by itself
//! from time to time. So a wake-up that is lost costs time and never correctness, and a server that
//! is killed anywhere goes on from what the store says.
//!
//! | loop | looks at | writes |
//! | --- | --- | --- |
//! | [`peering`] | connections that need nothing of the data path | their next step, routes and rules |
//! | [`fleet`] | each fleet | its next status, its instances, their ports, how many there are to be |
//! | [`expiry`] | records that have ended long ago | that they are gone |
//!
//! **Architecture invariant:** no engine, no files, no processes, and nothing of a wire format or of
//! who called. A loop may be run twice, late, or after a crash in the middle of itself, and comes to
//! the same end.

#![forbid(unsafe_code)]

mod build;
mod expiry;
mod fleet;
mod peering;
mod repair;
mod report;
mod reports;

use std::collections::BTreeMap;
use std::error::Error;
use std::future::pending;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tombolo_domain::fleet::PublicAddress;
use tombolo_domain::id::{HostId, IdSource, NetworkInterfaceId};
use tombolo_domain::time::Clock;
use tombolo_store::{Revision, Store, Wake};
use tombolo_tasks::{EndedTask, Reason, TaskThread, Tasks};

pub use fleet::installer_failure;
pub use report::{
    Ended, Failure, FleetAt, FleetReport, Happening, InstanceAt, InstanceEvent, NetworkApplied,
    NetworkRefused, Repaired, Unpacked,
};
pub use reports::Reports;

/// What the controller works with.
#[derive(Clone)]
pub struct Context {
    /// What there is and is to be.
    pub store: Arc<dyn Store>,
    /// The server's time.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// The host that new instances are placed on.
    pub host: HostId,
    /// Where players reach instances; `None` is nowhere.
    pub public: Option<PublicAddress>,
    /// What is asked for when it is needed, since it changes with every packet.
    pub measurements: Arc<dyn Measurements>,
    /// Where it tells up to which revision every host has the network in force.
    pub network_in_force: watch::Sender<Revision>,
    /// Where its loops tell how they are.
    pub tasks: Tasks,
}

/// What nodes measure and do not report by themselves.
#[async_trait]
pub trait Measurements: Send + Sync {
    /// How many ports of each network interface have flows from outside.
    async fn active_ports(
        &self,
    ) -> Result<BTreeMap<NetworkInterfaceId, u32>, Box<dyn Error + Send + Sync>>;
}

/// The running controller, on a thread of its own. Dropping it stops it and leaves everything as it
/// is.
pub struct Controller {
    context: Context,
    wake: Wake,
    thread: TaskThread,
}

impl Controller {
    /// Starts it. An error is the kernel's, that gave no thread.
    pub fn start(context: Context) -> io::Result<Self> {
        let wake = Wake::default();
        let thread = {
            let (context, wake) = (context.clone(), wake.clone());
            TaskThread::start("controller", move |loops| {
                let wakes = wake.on(&peering::READS);
                loops.spawn(peering::TASK, peering::run(context.clone(), wakes));
                loops.spawn(fleet::TASK, fleet::run(context.clone(), wake.clone()));
                loops.spawn(expiry::TASK, expiry::run(context.clone()));
                loops.spawn(MODEL, follow_with_model(context.clone()));
                loops.spawn(WATCH, follow(context, wake));
            })?
        };
        Ok(Controller {
            context,
            wake,
            thread,
        })
    }

    /// Where the node of a host reports.
    pub fn reports(&self, host: HostId) -> Arc<dyn Reports> {
        let context = self.context.clone();
        Arc::new(reports::Decided { context, host })
    }

    /// Makes it look again: after the clock was moved, for instance.
    pub fn wake(&self) {
        self.wake.all();
    }

    /// Completes when it has ended. What has ended by itself, if that was the reason, is a failure:
    /// nothing is decided any more, and the server should end to be started again.
    pub fn ended(&self) -> impl Future<Output = Option<EndedTask>> + Send + use<> {
        self.thread.ended()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.thread.stop().await;
    }
}

const WATCH: &str = "controller/watch";

/// Wakes the loops at the store's changes.
async fn follow(context: Context, wake: Wake) {
    let task = context
        .tasks
        .task(WATCH, "wakes the controller at changes of the store", None);
    let wakes = wake.follow(context.store.clone(), || {
        task.begin(Reason::Woken);
        task.end(None);
    });
    wakes.await;
}

const MODEL: &str = "controller/read-model";

/// Keeps the read model near the store while nobody reads from it.
async fn follow_with_model(context: Context) {
    let Some(model) = context.store.read_model() else {
        // A store without one has nothing that could fall behind.
        return pending().await;
    };
    let task = context
        .tasks
        .task(MODEL, "takes the store's changes over for reads", None);
    let follow = model.follow(|failed| {
        task.begin(Reason::Woken);
        task.end(failed.map(|error| error as &(dyn Error + 'static)));
    });
    follow.await;
}
