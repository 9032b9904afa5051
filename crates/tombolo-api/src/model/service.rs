//! A service: its operations and shapes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::shape::{Shape, ShapeId};

/// The services that Tombolo speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// Amazon GameLift Servers.
    GameLift,
    /// Amazon EC2.
    Ec2,
    /// AWS STS.
    Sts,
}

impl ServiceName {
    /// Every one.
    pub const ALL: [ServiceName; 3] = [ServiceName::GameLift, ServiceName::Ec2, ServiceName::Sts];

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

/// What a model says of one operation.
#[derive(Debug, Clone)]
pub struct OperationModel {
    /// The model's name: `CreateFleet`.
    pub name: &'static str,
    /// The structure it takes.
    pub input: Option<ShapeId>,
    /// The structure it answers with.
    pub output: Option<ShapeId>,
    /// The names of the errors that the model declares.
    pub errors: Vec<&'static str>,
}

/// One service's model.
#[derive(Debug)]
pub struct Service {
    /// Which service this is.
    pub name: ServiceName,
    /// The version that query protocols name: `2016-11-15`.
    pub api_version: &'static str,
    /// The namespace of XML replies.
    pub xml_namespace: &'static str,
    pub(super) operations: BTreeMap<&'static str, OperationModel>,
    pub(super) unserved: BTreeSet<&'static str>,
    pub(super) shapes: Vec<Shape>,
}

impl Service {
    /// The operation, if it is served.
    pub fn operation(&self, name: &str) -> Option<&OperationModel> {
        self.operations.get(name)
    }

    /// All operations that are served, by name.
    pub fn operations(&self) -> impl Iterator<Item = &OperationModel> {
        self.operations.values()
    }

    /// Whether the service has this operation and Tombolo does not serve it.
    pub fn is_unserved(&self, name: &str) -> bool {
        self.unserved.contains(name)
    }

    /// The shape that a member or operation of this service refers to.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0 as usize]
    }
}
