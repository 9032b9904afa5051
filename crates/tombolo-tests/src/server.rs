//! What a development server and one for keeps have in common.

use std::path::PathBuf;
use std::process::Command;

use crate::daemon;

/// A running server with a data directory.
pub trait Server {
    /// The data directory.
    fn directory(&self) -> PathBuf;

    /// A command of `tombolo` that talks to this server.
    fn command(&self, arguments: &[&str]) -> Command {
        daemon::command(&self.directory(), arguments)
    }
}
