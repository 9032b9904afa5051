//! A node: makes what the store wants so on one machine, and reports.
//!
//! Each loop looks at the store and at what it has, makes the next step, reports what came of it
//! ([`Reports`]), and waits for a wake-up. A wake-up says only "look again"; it carries no input, and
//! each loop also looks again by itself from time to time. So a wake-up that is lost costs time and
//! never correctness, and a server that is killed anywhere goes on from what the store says.
//!
//! | loop | wants | has | thread |
//! | --- | --- | --- | --- |
//! | [`network`] | VPCs, attached interfaces, peering connections; reports of them | the network engine | `network` |
//! | [`programs`] | no interface of a program that has ended | processes | `network` |
//! | [`fleet`] | fleets and their instances | supervisors of server processes | `instances` |
//! | [`build`] | builds' files, and no files of objects that are gone | archives, `builds/`, `objects/` | `instances` |
//! | [`retention`] | no files of what is gone | `builds/`, `installed/`, `logs/` | `instances` |
//!
//! What one instance's files or supervisor take never stands in the way of a packet: the network has
//! a thread of its own.
//!
//! The node reads the store and writes nothing to it: whatever changes there by what it did, the
//! controller decides, through the [`Reports`] that it is given. That trait is the controller's, and
//! the only thing of it that a node has; [`Reconcilers`] is both in one process.
//!
//! **Architecture invariant:** nothing here decides, and nothing knows a wire format or who called. A
//! loop may be run twice, late, or after a crash in the middle of itself, and comes to the same end.

#![forbid(unsafe_code)]

mod build;
mod fleet;
mod folder;
mod host;
mod in_process;
mod log_retention;
mod measurements;
mod network;
mod programs;
mod retention;
mod sandbox;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, join_all, select, select_all};
use tokio::sync::watch;
use tokio::time::timeout;
use tombolo_controller::Reports;
use tombolo_domain::host::HostBoot;
use tombolo_domain::id::{FleetId, IdSource, InstanceId, NetworkInterfaceId};
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_network::{EngineError, NetworkEngine};
use tombolo_store::{Store, StoreError, Wake};
use tombolo_tasks::{EndedTask, Reason, TaskThread, Tasks};

pub use fleet::instances_of_other_hosts;
pub use host::{HostError, identify};
pub use in_process::Reconcilers;
pub use measurements::measurements;
use network::NetworkStatus;
pub use sandbox::SandboxSettings;

/// What a node works with.
#[derive(Clone)]
pub struct Context {
    /// What is wanted.
    pub store: Arc<dyn Store>,
    /// Which host this is, and which boot of it.
    pub host: HostBoot,
    /// Where ids of what nobody keeps come from.
    pub ids: Arc<dyn IdSource>,
    /// The network.
    pub engine: Arc<dyn NetworkEngine>,
    /// Where it is told how full the network's tables are.
    pub table_capacity: watch::Sender<TableCapacity>,
    /// The program that becomes an instance's supervisor when it is run as
    /// `PROGRAM instance-supervisor SPEC`.
    pub binary: PathBuf,
    /// The data directory; `builds`, `objects`, `installed`, `instances` and `logs` are in it.
    pub directory: PathBuf,
    /// The MTU of network interfaces that have none of their own, [`tombolo_network::MIN_MTU`] to
    /// [`tombolo_network::MAX_MTU`].
    pub mtu: u16,
    /// What server processes may do and use.
    pub sandbox: SandboxSettings,
    /// Where its loops tell how they are.
    pub tasks: Tasks,
}

impl Context {
    /// Where each instance has a folder of its own.
    fn instances_directory(&self) -> PathBuf {
        instances_directory(&self.directory)
    }

    fn instance_directory(&self, instance: &InstanceId) -> PathBuf {
        instance_directory(&self.directory, instance)
    }
}

/// Where an instance's supervisor has its folder.
pub fn instance_directory(directory: &Path, instance: &InstanceId) -> PathBuf {
    instances_directory(directory).join(instance.as_str())
}

fn instances_directory(directory: &Path) -> PathBuf {
    directory.join("instances")
}

/// Where the output of a fleet's server processes is kept: `DIR/logs/FLEET/INSTANCE/NAME.log`.
pub fn logs_directory(directory: &Path, fleet: &FleetId) -> PathBuf {
    directory.join("logs").join(fleet.as_str())
}

/// Where it is kept what builds' `install.sh` changed, each in a folder that has the fleet's id as
/// its name.
pub fn installed_directory(directory: &Path) -> PathBuf {
    directory.join("installed")
}

/// Where builds' files are kept, each in a folder that has the build's id as its name.
pub fn builds_directory(directory: &Path) -> PathBuf {
    directory.join("builds")
}

/// Where the files of objects are kept, each under its blob's id: archives of builds among them.
pub fn objects_directory(directory: &Path) -> PathBuf {
    directory.join("objects")
}

/// The running node, on threads of its own: what it does never stands in the way of a request.
/// Dropping it stops it and leaves the network and the server processes as they are.
pub struct Node {
    context: Context,
    wake: Wake,
    network: watch::Receiver<NetworkStatus>,
    threads: [TaskThread; 2],
}

/// An interface that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The engine could not make it.
    #[error("network interface {interface} could not be made: {reason}")]
    Failed {
        /// The interface.
        interface: NetworkInterfaceId,
        /// What the engine said.
        reason: String,
    },
    /// The engine has no network namespaces: no packet flows in it.
    #[error(
        "the {engine} network engine carries no packets, so nothing can be run in a VPC; `tombolo doctor` says what the ebpf engine needs"
    )]
    NoPackets {
        /// The engine.
        engine: tombolo_network::EngineKind,
    },
    /// It took too long.
    #[error(
        "network interface {interface} was not ready after {after:?}; the server's log says why"
    )]
    Late {
        /// The interface.
        interface: NetworkInterfaceId,
        /// How long was waited.
        after: Duration,
    },
}

/// Something that was not taken off the machine.
#[derive(Debug, thiserror::Error)]
pub enum TeardownError {
    /// The store could not say what there is.
    #[error("reading which instances there are")]
    Store(#[from] StoreError),
    /// An instance is still there.
    #[error("ending instance {instance}")]
    Instance {
        /// The instance's folder.
        instance: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something of the network is still there.
    #[error("taking the network away")]
    Network(#[from] EngineError),
}

impl Node {
    /// Starts it. What is wanted already is made at once, and told to `reports`. An error is the
    /// kernel's, that gave no thread.
    pub fn start(context: Context, reports: Arc<dyn Reports>) -> io::Result<Self> {
        let wake = Wake::default();
        let (status, network) = watch::channel(NetworkStatus::default());
        let on_network = {
            let (context, reports, wake) = (context.clone(), reports.clone(), wake.clone());
            TaskThread::start("network", move |loops| {
                let wakes = wake.on(&network::READS);
                let programs = programs::run(context.clone(), reports.clone());
                loops.spawn(programs::TASK, programs);
                loops.spawn(WATCH, follow(context.clone(), wake));
                network::spawn(loops, context, reports, wakes, status);
            })?
        };
        let on_instances = {
            let (context, wake, network) = (context.clone(), wake.clone(), network.clone());
            TaskThread::start("instances", move |loops| {
                let wakes = wake.on(&build::READS);
                let builds = build::run(context.clone(), reports.clone(), wakes);
                loops.spawn(build::TASK, builds);
                let wakes = wake.on(&build::READS_UNUSED);
                let unused = build::run_unused(context.clone(), reports.clone(), wakes);
                loops.spawn(build::UNUSED, unused);
                let wakes = wake.on(&retention::READS);
                loops.spawn(retention::TASK, retention::run(context.clone(), wakes));
                loops.spawn(fleet::TASK, fleet::run(context, reports, wake, network));
            })?
        };
        Ok(Node {
            context,
            wake,
            network,
            threads: [on_network, on_instances],
        })
    }

    /// Makes all of its loops look again: after the clock was moved, for instance.
    pub fn wake(&self) {
        self.wake.all();
    }

    /// The network namespace of an attached interface, as soon as the engine has made it.
    pub async fn namespace_of(
        &self,
        interface: &NetworkInterfaceId,
        deadline: Duration,
    ) -> Result<PathBuf, NotReady> {
        let mut network = self.network.clone();
        let ready = network.wait_for(|status| status.knows(interface));
        let failed = match timeout(deadline, ready).await {
            Ok(Ok(status)) => status.failed.get(interface).cloned(),
            // The loop is gone, or too slow.
            Ok(Err(_)) | Err(_) => {
                return Err(NotReady::Late {
                    interface: interface.clone(),
                    after: deadline,
                });
            }
        };
        if let Some(reason) = failed {
            return Err(NotReady::Failed {
                interface: interface.clone(),
                reason,
            });
        }
        let engine = self.context.engine.kind();
        self.context
            .engine
            .namespace(interface)
            .ok_or(NotReady::NoPackets { engine })
    }

    /// Completes when one of its threads has ended, or one of the network engine's. What has ended by itself, if that was the reason,
    /// is a failure: what is wanted is no longer made, and the server should end to be started again.
    pub fn ended(&self) -> impl Future<Output = Option<EndedTask>> + Send + use<> {
        let threads = self.threads.iter();
        let ended: Vec<_> = threads.map(|thread| Box::pin(thread.ended())).collect();
        let elsewhere = Box::pin(self.context.tasks.ended());
        async move {
            match select(select_all(ended), elsewhere).await {
                Either::Left(((ended, ..), _)) => ended,
                Either::Right((ended, _)) => Some(ended),
            }
        }
    }

    /// Stops it and leaves the network and the server processes running for the next start.
    pub async fn stop(self) {
        join_all(self.threads.map(TaskThread::stop)).await;
    }

    /// Stops it, ends every server process and takes the network away. It goes on after a failure
    /// and returns the first one.
    pub async fn teardown(self) -> Result<(), TeardownError> {
        let context = self.context.clone();
        self.stop().await;
        teardown(&context).await
    }
}

const WATCH: &str = "node/watch";

/// Wakes the loops at the store's changes.
async fn follow(context: Context, wake: Wake) {
    let task = context
        .tasks
        .task(WATCH, "wakes the node at changes of the store", None);
    wake.follow(context.store, || {
        task.begin(Reason::Woken);
        task.end(None);
    })
    .await;
}

/// Ends every server process of a data directory and takes its network away, while no
/// node runs on it. It goes on after a failure and returns the first one.
pub async fn teardown(context: &Context) -> Result<(), TeardownError> {
    let processes = fleet::end_all(context).await;
    let network = context.engine.teardown().await;
    processes?;
    Ok(network?)
}
