//! Reconcilers: from what the store wants to what the engines have, and back to what is told.
//!
//! Each reconciler is a loop: look at the store and at its engine, make the next step, write what
//! came of it, wait for a wake-up. A wake-up says only "look again"; it carries no input, and each
//! loop also looks again by itself from time to time. So a wake-up that is lost costs time and
//! never correctness, and a server that is killed anywhere goes on from what the store says.
//!
//! | reconciler | wants | has |
//! | --- | --- | --- |
//! | [`network`] | VPCs, attached interfaces, peering connections | the network engine |
//! | [`fleet`] | fleets and their instances | supervisors of server processes |
//! | [`build`] | builds' files, and no files of objects that are gone | archives, `builds/`, `objects/` |
//! | [`expiry`] | nothing that has ended long ago | records, builds' files, interfaces of programs |
//!
//! **Architecture invariant:** nothing here knows a wire format or who called. A reconciler may
//! be run twice, late, or after a crash in the middle of itself, and comes to the same end.

#![forbid(unsafe_code)]

mod build;
mod expiry;
mod fleet;
mod folder;
mod network;
mod sandbox;
mod step;
mod transact;
mod wake;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;
use tombolo_domain::fleet::PublicAddress;
use tombolo_domain::id::{FleetId, IdSource, InstanceId, NetworkInterfaceId};
use tombolo_domain::room::Room;
use tombolo_domain::time::Clock;
use tombolo_network::{EngineError, NetworkEngine};
use tombolo_store::{Store, StoreError};

use network::NetworkStatus;
pub use sandbox::SandboxSettings;
use wake::Wake;

/// What the reconcilers work with.
#[derive(Clone)]
pub struct Context {
    /// What is wanted, and where what happened is written.
    pub store: Arc<dyn Store>,
    /// The server's time.
    pub clock: Arc<dyn Clock>,
    /// Where ids of events come from.
    pub ids: Arc<dyn IdSource>,
    /// The network.
    pub engine: Arc<dyn NetworkEngine>,
    /// Where it is told how full the network's tables are.
    pub room: watch::Sender<Room>,
    /// The program that becomes an instance's supervisor when it is run as
    /// `PROGRAM instance-supervisor SPEC`.
    pub binary: PathBuf,
    /// The data directory; `builds`, `objects`, `installed`, `instances` and `logs` are in it.
    pub directory: PathBuf,
    /// The MTU of network interfaces that have none of their own, [`tombolo_network::MIN_MTU`] to
    /// [`tombolo_network::MAX_MTU`].
    pub mtu: u16,
    /// Where players reach instances; `None` is nowhere.
    pub public: Option<PublicAddress>,
    /// What server processes may do and use.
    pub sandbox: SandboxSettings,
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

/// The running reconcilers, on a thread of their own: what they do never stands in the way of a
/// request. Dropping them stops them and leaves the network and the server processes as they are.
pub struct Reconcilers {
    context: Context,
    wake: Wake,
    network: watch::Receiver<NetworkStatus>,
    /// Dropping it tells the thread to end.
    stop: oneshot::Sender<()>,
    /// Closed by the thread when it has ended.
    stopped: oneshot::Receiver<()>,
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

impl Reconcilers {
    /// Starts them. What is wanted already is made at once. An error is the kernel's, that gave no
    /// thread.
    pub fn start(context: Context) -> io::Result<Self> {
        let wake = Wake::new();
        let (status, network) = watch::channel(NetworkStatus::default());
        let (stop, stopping) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let all = {
            let (context, wake, network) = (context.clone(), wake.clone(), network.clone());
            async move {
                let mut tasks = JoinSet::new();
                tasks.spawn_local(wake::follow(context.store.clone(), wake.clone()));
                tasks.spawn_local(network::run(context.clone(), wake.network(), status));
                tasks.spawn_local(fleet::run(context.clone(), wake.clone(), network));
                tasks.spawn_local(build::run(context.clone(), wake.builds()));
                tasks.spawn_local(expiry::run(context));
                tokio::select! {
                    // Closed, not answered: the sender is dropped to say it.
                    _ = stopping => {}
                    // They run for ever, unless one panics or the store is closed under them.
                    ended = tasks.join_next() => {
                        tracing::error!(?ended, "a reconciler has ended by itself");
                    }
                }
                tasks.shutdown().await;
            }
        };
        thread::Builder::new()
            .name("reconcilers".to_owned())
            .spawn(move || {
                LocalSet::new().block_on(&runtime, all);
                drop(ended);
            })?;
        Ok(Reconcilers {
            context,
            wake,
            network,
            stop,
            stopped,
        })
    }

    /// Makes all of them look again: after the clock was moved, for instance.
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
            // The reconciler is gone, or too slow.
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

    /// Completes when they have ended, by themselves too, which is a failure that the log tells:
    /// what is wanted is then no longer made, and the server should end to be started again.
    pub fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut network = self.network.clone();
        async move {
            // The network reconciler holds the other side for as long as it runs.
            let _ = network.wait_for(|_| false).await;
        }
    }

    /// Stops the reconcilers and leaves the network and the server processes running for the next
    /// start.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.stopped.await;
    }

    /// Stops the reconcilers, ends every server process and takes the network away. It goes on
    /// after a failure and returns the first one.
    pub async fn teardown(self) -> Result<(), TeardownError> {
        let context = self.context.clone();
        self.stop().await;
        teardown(&context).await
    }
}

/// Ends every server process of a data directory and takes its network away, while no
/// reconcilers run on it. It goes on after a failure and returns the first one.
pub async fn teardown(context: &Context) -> Result<(), TeardownError> {
    let processes = fleet::end_all(context).await;
    let network = context.engine.teardown().await;
    processes?;
    Ok(network?)
}
