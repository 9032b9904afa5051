//! Accepting connections, answering on them, and stopping without cutting an answer short.

use std::io;
use std::net::{IpAddr, SocketAddr};
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
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tombolo_api::admission::{Admission, NotAdmitted, Source};

use super::connections::{Admitted, Connections, Place};
use super::drain::Drained;
use crate::report::hinted;

/// How long a client may take to send a request's head, or to complete the TLS handshake.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an HTTP/2 connection may be silent before it is asked whether it lives, and then may
/// take to say so.
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a connection may stay open between requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may take nothing of its replies, of all that are under way on a connection. As
/// nginx's `send_timeout`.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest head of a request, in bytes. AWS's have some 2 KiB, and a session token up to 4 KiB.
const MAX_HEAD_SIZE: usize = 64 << 10;

/// How many requests may be under way on one HTTP/2 connection.
const MAX_STREAMS: u32 = 32;

/// How many bytes of a body, and of all bodies of a connection, HTTP/2 sends ahead of who reads them.
const HTTP2_STREAM_WINDOW: u32 = 256 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 1 << 20;

/// How many connections may be told at the same time that their source has too many. Others are
/// closed without a word.
const MAX_TURNING_AWAY: usize = 64;

/// The reply on a connection of a source that has too many: whatever is asked on it, AWS's clients try
/// again by themselves.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

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
    pub(super) fn tcp(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        router: Router,
        admission: Arc<Admission>,
    ) -> Self {
        let places = Connections::new();
        Self::tcp_within(places, REPLY_TIMEOUT, listener, tls, router, admission)
    }

    fn tcp_within(
        places: Connections,
        reply_timeout: Duration,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        router: Router,
        admission: Arc<Admission>,
    ) -> Self {
        let handler = ConnectionHandler::new(router, places, Some(reply_timeout));
        let by_tls = tls.is_some();
        let open = move |handler: &ConnectionHandler, stream: TcpStream, admitted| {
            // Replies are small and one write each; without it they wait for an ACK.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "setting TCP_NODELAY on a connection");
            }
            match tls.clone() {
                None => handler.open(stream, admitted),
                Some(tls) => handler.open_by_tls(tls, stream, admitted),
            }
        };
        let turn_away = move |handler: &ConnectionHandler, stream| {
            // Who speaks TLS cannot read a reply before the handshake, and gets none.
            if !by_tls {
                handler.turn_away(stream);
            }
        };
        Self::start(listener, handler, admission, open, turn_away)
    }

    /// Answers connections to `listener` with `router`.
    pub(super) fn unix(listener: UnixListener, router: Router) -> Self {
        // A reply that is followed there lasts as long as things happen, and nothing may for long.
        let handler = ConnectionHandler::new(router, Connections::new(), None);
        // Nobody is turned away: all connections are of the exempt source.
        let turn_away = |_: &ConnectionHandler, _| {};
        let open = ConnectionHandler::open;
        Self::start(listener, handler, Arc::default(), open, turn_away)
    }

    /// Hands each connection to `listener` to `open`, or to `turn_away` if its source has its share.
    fn start<L: Accept>(
        listener: L,
        handler: ConnectionHandler,
        admission: Arc<Admission>,
        open: impl Fn(&ConnectionHandler, L::Stream, Admitted) + Send + 'static,
        turn_away: impl Fn(&ConnectionHandler, L::Stream) + Send + 'static,
    ) -> Self {
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
                    Ok((stream, address, place)) => {
                        let source = address.map(|address| admission.sources().of(address));
                        let source = source.unwrap_or_default();
                        match handler.places.admit(source, place) {
                            Some(admitted) => open(&handler, stream, admitted),
                            None => {
                                admission.count(NotAdmitted::Connection);
                                turn_away(&handler, stream);
                            }
                        }
                    }
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

    /// Waits for the next connection, and says where it comes from if that is elsewhere.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, address) = self.accept().await?;
        Ok((stream, Some(address.ip())))
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Option<IpAddr>)> {
        let (stream, _) = self.accept().await?;
        Ok((stream, None))
    }
}

/// Answers the connections of one listener.
struct ConnectionHandler {
    router: Router,
    /// How long a client may take nothing of its replies; `None` is for ever.
    reply_timeout: Option<Duration>,
    /// Cancelled: answer what was asked, and nothing more.
    stop: CancellationToken,
    /// Cancelled: close at once.
    abort: CancellationToken,
    connections: TaskTracker,
    /// How many connections there may be.
    places: Connections,
    /// How many may be turned away at the same time with a reply.
    turning_away: Arc<Semaphore>,
}

impl ConnectionHandler {
    fn new(router: Router, places: Connections, reply_timeout: Option<Duration>) -> Self {
        ConnectionHandler {
            router,
            reply_timeout,
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            connections: TaskTracker::new(),
            places,
            turning_away: Arc::new(Semaphore::new(MAX_TURNING_AWAY)),
        }
    }

    /// The next connection, where it comes from, and its place.
    async fn next<L: Accept>(
        &self,
        listener: &L,
    ) -> io::Result<(L::Stream, Option<IpAddr>, Place)> {
        let place = self.places.place().await?;
        let (stream, address) = listener.next().await?;
        Ok((stream, address, place))
    }

    fn open(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        admitted: Admitted,
    ) {
        let stream = Drained::new(stream, self.stop.clone());
        let answers = self.answers(&admitted);
        self.spawn(answers.on(stream), admitted);
    }

    fn answers(&self, admitted: &Admitted) -> Answers {
        Answers {
            source: admitted.source(),
            router: self.router.clone(),
            reply_timeout: self.reply_timeout,
            stop: self.stop.clone(),
        }
    }

    fn open_by_tls(&self, tls: TlsAcceptor, stream: TcpStream, admitted: Admitted) {
        let answers = self.answers(&admitted);
        let stream = Drained::new(stream, self.stop.clone());
        let connection = async move {
            match tokio::time::timeout(REQUEST_HEAD_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => answers.on(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake timed out"),
            }
        };
        self.spawn(connection, admitted);
    }

    /// Says that there are too many connections, if not too many are being told so. It takes no place.
    fn turn_away(&self, stream: TcpStream) {
        let Ok(permit) = self.turning_away.clone().try_acquire_owned() else {
            return;
        };
        let mut stream = Drained::new(stream, self.stop.clone());
        let reply = async move {
            let told = async {
                stream.write_all(TOO_MANY_CONNECTIONS).await?;
                stream.shutdown().await
            };
            if let Err(error) = told.await {
                tracing::debug!(%error, "a connection was turned away");
            }
        };
        self.spawn(reply, permit);
    }

    fn spawn(
        &self,
        connection: impl Future<Output = ()> + Send + 'static,
        counted: impl Send + 'static,
    ) {
        let abort = self.abort.clone();
        self.connections.spawn(async move {
            abort.run_until_cancelled(connection).await;
            drop(counted);
        });
    }

    async fn refused(&self, error: io::Error) {
        tracing::warn!(%error, "accepting a connection failed");
        tokio::time::sleep(RETRY_BACKOFF).await;
    }
}

/// What answers on one connection.
struct Answers {
    source: Source,
    router: Router,
    reply_timeout: Option<Duration>,
    stop: CancellationToken,
}

impl Answers {
    /// Answers requests until the client ends the connection, asks for nothing or takes no reply, or
    /// the server stops.
    async fn on(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD_SIZE);
        server
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HTTP2_KEEP_ALIVE)
            .keep_alive_timeout(HTTP2_KEEP_ALIVE)
            .max_header_list_size(MAX_HEAD_SIZE as u32)
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
        let requests = Requests::default();
        let counted = self.router.layer(middleware::from_fn_with_state(
            (requests.clone(), self.source),
            Requests::count,
        ));
        let connection =
            server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(counted));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = requests.stalled(self.reply_timeout) => {
                return tracing::debug!("closed a connection whose client takes no reply");
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
}

/// The requests of one connection. Neither protocol's own timers see a client that sends nothing,
/// or part of HTTP/2's preface, or that only keeps the connection alive.
#[derive(Clone, Default)]
struct Requests(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
    /// Those whose reply has not begun.
    handled: AtomicU64,
    /// Frames of replies that the connection has taken.
    taken: AtomicU64,
}

impl Requests {
    async fn count(
        State((requests, source)): State<(Requests, Source)>,
        mut request: Request,
        next: Next,
    ) -> Response {
        request.extensions_mut().insert(source);
        requests.0.begun.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight(requests.0.clone());
        let handled = Handled::new(requests.0);
        let response = next.run(request).await;
        drop(handled);
        response.map(|body| Body::new(Reply { body, in_flight }))
    }

    /// Completes when replies are under way and nothing else, and the client has taken nothing of them
    /// in a whole `timeout`. A client that reads nothing may keep its connection alive otherwise, and its
    /// place with it: what it is owed does not end.
    async fn stalled(&self, timeout: Option<Duration>) {
        let Some(timeout) = timeout else {
            return std::future::pending().await;
        };
        let moves = || {
            let counts = [&self.0.begun, &self.0.taken, &self.0.answered];
            counts.map(|count| count.load(Ordering::Relaxed))
        };
        let mut seen = moves();
        loop {
            tokio::time::sleep(timeout).await;
            let [begun, taken, answered] = moves();
            let is_replying = answered < begun && self.0.handled.load(Ordering::Relaxed) == 0;
            if is_replying && [begun, taken, answered] == seen {
                return;
            }
            seen = [begun, taken, answered];
        }
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

/// A request whose reply has not begun, until it is dropped.
struct Handled(Arc<Counts>);

impl Handled {
    fn new(counts: Arc<Counts>) -> Self {
        counts.handled.fetch_add(1, Ordering::Relaxed);
        Handled(counts)
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.0.handled.fetch_sub(1, Ordering::Relaxed);
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
    in_flight: InFlight,
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.in_flight.0.taken.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::Ipv4Addr;

    use axum::routing::get;
    use hyper_util::rt::TokioExecutor;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpSocket;
    use tokio::sync::Barrier;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    async fn listen(places: usize, router: Router) -> (Listener, SocketAddr, Arc<Admission>) {
        listen_within(places, REPLY_TIMEOUT, router).await
    }

    async fn listen_within(
        places: usize,
        timeout: Duration,
        router: Router,
    ) -> (Listener, SocketAddr, Arc<Admission>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let admission = Arc::<Admission>::default();
        let places = Connections::at_most(places);
        let admitted = admission.clone();
        let listening = Listener::tcp_within(places, timeout, listener, None, router, admitted);
        (listening, address, admission)
    }

    /// Connects from 127.0.0.N.
    async fn connect(from: u8, to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind((Ipv4Addr::new(127, 0, 0, from), 0).into())
            .unwrap();
        socket.connect(to).await.unwrap()
    }

    /// What is answered on a connection, until the server closes it.
    async fn ask(stream: &mut TcpStream) -> io::Result<String> {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut reply = String::new();
        let read = stream.read_to_string(&mut reply);
        tokio::time::timeout(DEADLINE, read).await??;
        Ok(reply)
    }

    #[tokio::test]
    async fn a_source_that_connects_and_says_nothing_leaves_the_listener_to_others() {
        let router = Router::new().route("/", get(|| async { "here" }));
        let (listening, address, admission) = listen(40, router).await;
        let mut silent = Vec::new();
        for _ in 0..10 {
            silent.push(connect(2, address).await);
        }
        // Its own next connection is answered that there are too many ...
        let reply = ask(&mut connect(2, address).await).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
        assert_eq!(admission.counted(NotAdmitted::Connection), 1);
        // ... and everybody else's as ever, however many it opens.
        for _ in 0..200 {
            silent.push(connect(2, address).await);
        }
        for other in 3..6 {
            let reply = ask(&mut connect(other, address).await).await.unwrap();
            assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        }
        assert_eq!(admission.counted(NotAdmitted::Connection), 201);
        // When it has gone there is room for it again.
        drop(silent);
        let served = async {
            loop {
                let reply = ask(&mut connect(2, address).await).await;
                if reply.is_ok_and(|reply| reply.starts_with("HTTP/1.1 200 ")) {
                    break;
                }
            }
        };
        tokio::time::timeout(DEADLINE, served).await.unwrap();
        listening.close(DEADLINE).await;
    }

    #[tokio::test]
    async fn an_http2_connection_has_at_most_so_many_requests_under_way() {
        let under_way = Arc::new(AtomicU64::new(0));
        let most = Arc::new(AtomicU64::new(0));
        // Each waits for as many as there may be, so that both too few and too many show.
        let all = Arc::new(Barrier::new(MAX_STREAMS as usize));
        let handler = {
            let (under_way, most) = (under_way.clone(), most.clone());
            move || async move {
                let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                all.wait().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let router = Router::new().route("/", get(handler));
        let router = router.route("/first", get(|| async {}));
        let (listening, address, _) = listen(40, router).await;
        let stream = TokioIo::new(connect(1, address).await);
        let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = client.await.unwrap();
        tokio::spawn(connection);
        // With the first reply the client knows the server's settings, which it keeps to.
        let first = hyper::Request::get("http://a/first").body(Body::empty());
        let first = sender.send_request(first.unwrap()).await.unwrap();
        assert_eq!(first.status(), 200);
        let mut replies = Vec::new();
        for n in 0..3 * MAX_STREAMS {
            let request = hyper::Request::get(format!("http://a/?{n}"));
            let request = request.body(Body::empty()).unwrap();
            sender.ready().await.unwrap();
            replies.push(tokio::spawn(sender.send_request(request)));
        }
        for reply in replies {
            let reply = tokio::time::timeout(DEADLINE, reply).await.unwrap();
            assert_eq!(reply.unwrap().unwrap().status(), 200);
        }
        assert_eq!(most.load(Ordering::SeqCst), u64::from(MAX_STREAMS));
        drop(sender);
        listening.close(DEADLINE).await;
    }

    /// It answers pings, and so keeps the connection alive, but opens no window for the reply.
    #[tokio::test]
    async fn an_http2_client_that_takes_no_reply_loses_its_connection() {
        let timeout = Duration::from_millis(50);
        let router = Router::new().route("/", get(|| async { "here" }));
        let (listening, address, _) = listen_within(40, timeout, router).await;
        let stream = TokioIo::new(connect(1, address).await);
        let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let client = client.initial_stream_window_size(0).handshake(stream);
        let (mut sender, connection) = client.await.unwrap();
        let connection = tokio::spawn(connection);
        let request = hyper::Request::get("http://a/").body(Body::empty());
        let reply = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(reply.status(), 200);
        let ended = tokio::time::timeout(DEADLINE, connection).await;
        assert!(ended.is_ok(), "the connection is still open");
        drop((reply, sender));
        listening.close(DEADLINE).await;
    }

    #[tokio::test]
    async fn an_http1_client_that_takes_no_more_of_a_reply_loses_its_connection() {
        let endless = || async {
            let parts =
                futures::stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![0; 64 << 10])));
            Body::from_stream(parts)
        };
        let router = Router::new().route("/", get(endless));
        let timeout = Duration::from_millis(50);
        let (listening, address, _) = listen_within(4, timeout, router).await;
        let mut stream = connect(1, address).await;
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        stream.write_all(request).await.unwrap();
        // The one place of this source is free again once the connection is closed.
        let freed = async {
            let closed = b"GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            loop {
                let mut next = connect(1, address).await;
                let mut reply = String::new();
                if next.write_all(closed).await.is_ok()
                    && next.read_to_string(&mut reply).await.is_ok()
                    && reply.starts_with("HTTP/1.1 404 ")
                {
                    break;
                }
            }
        };
        tokio::time::timeout(DEADLINE, freed).await.unwrap();
        drop(stream);
        listening.close(DEADLINE).await;
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_answered_and_cut() {
        let router = Router::new().fallback(|| async { Ok::<_, Infallible>("here") });
        let (listening, address, _) = listen(40, router).await;
        let mut stream = connect(1, address).await;
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let (mut reads, mut writes) = stream.split();
        let endless = async {
            for n in 0.. {
                let line = format!("x-{n}: {}\r\n", "a".repeat(1000));
                if writes.write_all(line.as_bytes()).await.is_err() || n > 4096 {
                    break;
                }
            }
        };
        let mut reply = [0; 64];
        let read = async {
            let count = reads.read(&mut reply).await.unwrap();
            String::from_utf8_lossy(&reply[..count]).into_owned()
        };
        let (reply, ()) = tokio::time::timeout(DEADLINE, async { tokio::join!(read, endless) })
            .await
            .unwrap();
        assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
        drop(stream);
        listening.close(DEADLINE).await;
    }
}
