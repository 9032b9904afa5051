//! A load generator: requests signed beforehand, on connections that are kept while the server
//! keeps them.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tombolo_tests::http::{Connection, Request};

/// Answered requests per second, over some connections that are all busy all the time.
pub(crate) fn requests_per_second(
    server: SocketAddr,
    request: &Request,
    connections: usize,
    time: Duration,
) -> f64 {
    let bytes = request.to_bytes();
    let start = Instant::now();
    let answered: usize = thread::scope(|scope| {
        let callers: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| answered_until(server, &bytes, start + time)))
            .collect();
        let answered = callers.into_iter().map(|caller| caller.join());
        answered
            .map(|count| count.expect("a caller panicked"))
            .sum()
    });
    answered as f64 / start.elapsed().as_secs_f64()
}

fn answered_until(server: SocketAddr, request: &[u8], end: Instant) -> usize {
    let mut connection = None;
    let mut answered = 0;
    while Instant::now() < end {
        let mut kept = connection
            .take()
            .unwrap_or_else(|| Connection::open(server).expect("the server listens"));
        let reply = kept.skim(request).expect("an answer");
        assert_eq!(reply.status, 200);
        answered += 1;
        connection = reply.keeps.then_some(kept);
    }
    answered
}
