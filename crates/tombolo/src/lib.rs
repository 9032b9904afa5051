//! The commands of `tombolo`, its configuration, and the wiring of the other crates.
//!
//! **Architecture invariant:** no rule lives here. A command asks a server, by its AWS API or by
//! the admin socket of [`tombolo_admin`]; a server is put together in [`server`] from a store, an
//! engine, the operations and the reconcilers.
//!
//! It is a library too so that the tests and the tool that renders the man pages can see the
//! command line's definition.

#![forbid(unsafe_code)]

mod aws;
pub mod cli;
pub mod command;
pub mod config;
mod demo;
mod directory;
pub mod log;
mod output;
pub mod report;
mod server;
mod stop;

/// The definition of the whole command line, for man pages and completions.
pub fn command_line() -> clap::Command {
    <cli::Cli as clap::CommandFactory>::command()
}
