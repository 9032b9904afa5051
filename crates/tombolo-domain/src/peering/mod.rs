//! VPC peering: the consent of a VPC's owner, and the connection that it permits.

mod authorization;
mod connection;

pub use authorization::{Authorization, Consent, Missing, VALIDITY};
pub use connection::{
    Connection, End, FailureReason, InvalidStep, RECORD_RETENTION, State, Step, Transition,
};
