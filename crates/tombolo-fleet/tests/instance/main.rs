//! Real server processes, which are shell scripts, in real namespaces. Run as root: without it a
//! test fails and says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panic"
)]

mod configure;
mod control_plane;
mod enter;
mod escape;
mod fixture;
mod install;
mod kills;
mod launch;
mod log_paths;
mod namespace_processes;
mod other_releases;
mod output;
mod restart;
mod status;
mod stop;
mod view;
