//! Closing a connection without cutting its last reply short.
//!
//! When a socket is closed while bytes of its client lie unread, the kernel sends a reset, at which
//! the client's kernel throws away the reply that it has received and its program has not read yet.
//! So whoever is answered before its request has arrived in full, such as a caller whose head shows
//! that it signed nothing, would see a broken connection in place of the reply. RFC 9112, 9.6 says
//! what to do: end the sending side, and read on until the client has ended its own. What is read is
//! thrown away, and no client is waited for longer or read more of than the two bounds here.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long a client may take to end its side after ours was ended.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes of a request that was answered already are read, at most.
const MAX_DRAINED: usize = 8 << 20;

/// A stream that is drained when it is shut down.
pub(super) struct Drained<S> {
    stream: S,
    /// Cancelled: the server stops, and waits for no client that is answered.
    stop: CancellationToken,
    state: State,
}

enum State {
    Open,
    /// The client has ended its side.
    Ended,
    /// Our side is ended, the client's is not.
    Draining {
        left: usize,
        deadline: Pin<Box<Sleep>>,
        stop: Pin<Box<WaitForCancellationFutureOwned>>,
    },
}

impl<S> Drained<S> {
    pub(super) fn new(stream: S, stop: CancellationToken) -> Self {
        Drained {
            stream,
            stop,
            state: State::Open,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Drained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if room > 0 && buffer.remaining() == room {
            self.state = State::Ended;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Drained<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends our side, and is ready when the client has ended its own or a bound is reached.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let State::Open = this.state {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.state = State::Draining {
                left: MAX_DRAINED,
                deadline: Box::pin(sleep(DRAIN_TIMEOUT)),
                stop: Box::pin(this.stop.clone().cancelled_owned()),
            };
        }
        let State::Draining {
            left,
            deadline,
            stop,
        } = &mut this.state
        else {
            return Pin::new(&mut this.stream).poll_shutdown(context);
        };
        let is_over =
            deadline.as_mut().poll(context).is_ready() || stop.as_mut().poll(context).is_ready();
        while *left > 0 && !is_over {
            let mut bytes = [MaybeUninit::uninit(); 16 << 10];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            match buffer.filled().len() {
                0 => break,
                // The client has gone, which is all that was waited for.
                _ if read.is_err() => break,
                read => *left = left.saturating_sub(read),
            }
        }
        this.state = State::Ended;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn drained() -> (Drained<DuplexStream>, DuplexStream, CancellationToken) {
        let (server, client) = duplex(64 << 10);
        let stop = CancellationToken::new();
        (Drained::new(server, stop.clone()), client, stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_on_reads_the_reply_and_the_end() {
        let (mut server, mut client, _stop) = drained();
        server.write_all(b"reply").await.unwrap();
        let sends = async {
            client.write_all(&vec![0; 1 << 20]).await.unwrap();
            let mut reply = Vec::new();
            client.read_to_end(&mut reply).await.unwrap();
            drop(client);
            reply
        };
        let (closed, reply) = tokio::join!(server.shutdown(), sends);
        closed.unwrap();
        assert_eq!(reply, b"reply");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_ends_is_waited_for_and_read_within_bounds() {
        let started = tokio::time::Instant::now();
        let (mut server, _silent, _stop) = drained();
        server.shutdown().await.unwrap();
        assert_eq!(started.elapsed().as_secs(), DRAIN_TIMEOUT.as_secs());

        let (mut server, mut client, _stop) = drained();
        let sends = async {
            let mut sent = 0;
            while let Ok(count) = client.write(&[0; 4096]).await {
                sent += count;
            }
            sent
        };
        let closes = async {
            server.shutdown().await.unwrap();
            drop(server);
        };
        let (sent, ()) = tokio::join!(sends, closes);
        assert!(
            (MAX_DRAINED..MAX_DRAINED + (128 << 10)).contains(&sent),
            "{sent}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_who_has_ended_or_when_the_server_stops() {
        let started = tokio::time::Instant::now();
        let (mut server, client, _stop) = drained();
        drop(client);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        server.shutdown().await.unwrap();

        let (mut server, _silent, stop) = drained();
        stop.cancel();
        server.shutdown().await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
