//! The administrative door: HTTP and JSON over a Unix socket in the data directory, which only the
//! owner of the directory can open.
//!
//! [`message`] has what is asked and answered, for both sides; [`door`] is the server's side, one
//! file a theme; [`client`] is the commands' side.

pub(crate) mod client;
pub(crate) mod door;
pub mod message;
