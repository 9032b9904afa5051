//! What a development server and one for keeps have in common.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::aws::Client;
use crate::{daemon, scenario, tools};

/// A running server with a data directory.
pub trait Server {
    /// The data directory.
    fn directory(&self) -> PathBuf;

    /// A command of `tombolo` that talks to this server.
    fn command(&self, arguments: &[&str]) -> Command {
        daemon::command(&self.directory(), arguments)
    }

    /// Makes an account with an access key, for calls to `api`.
    ///
    /// # Panics
    /// There is one of that name.
    fn new_account(&self, api: SocketAddr, region: &str, name: &str) -> Client {
        let create = ["account", "create", "--json", "--name", name];
        let account = printed_json(&mut self.command(&create));
        let create = ["access-key", "create", "--json", "--account", name];
        let key = printed_json(&mut self.command(&create));
        Client::new(
            api,
            region,
            &scenario::text(&account["id"]),
            &scenario::text(&key["access_key_id"]),
            &scenario::text(&key["secret_access_key"]),
        )
    }
}

/// What a command that prints one JSON value printed.
fn printed_json(command: &mut Command) -> Value {
    let printed = tools::succeeds(command);
    serde_json::from_str(&printed).expect("--json prints JSON")
}
