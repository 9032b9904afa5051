//! `tombolo serve` as a process of its own, taken off the machine when a test ends.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::aws::Client;
use crate::daemon::Daemon;
use crate::server::Server;
use crate::{binary, tools, wait};

/// The Region that the server is.
const REGION: &str = "us-west-2";

/// A server with a configuration file of its own.
#[derive(Debug)]
pub struct Serving {
    daemon: Daemon,
    api: SocketAddr,
    metrics: SocketAddr,
    by_tls: bool,
    network: &'static str,
    /// What its configuration has besides.
    tables: String,
    studio: Option<Client>,
    backend: Option<Client>,
}

impl Serving {
    /// A server with the accounts `studio` and `backend`, whose packets are real, over TLS with a
    /// certificate of its own.
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start() -> Self {
        Serving::with(true, "ebpf", "")
    }

    /// A server like that without TLS, for calls by [`Serving::studio`] and [`Serving::backend`].
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start_plain() -> Self {
        Serving::with(false, "ebpf", "")
    }

    /// The same, with packets that do not flow: it needs no root.
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start_simulated() -> Self {
        Serving::with(false, "simulated", "")
    }

    /// The same, with more tables in its configuration.
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start_plain_with(tables: &str) -> Self {
        Serving::with(false, "ebpf", tables)
    }

    /// The same without root, with more tables in its configuration.
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start_simulated_with(tables: &str) -> Self {
        Serving::with(false, "simulated", tables)
    }

    fn with(by_tls: bool, network: &'static str, tables: &str) -> Self {
        let daemon = Daemon::serve("tmb-serve-");
        if by_tls {
            certificate(&daemon);
        }
        let [api, metrics] = free_addresses();
        let mut server = Serving {
            daemon,
            api,
            metrics,
            by_tls,
            network,
            tables: tables.to_owned(),
            studio: None,
            backend: None,
        };
        fs::write(server.path("tombolo.toml"), server.configuration()).expect("configuring");
        server.start_again();
        let studio = server.account("studio");
        let backend = server.account("backend");
        let profiles = [("studio", &studio), ("backend", &backend)]
            .map(|(name, client)| server.profile(name, client))
            .concat();
        fs::write(server.path("aws-config"), profiles).expect("writing the profiles");
        (server.studio, server.backend) = (Some(studio), Some(backend));
        server
    }

    /// The account with the fleets, over plain HTTP.
    pub fn studio(&self) -> &Client {
        self.studio.as_ref().expect("made when the server started")
    }

    /// The account with the VPC, over plain HTTP.
    pub fn backend(&self) -> &Client {
        self.backend.as_ref().expect("made when the server started")
    }

    /// Ends the server as a power cut would, and leaves what it made where it is.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts the stopped server again.
    pub fn start_again(&mut self) {
        let mut serve = Command::new(binary::tombolo());
        serve
            .args(["serve", "--config"])
            .arg(self.path("tombolo.toml"))
            .stdout(Stdio::null());
        self.daemon.spawn(&mut serve);
        let up = wait::within(wait::TIMEOUT, || {
            let asked = self
                .command(&["account", "list"])
                .output()
                .expect("starting tombolo");
            asked.status.success().then_some(())
        });
        assert!(up.is_some(), "the server did not come up");
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.daemon.stop()
    }

    /// Python with a script, which trusts this server's certificate if it has one.
    pub fn python(&self, path: &str) -> Command {
        let mut command = Command::new(tools::program("python"));
        command
            .arg(tools::script(path))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let mut command = tools::configured(command, &self.path("aws-config"), &self.directory());
        if self.by_tls {
            command.env("AWS_CA_BUNDLE", self.path("certificate.pem"));
        }
        command
    }

    /// Where `GET /metrics` is.
    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    /// The URL of the API.
    pub fn endpoint(&self) -> String {
        let scheme = if self.by_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.api)
    }

    fn configuration(&self) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        let tls = format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}\n\n",
            path("certificate.pem"),
            path("key.pem")
        );
        format!(
            "directory = {:?}\nregions = [{REGION:?}]\nlisten = \"{}\"\nnetwork = {:?}\n\n\
             {}[metrics]\nlisten = \"{}\"\n{}",
            path("data"),
            self.api,
            self.network,
            if self.by_tls { &tls } else { "" },
            self.metrics,
            self.tables
        )
    }

    /// Makes an account with an access key.
    ///
    /// # Panics
    /// There is one of that name.
    pub fn account(&self, name: &str) -> Client {
        self.new_account(self.api, REGION, name)
    }

    fn profile(&self, name: &str, account: &Client) -> String {
        format!(
            "[profile {name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
             region = {REGION}\nendpoint_url = {}\n\n",
            account.signer.access_key_id,
            account.signer.secret_access_key,
            self.endpoint()
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.daemon.path(name)
    }
}

impl Server for Serving {
    fn directory(&self) -> PathBuf {
        self.daemon.directory()
    }
}

/// Two addresses that nobody listens on, as far as one can know.
fn free_addresses() -> [SocketAddr; 2] {
    let bind = || TcpListener::bind("127.0.0.1:0").expect("binding a port");
    // Both are bound at once, or the second may be the first again.
    [bind(), bind()].map(|listener| listener.local_addr().expect("it is bound"))
}

/// A self-signed certificate for 127.0.0.1.
fn certificate(daemon: &Daemon) {
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tombolo test",
        ])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(daemon.path("key.pem"))
        .arg("-out")
        .arg(daemon.path("certificate.pem"));
    tools::succeeds(&mut openssl);
}
