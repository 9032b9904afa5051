//! What the operator of a server sees and does: accounts and keys, builds, fleets as they run,
//! logs, what the network does, repairs, the clock, the programs of `tombolo run`.
//!
//! One file a theme, each with methods of [`AdminService`](server::AdminService), which need no socket.
//! [`message`] has what is asked and answered; [`server`] answers it over HTTP and JSON on a Unix
//! socket in the data directory, which only the owner of the directory can open; [`client`] asks.
//!
//! **Architecture invariants:** nothing here listens on TCP, parses a flag or knows HTML. Whoever
//! calls is the operator, and may see every account: who that is has been decided before.

#![forbid(unsafe_code)]

mod account;
mod build;
pub mod client;
mod clock;
mod fleet;
pub mod hint;
mod logs;
pub mod message;
mod network;
mod peering;
pub mod process;
pub mod program;
mod quota;
pub mod server;
pub mod server_clock;
pub mod service;
mod tasks;

use std::path::{Path, PathBuf};

/// The admin socket of the server whose data directory is `directory`.
pub fn admin_socket(directory: &Path) -> PathBuf {
    directory.join("admin.sock")
}
