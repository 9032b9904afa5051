//! Accepting connections, answering on them, and stopping without cutting an answer short.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use hyper::body::{Bytes, Frame, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::descriptors::connections_a_listener;
use super::drain::Drained;
use crate::report::hinted;

/// How long a client may take to send a request's head, or to complete the TLS handshake.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an HTTP/2 connection may be silent before it is asked whether it lives, and then may
/// take to say so.
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a connection may stay open between requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The pause after the system refused a connection, as it does when descriptors run out: trying
/// again at once would only burn the processor until some are closed.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// Binds `address` for `what`.
pub(super) async fn bind(address: SocketAddr, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program has this port, perhaps another tombolo; choose another address \
                 (port 0 takes a free one)"
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need root; choose another one",
            _ => "choose an address of this machine",
        };
        hinted(
            format!("cannot listen on {address} for {what}: {error}"),
            hint,
        )
    })
}

/// A socket whose connections are accepted and answered.
pub(super) struct Listener {
    accepting: JoinHandle<()>,
    stop: CancellationToken,
    abort: CancellationToken,
    connections: TaskTracker,
}

impl Listener {
    /// Answers connections to `listener` with `router`.
    pub(super) fn tcp(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) -> Self {
        Self::start(listener, router, move |handler, stream, permit| {
            // Replies are small and one write each; without it they wait for an ACK.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "setting TCP_NODELAY on a connection");
            }
            match tls.clone() {
                None => handler.open(stream, permit),
                Some(tls) => handler.open_by_tls(tls, stream, permit),
            }
        })
    }

    /// Answers connections to `listener` with `router`.
    pub(super) fn unix(listener: UnixListener, router: Router) -> Self {
        Self::start(listener, router, ConnectionHandler::open)
    }

    /// Hands each connection to `listener` to `open`.
    fn start<L: Accept>(
        listener: L,
        router: Router,
        open: impl Fn(&ConnectionHandler, L::Stream, OwnedSemaphorePermit) + Send + 'static,
    ) -> Self {
        let handler = ConnectionHandler::new(router);
        let (stop, abort) = (handler.stop.clone(), handler.abort.clone());
        let connections = handler.connections.clone();
        let accepting = tokio::spawn(async move {
            // The next client waits in the kernel's queue until there is room for its connection.
            while let Some(accepted) = handler
                .stop
                .run_until_cancelled(handler.next(&listener))
                .await
            {
                match accepted {
                    Ok((stream, permit)) => open(&handler, stream, permit),
                    Err(error) => handler.refused(error).await,
                }
            }
        });
        Listener {
            accepting,
            stop,
            abort,
            connections,
        }
    }

    /// Accepts nothing more from this call on; the future ends when what is being answered is, or
    /// after `deadline`.
    pub(super) fn close(self, deadline: Duration) -> impl Future<Output = ()> {
        self.stop.cancel();
        self.connections.close();
        async move {
            if let Err(error) = self.accepting.await {
                tracing::error!(%error, "a listener failed");
            }
            if tokio::time::timeout(deadline, self.connections.wait())
                .await
                .is_err()
            {
                let left = self.connections.len();
                tracing::warn!(
                    left,
                    "connections are still open after {deadline:?}; closing them"
                );
                self.abort.cancel();
                self.connections.wait().await;
            }
        }
    }
}

/// A socket that connections come to.
trait Accept: Send + Sync + 'static {
    type Stream: Send;

    /// Waits for the next connection.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        Ok(stream)
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.accept().await?;
        Ok(stream)
    }
}

/// Answers the connections of one listener.
struct ConnectionHandler {
    router: Router,
    /// Cancelled: answer what was asked, and nothing more.
    stop: CancellationToken,
    /// Cancelled: close at once.
    abort: CancellationToken,
    connections: TaskTracker,
    /// How many connections there may be; each holds a permit.
    permits: Arc<Semaphore>,
}

impl ConnectionHandler {
    fn new(router: Router) -> Self {
        ConnectionHandler {
            router,
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            connections: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(connections_a_listener())),
        }
    }

    /// The next connection, and its permit.
    async fn next<L: Accept>(&self, listener: &L) -> io::Result<(L::Stream, OwnedSemaphorePermit)> {
        let permit = self.permits.clone().acquire_owned().await;
        // It is never closed.
        let permit = permit.map_err(io::Error::other)?;
        Ok((listener.next().await?, permit))
    }

    fn open(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        permit: OwnedSemaphorePermit,
    ) {
        let stream = Drained::new(stream, self.stop.clone());
        self.spawn(
            answer(stream, self.router.clone(), self.stop.clone()),
            permit,
        );
    }

    fn open_by_tls(&self, tls: TlsAcceptor, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let (router, stop) = (self.router.clone(), self.stop.clone());
        let stream = Drained::new(stream, stop.clone());
        let connection = async move {
            match tokio::time::timeout(REQUEST_HEAD_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => answer(stream, router, stop).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake timed out"),
            }
        };
        self.spawn(connection, permit);
    }

    fn spawn(
        &self,
        connection: impl Future<Output = ()> + Send + 'static,
        permit: OwnedSemaphorePermit,
    ) {
        let abort = self.abort.clone();
        self.connections.spawn(async move {
            abort.run_until_cancelled(connection).await;
            drop(permit);
        });
    }

    async fn refused(&self, error: io::Error) {
        tracing::warn!(%error, "accepting a connection failed");
        tokio::time::sleep(RETRY_BACKOFF).await;
    }
}

/// Answers requests on one connection until the client ends it, asks for nothing, or the server
/// stops.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    stop: CancellationToken,
) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_KEEP_ALIVE)
        .keep_alive_timeout(HTTP2_KEEP_ALIVE);
    let requests = Requests::default();
    let counted = router.layer(middleware::from_fn_with_state(
        requests.clone(),
        Requests::count,
    ));
    let connection =
        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(counted));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = requests.idle() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(REQUEST_HEAD_TIMEOUT, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!("closed an idle connection"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

/// The requests of one connection. Neither protocol's own timers see a client that sends nothing,
/// or part of HTTP/2's preface, or that only keeps the connection alive.
#[derive(Clone, Default)]
struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
}

impl Requests {
    async fn count(State(requests): State<Requests>, request: Request, next: Next) -> Response {
        requests.0.begun.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight(requests.0);
        let response = next.run(request).await;
        response.map(|body| {
            Body::new(Reply {
                body,
                _in_flight: in_flight,
            })
        })
    }

    /// Completes when none was asked for in a whole [`IDLE_TIMEOUT`] and none is being answered.
    async fn idle(&self) {
        let mut seen = 0;
        // The first comes soon, or never.
        let mut wait = REQUEST_HEAD_TIMEOUT;
        loop {
            tokio::time::sleep(wait).await;
            let answered = self.0.answered.load(Ordering::Relaxed);
            let begun = self.0.begun.load(Ordering::Relaxed);
            if begun == seen && answered == begun {
                return;
            }
            seen = begun;
            wait = IDLE_TIMEOUT;
        }
    }
}

/// A request that is being answered, until it is dropped: also when its client went away.
struct InFlight(Arc<Counts>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of a reply, which is being answered until the whole of it is sent: one that is followed
/// takes as long as things happen. Its length stays known, so that nothing is sent in chunks which
/// need not be.
struct Reply {
    body: Body,
    _in_flight: InFlight,
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
