//! One service's model: its operations, and the shapes of their values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use regex::Regex;

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

/// A shape within one service's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeId(pub(super) u32);

/// One shape.
#[derive(Debug)]
pub struct Shape {
    /// The model's name: `FleetIdOrArn`.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether values of it stay out of messages and logs.
    pub sensitive: bool,
}

/// What a shape holds.
#[derive(Debug)]
pub enum Kind {
    /// Named members.
    Structure(Structure),
    /// Values of one shape, in order.
    List(List),
    /// Text.
    Text {
        /// Bounds of the number of characters.
        length: Bounds,
        /// What the whole text must match.
        pattern: Option<Pattern>,
        /// The allowed values; empty if any.
        values: Vec<&'static str>,
    },
    /// A whole number. Both ends of the bounds are there: the model's `integer` has 32 bits, its
    /// `long` 64.
    Integer(Bounds),
    /// Any number, as a double has it.
    Double,
    /// True or false.
    Boolean,
    /// Seconds since the epoch.
    Timestamp,
}

/// A pattern, and how the model writes it.
#[derive(Debug)]
pub struct Pattern {
    /// As in the model, for messages.
    pub text: String,
    pub(super) regex: Regex,
}

/// An inclusive range; an end that is none is open.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The least allowed.
    pub min: Option<i64>,
    /// The most allowed.
    pub max: Option<i64>,
}

impl Bounds {
    /// These, and no wider than `least` to `most`.
    pub(super) fn within(self, least: i64, most: i64) -> Self {
        Bounds {
            min: Some(self.min.unwrap_or(least).max(least)),
            max: Some(self.max.unwrap_or(most).min(most)),
        }
    }
}

/// A structure's members, in the model's order.
#[derive(Debug)]
pub struct Structure {
    /// The members.
    pub members: Vec<Member>,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// The model's name, which documents, JSON and CBOR use.
    pub name: &'static str,
    /// What it holds.
    pub shape: ShapeId,
    /// Whether it must be there.
    pub required: bool,
    /// Its element in XML replies, and its name in EC2's messages.
    pub element: &'static str,
    /// Its parameter in query requests.
    pub parameter: String,
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// What each element holds.
    pub member: ShapeId,
    /// The elements' name in XML.
    pub element: &'static str,
    /// Bounds of the number of elements.
    pub length: Bounds,
}
