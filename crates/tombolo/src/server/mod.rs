//! A server, put together: store, clock, engine, operations, controller, node, and the listeners
//! (the AWS API and `/metrics` by TCP, the admin socket).
//!
//! **Architecture invariant:** nothing administrative listens on TCP.

mod connections;
mod credentials;
mod descriptors;
mod drain;
mod engine;
mod ids;
mod instrumented;
mod listen;
mod metrics;
mod objects;
mod running;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::BoxFuture;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tombolo_admin::server_clock::ServerClock;
use tombolo_admin::service::AdminService;
use tombolo_admin::{admin_socket, message, program};
use tombolo_api::admission::{Admission, AdmissionSettings};
use tombolo_api::http::{Api, Backend};
use tombolo_api::operation::{Operations, Settings};
use tombolo_domain::host::HostBoot;
use tombolo_network::{EngineKind, NetworkEngine};
use tombolo_node::{Reconcilers, SandboxSettings};
use tombolo_objects::Objects;
use tombolo_store::{ModelledStore, SqliteStore, Store};
use tombolo_tasks::{EndedTask, Tasks};

use crate::cli::NetworkChoice;
use crate::config::{Players, Tls};
use crate::directory::DataDirectory;
use crate::report::{OrHint, hinted};
use crate::stop::Stop;

pub(crate) use engine::{choose, start as start_engine};
pub(crate) use ids::SystemIds;
pub(crate) use tombolo_admin::server_clock::real_now;

use listen::Listener;
use metrics::Metrics;
use running::RunningReconcilers;

/// How long requests that are being answered may take to end when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server is started with.
pub(crate) struct ServerOptions {
    /// Where it keeps everything.
    pub(crate) directory: DataDirectory,
    /// Where the API listens.
    pub(crate) listen: SocketAddr,
    /// TLS on it.
    pub(crate) tls: Option<Tls>,
    /// The network engine.
    pub(crate) network: NetworkChoice,
    /// The MTU of network interfaces.
    pub(crate) mtu: u16,
    /// What server processes may do and use.
    pub(crate) sandbox: SandboxSettings,
    /// Where players come in.
    pub(crate) players: Option<Players>,
    /// The Regions and where fleets' addresses come from.
    pub(crate) settings: Settings,
    /// What clients may take of the server.
    pub(crate) admission: AdmissionSettings,
    /// `dev` or `serve`.
    pub(crate) mode: message::Mode,
    /// Where `GET /metrics` listens, if it does.
    pub(crate) metrics: Option<SocketAddr>,
}

/// A running server.
pub(crate) struct Server {
    /// Unlocked last, so that the next server of the directory starts only after this one has
    /// ended.
    directory: DataDirectory,
    host: HostBoot,
    store: Arc<dyn Store>,
    engine: Arc<dyn NetworkEngine>,
    reconcilers: Arc<RunningReconcilers>,
    reconcilers_ended: BoxFuture<'static, Option<EndedTask>>,
    admin: Arc<AdminService>,
    endpoint: String,
    listeners: Vec<Listener>,
}

impl Server {
    /// Starts a server; when it returns, it accepts connections.
    pub(crate) async fn start(options: ServerOptions) -> Result<Self> {
        // Everything that can be refused comes before anything is changed on the machine.
        let api_listener = listen::bind(options.listen, "the API").await?;
        let metrics_listener = match options.metrics {
            Some(address) => Some(listen::bind(address, "/metrics").await?),
            None => None,
        };
        let acceptor = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}", api_listener.local_addr()?);

        let path = options.directory.path().to_owned();
        let store = open_store(&options.directory).await?;
        let store: Arc<dyn Store> = Arc::new(ModelledStore::over(store));
        let ids = Arc::new(SystemIds);
        let clock = Arc::new(ServerClock::open(&store).await?);
        if options.mode == message::Mode::Serve && !clock.offset().is_zero() {
            return Err(hinted(
                format!(
                    "the clock of {} was moved by `tombolo clock advance`, and `tombolo serve` \
                     keeps real time",
                    path.display()
                ),
                "serve from a directory of its own, and keep rehearsing in this one with \
                 `tombolo dev --dir`",
            ));
        }
        // The store was made before, so that a directory with a host and without a store has lost it.
        let host = tombolo_node::identify(&path, &store, &*ids).await?;
        let operations = Operations::new(
            store.clone(),
            clock.clone(),
            ids.clone(),
            options.settings.clone(),
        );
        let table_capacity = watch::Sender::default();
        let operations = operations.with_table_capacity(table_capacity.subscribe());
        let network_in_force = watch::Sender::default();
        let operations = operations.reusing_numbers_after(network_in_force.subscribe());
        let credentials = credentials::StoredCredentials::new(store.clone(), clock.clone());
        let credentials = Arc::new(credentials);
        let admission = Arc::new(Admission::new(options.admission));
        let api = Api::new(Backend {
            regions: options.settings.regions.clone(),
            credentials: credentials.clone(),
            dispatch: Arc::new(instrumented::Instrumented::new(operations)),
            admission: admission.clone(),
            ids: ids.clone(),
            now: real_now,
        })?;
        let s3 = Objects::new(tombolo_objects::Backend {
            regions: options.settings.regions.clone(),
            credentials,
            quotas: options.settings.quotas,
            admission: admission.clone(),
            store: store.clone(),
            blobs: objects::open(&options.directory, &store, ids.clone()).await?,
            clock: clock.clone(),
            ids: ids.clone(),
            now: real_now,
        });
        let api_router = objects::beside(s3, tombolo_api::http::router(Arc::new(api)));
        let api_router = instrumented::count_replies(api_router);
        let tasks = Tasks::default();
        let binary = this_executable()?;
        let admin_listener = bind_admin_socket(&options.directory)?;
        let engine = engine::start(
            options.network,
            &path,
            options.players.as_ref().map(Players::outside),
            tasks.clone(),
        )
        .await?;
        let metrics = match metrics_listener {
            Some(listener) => Some((
                listener,
                Metrics::install(
                    store.clone(),
                    engine.clone(),
                    tasks.clone(),
                    admission.clone(),
                )?,
            )),
            None => None,
        };

        let controller = tombolo_controller::Context {
            store: store.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            host: host.host.clone(),
            public: options.settings.public,
            measurements: tombolo_node::measurements(engine.clone()),
            network_in_force,
            tasks: tasks.clone(),
        };
        let node = tombolo_node::Context {
            store: store.clone(),
            host: host.clone(),
            ids: ids.clone(),
            engine: engine.clone(),
            table_capacity,
            binary,
            directory: path.clone(),
            mtu: options.mtu,
            sandbox: options.sandbox,
            tasks: tasks.clone(),
        };
        let reconcilers = Reconcilers::start(controller, node);
        let reconcilers = reconcilers.context("starting the controller and the node")?;
        let reconcilers_ended = reconcilers.ended();
        let reconcilers = Arc::new(RunningReconcilers::new(reconcilers));
        let admin = Arc::new(AdminService {
            builds: tombolo_node::builds_directory(&path),
            directory: path.clone(),
            endpoint: endpoint.clone(),
            mode: options.mode,
            network: engine.kind(),
            engine: engine.clone(),
            settings: options.settings,
            host: host.clone(),
            store: store.clone(),
            clock,
            ids,
            node: reconcilers.clone(),
            tasks,
            stopping: CancellationToken::new(),
        });
        let mut listeners = vec![
            Listener::unix(admin_listener, tombolo_admin::server::router(admin.clone())),
            Listener::tcp(api_listener, acceptor, api_router, admission.clone()),
        ];
        if let Some((listener, metrics)) = metrics {
            tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
            listeners.push(Listener::tcp(listener, None, metrics.router(), admission));
        }
        tokio::spawn(tell_excesses(admin.clone()));
        tracing::info!(%endpoint, network = %engine.kind(), directory = %path.display(), "ready");
        Ok(Server {
            directory: options.directory,
            host,
            store,
            engine,
            reconcilers,
            reconcilers_ended,
            admin,
            endpoint,
            listeners,
        })
    }

    /// Where clients reach the API: `http://127.0.0.1:4580`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The engine that moves packets, or does not.
    pub(crate) fn network(&self) -> EngineKind {
        self.engine.kind()
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// What the operator sees and does, without the socket.
    pub(crate) fn admin(&self) -> &AdminService {
        &self.admin
    }

    /// Waits until somebody asks the server to stop. An error: it can no longer make what is
    /// wanted, and should end to be started again.
    pub(crate) async fn run_until(&mut self, stop: &mut Stop) -> Result<()> {
        tokio::select! {
            () = stop.asked() => Ok(()),
            ended = &mut self.reconcilers_ended => match ended {
                Some(ended) => bail!("{ended}"),
                None => bail!("the controller or the node ended by itself; the log says why"),
            },
        }
    }

    /// Stops after the requests in progress are answered. Traffic and server processes continue.
    pub(crate) async fn stop(self) -> Result<()> {
        let (reconcilers, _directory) = self.close().await?;
        reconcilers.stop().await;
        Ok(())
    }

    /// As [`stop`](Server::stop), and takes network, server processes and the programs of
    /// `tombolo run` away. A named directory's database, builds and logs stay.
    pub(crate) async fn teardown(self) -> Result<()> {
        let (store, engine) = (self.store.clone(), self.engine.clone());
        let host = self.host.clone();
        let (reconcilers, _directory) = self.close().await?;
        // Goes on after a failure, so that one does not leave everything behind.
        let ended = program::end_all(&store, &engine, &host).await;
        let taken = reconcilers.teardown().await;
        ended?;
        taken.context("taking the server's network and processes away")
    }

    /// Closes the listeners and waits for the requests that are being answered.
    async fn close(self) -> Result<(Reconcilers, DataDirectory)> {
        let Server {
            directory,
            reconcilers,
            admin,
            listeners,
            store,
            engine,
            ..
        } = self;
        if let Err(error) = directory.remove_admin_socket() {
            tracing::warn!("could not remove the admin socket: {error:#}");
        }
        admin.stopping.cancel();
        // No listener accepts any more before the requests of one are waited for.
        let closing: Vec<_> = listeners
            .into_iter()
            .map(|listener| listener.close(DRAIN_TIMEOUT))
            .collect();
        for closed in closing {
            closed.await;
        }
        drop((admin, store, engine));
        // Waits for whoever waits for a network interface, which has a deadline.
        let reconcilers = reconcilers.take().await;
        let reconcilers = reconcilers.context("the server was stopped already")?;
        Ok((reconcilers, directory))
    }
}

/// Logs what accounts have more of than they may, after an upgrade or with smaller quotas: it is kept, and
/// no more is made. Beside the start, which does not wait for it.
async fn tell_excesses(admin: Arc<AdminService>) {
    match admin.list_excesses(message::ListExcesses {}).await {
        Ok(excesses) => {
            for excess in excesses {
                tracing::warn!("{excess}: all of it is kept, and no more is made");
            }
        }
        Err(error) => tracing::warn!("cannot compare what there is with the quotas: {error:#}"),
    }
}

/// Opens the store of a data directory, or makes it, and reads every record once. One that cannot be
/// gone on with is left as it is.
pub(crate) async fn open_store(directory: &DataDirectory) -> Result<Arc<dyn Store>> {
    let store = open_unchecked(directory).await?;
    check_store(directory, &store).await?;
    Ok(store)
}

/// As [`open_store`], without a look at the records: for who takes away what is left.
pub(crate) async fn open_unchecked(directory: &DataDirectory) -> Result<Arc<dyn Store>> {
    let database = directory.database();
    let has_host = directory.has_host()?;
    let opened = tokio::task::spawn_blocking(move || match has_host {
        true => SqliteStore::open_existing(database),
        false => SqliteStore::open(database),
    });
    let opened = opened.await?;
    let store = opened.with_context(|| opening(directory))?;
    Ok(Arc::new(store))
}

/// Reads every record once.
pub(crate) async fn check_store(directory: &DataDirectory, store: &Arc<dyn Store>) -> Result<()> {
    let checked = tombolo_store::typed::check(&**store).await;
    checked.with_context(|| opening(directory))
}

fn opening(directory: &DataDirectory) -> String {
    format!("opening the database in {}", directory.path().display())
}

/// This program's file: the supervisors of instances run it.
pub(crate) fn this_executable() -> Result<PathBuf> {
    std::env::current_exe().context("finding this program's own file")
}

/// Binds the admin socket. The lock is held, so a socket that is there was left by a process that
/// was killed.
fn bind_admin_socket(directory: &DataDirectory) -> Result<UnixListener> {
    directory.remove_admin_socket()?;
    let path = admin_socket(directory.path());
    bind_private(&path).or_hint(
        || format!("cannot make the admin socket {}", path.display()),
        || "a Unix socket's path has at most 107 characters; use a shorter directory".to_owned(),
    )
}

/// Binds a socket that is its owner's alone from the first moment on: Linux gives the file the mode that
/// the socket has. The process's umask, which other threads make files by, stays.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::MAXCONN)?;
    UnixListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_admin_socket_is_its_owners_alone_and_can_be_connected_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = bind_private(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let connected = tokio::net::UnixStream::connect(&path);
        let (accepted, connected) = tokio::join!(listener.accept(), connected);
        accepted.unwrap();
        connected.unwrap();
        assert_eq!(
            bind_private(&path).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
