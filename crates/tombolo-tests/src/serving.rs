//! `tombolo serve` as a process of its own, over TLS, taken off the machine when a test ends.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Server, end, end_or_kill, open_log};
use crate::{binary, tools, wait};

/// A server with a configuration file and a certificate of its own.
#[derive(Debug)]
pub struct Serving {
    root: TempDir,
    child: Option<Child>,
    api: SocketAddr,
    metrics: SocketAddr,
}

impl Serving {
    /// A server with the accounts `studio` and `backend`, whose packets are real.
    ///
    /// # Panics
    /// It does not come up; its log is shown.
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("tmb-serve-").tempdir();
        let root = root.expect("making a temporary directory");
        certificate(root.path());
        let mut server = Serving {
            root,
            child: None,
            api: free_address(),
            metrics: free_address(),
        };
        fs::write(server.path("tombolo.toml"), server.configuration()).expect("configuring");
        server.start_again();
        let profiles = ["studio", "backend"]
            .map(|name| server.profile(name))
            .concat();
        fs::write(server.path("aws-config"), profiles).expect("writing the profiles");
        server
    }

    /// Starts the stopped server again.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        let child = Command::new(binary::tombolo())
            .args(["serve", "--config"])
            .arg(self.path("tombolo.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(open_log(&self.path("server.log")))
            .spawn();
        self.child = Some(child.expect("starting tombolo"));
        let up = wait::within(wait::PATIENCE, || {
            let asked = self
                .command(&["account", "list"])
                .output()
                .expect("starting tombolo");
            asked.status.success().then_some(())
        });
        assert!(
            up.is_some(),
            "the server did not come up; its log:\n{}",
            self.log()
        );
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        end(&mut child).unwrap_or_else(|| panic!("the server did not end on SIGTERM"))
    }

    /// Python with a script, which trusts this server's certificate.
    pub fn python(&self, path: &str) -> Command {
        let mut command = Command::new(tools::program("python"));
        command
            .arg(tools::script(path))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let mut command = tools::configured(command, &self.path("aws-config"), &self.directory());
        command.env("AWS_CA_BUNDLE", self.path("certificate.pem"));
        command
    }

    /// Where `GET /metrics` is.
    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    /// The URL of the API.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.api)
    }

    fn configuration(&self) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            "directory = {:?}\nregions = [\"us-west-2\"]\nlisten = \"{}\"\nnetwork = \"ebpf\"\n\n\
             [tls]\ncertificate = {:?}\nkey = {:?}\n\n[metrics]\nlisten = \"{}\"\n",
            path("data"),
            self.api,
            path("certificate.pem"),
            path("key.pem"),
            self.metrics
        )
    }

    fn profile(&self, name: &str) -> String {
        tools::succeeds(&mut self.command(&["account", "create", "--name", name]));
        let create = ["access-key", "create", "--json", "--account", name];
        let key = tools::succeeds(&mut self.command(&create));
        let key: Value = serde_json::from_str(&key).expect("a key in JSON");
        let text = |name: &str| key[name].as_str().expect(name).to_owned();
        format!(
            "[profile {name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
             region = us-west-2\nendpoint_url = {}\n\n",
            text("access_key_id"),
            text("secret_access_key"),
            self.endpoint()
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }
}

impl Server for Serving {
    fn directory(&self) -> PathBuf {
        self.path("data")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        self.child.take().and_then(end_or_kill);
        // What `serve` made outlives it on purpose.
        self.teardown();
    }
}

/// An address that nobody listens on, as far as one can know.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binding a port");
    listener.local_addr().expect("it is bound")
}

/// A self-signed certificate for 127.0.0.1.
fn certificate(folder: &Path) {
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
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("certificate.pem"));
    tools::succeeds(&mut openssl);
}
