//! Bodies on their way to `s3s`: within the memory that there is for them, and no slower than a
//! client can be waited for.
//!
//! The bytes of objects go to the disk as they arrive, so that such a body needs no memory but for
//! the chunk that `s3s` verifies. Everything else is XML, which `s3s` reads as a whole. What a body
//! needs is reserved before it arrives, and waited for: the head's signature is verified already, and
//! the next part of an upload may well be sent while others are.

use std::io;
use std::pin::Pin;
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
use tombolo_api::admission::{Admission, BodyReservation};

use crate::aws_chunked::{ChunkParser, is_chunked};
use crate::endpoint::{Hosts, MAX_XML_SIZE};

/// How long a body may take to arrive, beside what its bytes take at [`MIN_RATE`].
const GRACE: Duration = Duration::from_secs(60);

/// The slowest that an object may arrive, in bytes a second.
const MIN_RATE: u64 = 4 << 10;

/// How long XML may take to arrive.
const XML_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that is arriving.
struct Incoming {
    data: BodyDataStream,
    kind: Kind,
    reservation: BodyReservation,
    started: Instant,
    received: u64,
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
pub(crate) fn admit(head: &Parts, body: Body, admission: &Admission) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let size = body.size_hint();
    let kind = match puts_object(head) {
        true if is_chunked(&head.headers) => Kind::Chunked(ChunkParser::default()),
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
    };
    let inner = Body::from_stream(futures::stream::try_unfold(incoming, Incoming::next));
    Body::new(Announced { inner, size })
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
            self.reservation.resize_when_free(size).await;
        }
        let allowed = match self.kind {
            Kind::Xml(_) => XML_TIMEOUT,
            _ => GRACE + Duration::from_secs(self.received / MIN_RATE),
        };
        let next = timeout_at(self.started + allowed, self.data.next()).await;
        let next = next.map_err(|_| {
            axum::Error::new(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "it arrives too slowly, {} bytes in {} seconds",
                    self.received,
                    allowed.as_secs()
                ),
            ))
        })?;
        let Some(bytes) = next.transpose()? else {
            return Ok(None);
        };
        self.received += bytes.len() as u64;
        if let Kind::Chunked(parser) = &mut self.kind {
            parser.parse(&bytes).map_err(axum::Error::new)?;
            let buffered = usize::try_from(parser.buffered()).unwrap_or(usize::MAX);
            self.reservation.resize_when_free(buffered).await;
        }
        Ok(Some((bytes, self)))
    }
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
