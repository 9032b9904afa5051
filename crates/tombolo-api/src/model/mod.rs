//! The services' own models, and requests checked against them.
//!
//! The models are derived from botocore's by `cargo xtask model`, compiled in, and read once at
//! start. Codecs and validation are guided by them, so a member exists in one place only.

mod load;
mod service;
mod validate;

pub use load::{ModelError, Models};
pub use service::{
    Bounds, Kind, List, Member, OperationModel, Pattern, Service, ServiceName, Shape, ShapeId,
    Structure,
};
pub use validate::validate;

/// Input and output of an operation, independent of protocol: members by the model's names,
/// timestamps as numbers of seconds since the epoch. A member that is null counts as absent.
pub type Document = serde_json::Value;
