//! Bodies on their way to `s3s`: within the memory that there is for them, and no slower than a
//! client can be waited for.
//!
//! The bytes of objects go to the disk as they arrive, so that such a body needs no memory but for
//! the chunk that `s3s` verifies, which is no larger than the share of one source. Everything else is XML,
//! which `s3s` reads as a whole. What a body needs is reserved before it arrives, and waited for: the
//! head's signature is verified already, and the next part of an upload may well be sent while others
//! are. Nobody waits for ever, and nobody keeps what is reserved for longer than its bytes may take: a
//! client that is told to slow down tries again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::Bytes;
use futures::StreamExt;
use http::Method;
use http::request::Parts;
use http_body::{Frame, SizeHint};
use s3s::host::S3Host;
use tokio::time::{Instant, timeout_at};
use tombolo_api::admission::{Admission, BodyReservation, NotAdmitted};

use crate::aws_chunked::{ChunkParser, is_chunked};
use crate::endpoint::{Hosts, MAX_XML_SIZE};

/// How long a body may take to arrive, beside what its bytes take at [`MIN_RATE`].
const GRACE: Duration = Duration::from_secs(60);

/// The slowest that an object may arrive, in bytes a second.
const MIN_RATE: u64 = 4 << 10;

/// How long XML may take to arrive.
const XML_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a chunk may take to arrive, for which memory is reserved.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a body waits for memory. AWS's clients wait for a reply for as long, or longer.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(20);

/// Whether a body was ended because there was no memory for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LackedMemory(Arc<AtomicBool>);

impl LackedMemory {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that is arriving.
struct Incoming {
    data: BodyDataStream,
    kind: Kind,
    reservation: BodyReservation,
    /// When it began to arrive, and later by what it waited for memory: that is not the client's.
    started: Instant,
    received: u64,
    /// Until when the chunk that is arriving has to be there.
    chunk_deadline: Option<Instant>,
    admission: Arc<Admission>,
    lacked_memory: LackedMemory,
}

enum Kind {
    /// XML, of so many bytes at most.
    Xml(usize),
    /// An object.
    Plain,
    /// An object in chunks.
    Chunked(ChunkParser),
}

/// The body of a request whose head is verified.
pub(crate) fn admit(head: &Parts, body: Body, admission: &Arc<Admission>) -> (Body, LackedMemory) {
    let lacked_memory = LackedMemory::default();
    if body.is_end_stream() {
        return (body, lacked_memory);
    }
    let size = body.size_hint();
    let kind = match puts_object(head) {
        true if is_chunked(&head.headers) => {
            Kind::Chunked(ChunkParser::new(admission.bodies().share()))
        }
        true => Kind::Plain,
        false => {
            let announced = usize::try_from(size.lower()).unwrap_or(usize::MAX);
            Kind::Xml(match announced {
                0 => MAX_XML_SIZE,
                announced => announced.min(MAX_XML_SIZE),
            })
        }
    };
    let source = head.extensions.get().copied().unwrap_or_default();
    let incoming = Incoming {
        data: body.into_data_stream(),
        kind,
        reservation: admission.bodies().reserve(source),
        started: Instant::now(),
        received: 0,
        chunk_deadline: None,
        admission: admission.clone(),
        lacked_memory: lacked_memory.clone(),
    };
    let inner = Body::from_stream(futures::stream::try_unfold(incoming, Incoming::next));
    (Body::new(Announced { inner, size }), lacked_memory)
}

/// A body with the size that its client announced, which a stream alone would not tell.
struct Announced {
    inner: Body,
    size: SizeHint,
}

impl HttpBody for Announced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl Incoming {
    /// The next bytes, for which there is memory.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, axum::Error> {
        if let Kind::Xml(size) = self.kind {
            self.reserve(size).await?;
        }
        let allowed = match self.kind {
            Kind::Xml(_) => XML_TIMEOUT,
            _ => GRACE + Duration::from_secs(self.received / MIN_RATE),
        };
        let whole = self.started + allowed;
        let deadline = self.chunk_deadline.map_or(whole, |chunk| whole.min(chunk));
        let next = timeout_at(deadline, self.data.next()).await;
        let next = next.map_err(|_| {
            failed(
                io::ErrorKind::TimedOut,
                format!(
                    "it arrives too slowly, {} bytes in {} seconds",
                    self.received,
                    self.started.elapsed().as_secs()
                ),
            )
        })?;
        let Some(bytes) = next.transpose()? else {
            return Ok(None);
        };
        self.received += bytes.len() as u64;
        if let Kind::Chunked(parser) = &mut self.kind {
            let before = parser.begun();
            parser.parse(&bytes).map_err(axum::Error::new)?;
            let is_new = parser.begun() > before;
            let buffered = usize::try_from(parser.buffered()).unwrap_or(usize::MAX);
            self.reserve(buffered).await?;
            if buffered == 0 {
                self.chunk_deadline = None;
            } else if is_new {
                self.chunk_deadline = Some(Instant::now() + CHUNK_TIMEOUT);
            }
        }
        Ok(Some((bytes, self)))
    }

    /// Has so much memory reserved.
    async fn reserve(&mut self, bytes: usize) -> Result<(), axum::Error> {
        let began = Instant::now();
        let deadline = began + MEMORY_TIMEOUT;
        let is_reserved = self.reservation.resize_when_free(bytes, deadline).await;
        self.started += began.elapsed();
        if is_reserved {
            return Ok(());
        }
        self.lacked_memory.0.store(true, Ordering::Relaxed);
        self.admission.count(NotAdmitted::Body);
        Err(failed(
            io::ErrorKind::OutOfMemory,
            "too many bodies are being received".to_owned(),
        ))
    }
}

fn failed(kind: io::ErrorKind, message: String) -> axum::Error {
    axum::Error::new(io::Error::new(kind, message))
}

/// Whether a request puts an object or a part of one, whose bytes are not kept in memory.
fn puts_object(head: &Parts) -> bool {
    if head.method != Method::PUT {
        return false;
    }
    let host = head.headers.get(http::header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str()));
    let is_in_host = host
        .and_then(|host| Hosts.parse_host_header(host).ok())
        .is_some_and(|host| host.bucket().is_some());
    let path = head.uri.path().trim_start_matches('/');
    match is_in_host {
        true => !path.is_empty(),
        false => path.split_once('/').is_some_and(|(_, key)| !key.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::Ipv4Addr;

    use futures::stream;
    use http::Request;
    use tokio::time::sleep;
    use tombolo_api::admission::{AdmissionSettings, Source};

    use super::*;

    const SOURCE: Source = Source::V4(Ipv4Addr::LOCALHOST);

    /// Such an admission's share is 1 MiB.
    fn admission() -> Arc<Admission> {
        Arc::new(Admission::new(AdmissionSettings {
            body_memory: 8 << 20,
            ..AdmissionSettings::default()
        }))
    }

    /// The body of a part in chunks: each of `pieces` comes so long after the one before, and after the
    /// last one comes a byte every ten seconds.
    fn arriving(
        admission: &Arc<Admission>,
        pieces: impl IntoIterator<Item = (u64, &'static str)>,
    ) -> (BodyDataStream, LackedMemory) {
        let request = Request::put("http://localhost/bucket/key")
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .extension(SOURCE)
            .body(());
        let (head, ()) = request.unwrap().into_parts();
        let pieces: Vec<_> = pieces.into_iter().collect();
        let trickle = stream::repeat((10, "x"));
        let all = stream::iter(pieces)
            .chain(trickle)
            .then(async |(seconds, piece)| {
                sleep(Duration::from_secs(seconds)).await;
                Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))
            });
        let (body, lacked) = admit(&head, Body::from_stream(Box::pin(all)), admission);
        (body.into_data_stream(), lacked)
    }

    /// How a body ends that does.
    async fn end(mut body: BodyDataStream) -> String {
        loop {
            match body.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error.to_string(),
                None => break "at its end".to_owned(),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_that_is_larger_than_a_sources_share_is_refused() {
        let (body, lacked) = arriving(&admission(), [(0, "100001\r\n")]);
        let end = end(body).await;
        assert_eq!(
            end,
            "a piece of it has 1048577 bytes, and the most is 1048576"
        );
        assert!(!lacked.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_that_trickles_holds_its_memory_for_a_minute() {
        let admission = admission();
        let began = Instant::now();
        let (body, _) = arriving(&admission, [(0, "100000\r\n"), (1, "some of it")]);
        let end = end(body).await;
        assert!(end.contains("too slowly"), "{end}");
        assert_eq!(began.elapsed(), CHUNK_TIMEOUT);
        assert_eq!(admission.bodies().used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_for_which_there_is_no_memory_is_not_waited_for_for_ever() {
        let admission = admission();
        let mut others = admission.bodies().reserve(SOURCE);
        assert!(others.resize(1 << 20));
        let began = Instant::now();
        let (body, lacked) = arriving(&admission, [(0, "100000\r\n")]);
        let end = end(body).await;
        assert!(lacked.get(), "{end}");
        assert_eq!(began.elapsed(), MEMORY_TIMEOUT);
        assert_eq!(admission.counted(NotAdmitted::Body), 1);
    }

    /// It waits for 15 s and is sent in 50 s, of the 60 that a body of so few bytes may take.
    #[tokio::test(start_paused = true)]
    async fn what_a_body_waits_for_memory_is_not_its_clients_time() {
        let admission = admission();
        let mut others = admission.bodies().reserve(SOURCE);
        assert!(others.resize(1 << 20));
        tokio::spawn(async move {
            sleep(Duration::from_secs(15)).await;
            drop(others);
        });
        let (mut body, _) = arriving(&admission, [(0, "5\r\n"), (50, "bytes\r\n")]);
        for _ in 0..2 {
            assert!(matches!(body.next().await, Some(Ok(_))));
        }
    }
}
