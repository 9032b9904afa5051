//! The services' own models, and requests checked against them.

use std::fmt;

/// Input and output of an operation, independent of protocol: members by the model's names,
/// timestamps as numbers of seconds since the epoch, blobs as base64 text. A member that is null
/// counts as absent.
pub type Document = serde_json::Value;

/// The services that Tombolo speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceName {
    /// Amazon GameLift Servers.
    GameLift,
    /// Amazon EC2.
    Ec2,
    /// AWS STS.
    Sts,
}

impl ServiceName {
    /// The name in credential scopes and ARNs: `gamelift`.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceName::GameLift => "gamelift",
            ServiceName::Ec2 => "ec2",
            ServiceName::Sts => "sts",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
