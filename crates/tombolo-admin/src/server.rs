//! The server's side of the admin socket.
//!
//! Whoever can open the socket is the owner of the data directory, and so of every secret in it:
//! nothing is checked here but what is asked.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tombolo_api::operation::Settings;
use tombolo_domain::Scope;
use tombolo_domain::account::Account;
use tombolo_domain::id::{IdSource, Region};
use tombolo_domain::principal::Principal;
use tombolo_network::{EngineKind, NetworkEngine};
use tombolo_node::Reconcilers;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, keys};
use tombolo_tasks::Tasks;

use crate::hint::{Hinted, hinted};
use crate::message::{Ask, DescribeServer, Follow, Mode, Refusal, ServerDescription};
use crate::server_clock::ServerClock;

/// The longest request, in bytes.
const MAX_REQUEST: usize = 1 << 20;

/// What the admin socket works with.
pub struct Door {
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
    /// Where everything is.
    pub store: Arc<dyn Store>,
    /// The server's time.
    pub clock: Arc<ServerClock>,
    /// Where ids and secrets come from.
    pub ids: Arc<dyn IdSource>,
    /// They decide and make what is asked for.
    pub reconcilers: SharedReconcilers,
    /// How the server's loops are.
    pub tasks: Tasks,
    /// Cancelled when the server stops: what is followed ends then.
    pub stopping: CancellationToken,
}

/// Controller and node, until the server that stops takes them out.
pub type SharedReconcilers = Arc<RwLock<Option<Reconcilers>>>;

impl Door {
    /// Every request and who answers it.
    pub fn router(door: Arc<Door>) -> Router {
        Answers(Router::new())
            .by(Door::describe)
            .by(Door::create_account)
            .by(Door::list_accounts)
            .by(Door::create_access_key)
            .by(Door::list_access_keys)
            .by(Door::delete_access_key)
            .by(Door::import_build)
            .by(Door::list_builds)
            .by(Door::attach_program)
            .by(Door::detach_program)
            .by_lines(Door::follow_logs)
            .by(Door::read_fleet)
            .by(Door::list_peerings)
            .by(Door::trace_path)
            .by(Door::read_traffic)
            .by(Door::list_repairs)
            .by_lines(Door::follow_flows)
            .by(Door::move_clock)
            .by(Door::read_tasks)
            .0
            .with_state(door)
    }

    async fn describe(self: Arc<Self>, _: DescribeServer) -> Result<ServerDescription> {
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

/// The routes, each made from who answers it.
struct Answers(Router<Arc<Door>>);

impl Answers {
    /// `answer` answers what it takes, at the path of that.
    ///
    /// On a thread that may block: there are few such requests, and some copy files.
    fn by<A, F, Answering>(self, answer: F) -> Self
    where
        A: Ask,
        F: Fn(Arc<Door>, A) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Result<A::Answer>>,
    {
        let handler = async move |State(door): State<Arc<Door>>, request: Request| {
            let body = match body::to_bytes(request.into_body(), MAX_REQUEST).await {
                Ok(body) => body,
                Err(error) => return refuse(&anyhow!(error).context("reading the request")),
            };
            let runtime = Handle::current();
            let answered = spawn_blocking(move || {
                let ask = serde_json::from_slice(&body).context("understanding the request")?;
                let answer = runtime.block_on(answer(door, ask))?;
                serde_json::to_vec(&answer).context("writing the answer")
            });
            match answered.await.context("the server failed at it").flatten() {
                Ok(json) => reply(StatusCode::OK, json),
                Err(error) => refuse(&error),
            }
        };
        Answers(self.0.route(A::PATH, post(handler)))
    }

    /// `answer` tells what happens, line by line, at the path of what it takes.
    fn by_lines<F, A, Answering, Lines>(self, answer: A) -> Self
    where
        F: Follow,
        A: Fn(Arc<Door>, F) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = Result<Lines>> + Send,
        Lines: Stream<Item = F::Line> + Send + 'static,
    {
        let handler = async move |State(door): State<Arc<Door>>, request: Request| {
            let answered = async {
                let body = body::to_bytes(request.into_body(), MAX_REQUEST);
                let body = body.await.context("reading the request")?;
                let ask = serde_json::from_slice(&body).context("understanding the request")?;
                answer(door, ask).await
            };
            match answered.await {
                Ok(lines) => Response::new(Body::from_stream(lines.map(|line| json_line(&line)))),
                Err(error) => refuse(&error),
            }
        };
        Answers(self.0.route(F::PATH, post(handler)))
    }
}

fn json_line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// The refusal that tells a failure with all its causes: whoever asks may know everything.
fn refuse(error: &anyhow::Error) -> Response {
    tracing::debug!("refused: {error:#}");
    let refusal = Refusal {
        message: format!("{error:#}"),
        hint: error
            .downcast_ref::<Hinted>()
            .map(|hinted| hinted.hint.clone()),
    };
    // A struct of two texts can always be written.
    let json = serde_json::to_vec(&refusal).unwrap_or_default();
    reply(StatusCode::UNPROCESSABLE_ENTITY, json)
}

fn reply(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
