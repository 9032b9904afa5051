//! VPC peering: the consent of a VPC's owner, and the connection that it permits.

mod authorization;
mod connection;

pub use authorization::{Authorization, Consent, Missing, VALIDITY};
pub use connection::{
    Asker, Connection, End, FailureReason, InvalidStep, PeeringOptions, RECORD_RETENTION,
    REQUEST_LIFETIME, State, Step, Transition,
};
