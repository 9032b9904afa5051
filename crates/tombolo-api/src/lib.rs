//! Protocols, SigV4 and one handler an operation.
//!
//! A request flows one way: [`http`] reads it, as far as [`admission`] lets it in, finds the protocol, has [`sigv4`] verify who signed
//! it, lets [`protocol`] turn the body into a [`model::Document`], has [`model`] check it against
//! the service's own model, and only then hands it to an operation.

#![forbid(unsafe_code)]

pub mod admission;
pub mod bound;
pub mod ec2;
pub mod error;
pub mod gamelift;
pub mod http;
pub mod lookup;
pub mod model;
pub mod operation;
pub mod protocol;
pub mod registry;
pub mod sigv4;
pub mod sts;
