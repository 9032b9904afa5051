//! What is let in: who is refused before anything of a request is kept, and that the refusal is read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use tokio::net::TcpSocket;
use tombolo_tests::aws::{Client, json_refusal};
use tombolo_tests::dev::Dev;
use tombolo_tests::http::{Connection, Request};
use tombolo_tests::serving::Serving;
use tombolo_tests::{metrics, tools};

/// The head of a request with a body of so many bytes, which does not come with it.
fn head(request: &Request, length: usize) -> Vec<u8> {
    let request = request.clone().body(Vec::new());
    let text = String::from_utf8(request.to_bytes()).expect("a head is text");
    let announced = text.replace("content-length: 0", &format!("content-length: {length}"));
    announced.into_bytes()
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("connecting");
    let timeout = Some(std::time::Duration::from_secs(20));
    stream.set_read_timeout(timeout).expect("a timeout");
    stream
}

#[test]
fn who_signs_nothing_is_answered_before_the_body_comes_and_reads_the_reply_while_sending() {
    let server = Dev::start_simulated();
    let unsigned = server.studio().gamelift_request("ListFleets", "");
    for length in [1 << 10, 1 << 20, 4 << 20, 1 << 40] {
        // The reply is there though nothing of the body is, ...
        let mut stream = connect(server.address());
        stream.write_all(&head(&unsigned, length)).expect("sending");
        let mut reply = vec![0; 4096];
        let read = stream.read(&mut reply).expect("the reply");
        let reply = String::from_utf8_lossy(&reply[..read]).into_owned();
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
        assert!(reply.contains("connection: close\r\n"), "{reply}");
        assert!(
            reply.contains("MissingAuthenticationTokenException"),
            "{reply}"
        );

        // ... and whoever sends first and reads then finds it, and not that the server has gone.
        let mut stream = connect(server.address());
        stream.write_all(&head(&unsigned, length)).expect("sending");
        for _ in 0..length.min(4 << 20) / (1 << 10) {
            stream
                .write_all(&[b' '; 1 << 10])
                .expect("sending the body");
        }
        let mut reply = String::new();
        stream
            .read_to_string(&mut reply)
            .expect("the reply to its end");
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    }
}

#[test]
fn a_body_that_never_ends_is_cut() {
    let server = Dev::start_simulated();
    let unsigned = server.studio().gamelift_request("ListFleets", "");
    let mut stream = connect(server.address());
    stream
        .write_all(&head(&unsigned, usize::MAX / 2))
        .expect("sending");
    let error = loop {
        if let Err(error) = stream.write_all(&[b' '; 64 << 10]) {
            break error;
        }
    };
    let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    assert!(kinds.contains(&error.kind()), "{error}");
}

/// Connects from 127.0.0.N, another source than other tests and requests are.
fn connect_from(n: u8, server: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let connected = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 0, 0, n), 0).into())?;
        socket.connect(server).await?.into_std()
    });
    let stream = connected.expect("connecting");
    stream.set_nonblocking(false).expect("a blocking socket");
    stream
}

/// A request that is signed well, with a body of so many bytes.
fn large(client: &Client, length: usize) -> Request {
    let body = format!("{{{}}}", " ".repeat(length - 2));
    client
        .signer
        .sign(client.gamelift_request("ListFleets", &body))
}

const MIB: usize = 1 << 20;

#[test]
fn bodies_that_never_end_take_their_sources_share_and_nothing_of_anothers() {
    let server = Serving::start_simulated();
    let used = || metrics::value(server.metrics(), "tombolo_body_memory_bytes");
    let studio = server.studio();
    // A head that names a known access key, which is no secret, and whose signature is none: it takes
    // the body to find that out, whose last byte never comes.
    let mut forger = studio.clone();
    forger.signer.secret_access_key = "guessed".to_owned();
    let forged = forger.gamelift_request("ListFleets", "");
    let forged = head(&forger.signer.sign(forged), MIB);
    let mut held = Vec::new();
    let mut most = 0.0_f64;
    for n in 0..600 {
        let mut stream = connect_from(2, studio.server);
        stream.write_all(&forged).expect("sending the head");
        // One that was refused is read for a while, and then no more.
        let _ = stream.write_all(&vec![b' '; MIB - 1]);
        held.push(stream);
        if n % 20 == 19 {
            most = most.max(used());
        }
    }
    assert!(most >= MIB as f64, "{most} bytes: nothing was held");
    assert!(most <= (8 * MIB) as f64, "{most} bytes");
    let refused = held.iter_mut().filter_map(|stream| {
        stream.set_nonblocking(true).expect("a socket");
        let mut reply = [0; 1024];
        let read = stream.read(&mut reply).ok()?;
        let reply = String::from_utf8_lossy(&reply[..read]).into_owned();
        let is_throttle = reply.contains("ThrottlingException");
        is_throttle.then_some(reply)
    });
    let refused: Vec<String> = refused.collect();
    assert!(refused.len() > 100, "only {} were refused", refused.len());
    for reply in &refused {
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    }

    // Another source's bodies have their own share, ...
    let reply = Connection::open(studio.server)
        .and_then(|mut connection| connection.exchange(&large(studio, MIB).to_bytes()))
        .expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    // ... and small ones of the same are let in, which come at once.
    let mut neighbour = connect_from(2, studio.server);
    let small = large(studio, 1000).header("connection", "close");
    neighbour.write_all(&small.to_bytes()).expect("sending");
    let mut reply = String::new();
    neighbour.read_to_string(&mut reply).expect("the reply");
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");

    drop(held);
    let released = tombolo_tests::wait::within(tombolo_tests::wait::TIMEOUT, || {
        (used() == 0.0).then_some(())
    });
    assert!(released.is_some(), "{} bytes are still held", used());
}

#[test]
fn an_account_that_asks_too_often_is_throttled_as_its_clients_know_it_and_no_other_is() {
    let server = Serving::start_simulated_with(
        "\n[request_rates]\nnon_mutating = { burst = 1, per_second = 1 }\n",
    );
    let seen = tools::succeeds(&mut server.python("python/throttled.py"));
    let expected = "gamelift ThrottlingException 400 throttle\n\
                    ec2 RequestLimitExceeded 503 throttle\n\
                    sts Throttling 400 throttle\n\
                    s3 SlowDown 503 throttle\n";
    assert_eq!(seen, expected);

    let (studio, backend) = (server.studio(), server.backend());
    let ask = |client: &Client| {
        let request = client.gamelift_request("ListFleets", "{}");
        client
            .send(&client.signer.sign(request))
            .expect("an answer")
    };
    let refused = (0..100)
        .map(|_| ask(studio))
        .find(|reply| reply.status != 200);
    let refusal = json_refusal(&refused.expect("it was never refused"));
    assert_eq!(refusal.code, "ThrottlingException");
    let expected = format!(
        "Request limit exceeded: account {} may make 1 non-mutating requests a second in us-west-2, \
         and 1 at once. Send it again later, and less often.",
        studio.account
    );
    assert_eq!(refusal.message, expected);
    assert_eq!(ask(backend).status, 200);
    // Other classes have their own buckets.
    let made = studio.ec2("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]);
    made.expect("writing is not reading");
    let counted = "tombolo_not_admitted_total{reason=\"rate_non_mutating\"}";
    assert!(metrics::value(server.metrics(), counted) >= 5.0);
}
