//! moto's server, what people take today.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use tombolo_tests::aws::Client;
use tombolo_tests::http::{self, Request};
use tombolo_tests::{binary, wait};

/// A server that runs until this is dropped.
pub(crate) struct Moto {
    child: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts it, and waits until it answers.
    pub(crate) fn start() -> Self {
        let address = free_address();
        let child = Command::new(binary::target().join("venv-bench/bin/moto_server"))
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server is installed by `cargo xtask bench`");
        wait::until("moto to answer", || {
            is_healthy(address, "/moto-api/").then_some(())
        });
        Moto { child, address }
    }

    /// An account of it.
    pub(crate) fn client(&self) -> Client {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        Client::new(
            self.address,
            "us-west-2",
            "123456789012",
            "AKIAIOSFODNN7EXAMPLE",
            secret,
        )
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It keeps nothing, so there is nothing to end gracefully.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `GET path` is answered by 200.
pub(crate) fn is_healthy(address: SocketAddr, path: &str) -> bool {
    let request = Request::new("GET", path).header("host", &address.to_string());
    http::send(address, &request).is_ok_and(|response| response.status == 200)
}

/// An address that nobody listens on, as far as one can know.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binding a port");
    listener.local_addr().expect("it is bound")
}
