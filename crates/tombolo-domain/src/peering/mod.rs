//! VPC peering: the consent of a VPC's owner, and the connection that it permits.

mod authorization;
mod connection;
mod failure;
mod state;
mod visibility;

pub use authorization::{Authorization, Consent, MAX_ENDED_AUTHORIZATIONS, Missing, VALIDITY};
pub use connection::{
    Connection, End, MAX_ENDED_CONNECTIONS, PeeringOptions, REQUEST_LIFETIME, Requester,
};
pub use failure::FailureReason;
pub use state::{InvalidStep, State, Step, Transition};
