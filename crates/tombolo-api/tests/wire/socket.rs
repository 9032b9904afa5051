//! The same through a socket, as HTTP/1.1 bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use crate::server::Server;
use crate::signer::Draft;

/// Sends bytes and reads the reply until the server closes.
fn exchange(at: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(bytes).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn the_router_serves_operations_and_health_on_one_port() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let at = listener.local_addr().unwrap();
    let router = tombolo_api::http::router(Arc::new(Server::new().into_api()));
    runtime.spawn(async move { axum::serve(listener, router).await });

    let health = exchange(
        at,
        b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert!(health.ends_with("\r\n\r\nok"), "{health}");

    let signed = Draft::json("ListBuilds", "{}").sign();
    let headers: String = signed
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request =
        format!("POST / HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 2\r\n\r\n{{}}");
    let reply = exchange(at, request.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.contains("\r\nx-amzn-requestid: "), "{reply}");
    assert!(reply.ends_with("\r\n\r\n{}"), "{reply}");

    // A body that says it is longer than it may be is refused without waiting for it.
    let long = request.replace("content-length: 2", "content-length: 1048577");
    let reply = exchange(at, long.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    assert!(reply.contains("RequestEntityTooLargeException"), "{reply}");
}
