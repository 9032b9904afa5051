//! The models that are compiled in, and how they are read: JSON in the shape that botocore gives it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;

use regex::Regex;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::service::{
    Bounds, Kind, List, Member, OperationModel, Pattern, Service, ServiceName, Shape, ShapeId,
    Structure,
};

/// All models.
#[derive(Debug)]
pub struct Models {
    gamelift: Service,
    ec2: Service,
    sts: Service,
}

impl Models {
    /// Reads the models that are compiled in; a few milliseconds.
    ///
    /// # Errors
    /// A derived model has a shape that this build cannot handle.
    pub fn load() -> Result<Self, ModelError> {
        Ok(Models {
            gamelift: service(
                ServiceName::GameLift,
                include_str!("../../models/gamelift.json"),
            )?,
            ec2: service(ServiceName::Ec2, include_str!("../../models/ec2.json"))?,
            sts: service(ServiceName::Sts, include_str!("../../models/sts.json"))?,
        })
    }

    /// The model of one service.
    pub fn service(&self, name: ServiceName) -> &Service {
        match name {
            ServiceName::GameLift => &self.gamelift,
            ServiceName::Ec2 => &self.ec2,
            ServiceName::Sts => &self.sts,
        }
    }
}

/// A derived model that this build cannot handle. Only a change of the files under `models/` can
/// cause it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file is not JSON of a model.
    #[error("the model of {service} cannot be read")]
    Json {
        /// Whose model.
        service: ServiceName,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A shape has a type that no codec here knows.
    #[error("shape {shape} of {service} has type {kind:?}, which no codec here handles yet")]
    UnknownType {
        /// Whose model.
        service: ServiceName,
        /// The shape.
        shape: &'static str,
        /// The model's type.
        kind: &'static str,
    },
    /// A reference leads nowhere.
    #[error("the model of {service} refers to shape {shape}, which it does not have")]
    UnknownShape {
        /// Whose model.
        service: ServiceName,
        /// The missing shape.
        shape: &'static str,
    },
    /// A pattern is not a regular expression.
    #[error("the pattern of shape {shape} of {service} is not a regular expression")]
    Pattern {
        /// Whose model.
        service: ServiceName,
        /// The shape.
        shape: &'static str,
        /// Why not.
        source: Box<regex::Error>,
    },
}

// Borrows from the text that is compiled in, so names are never copied.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    operations: BTreeMap<&'a str, RawOperation<'a>>,
    #[serde(borrow)]
    unserved: Vec<&'a str>,
    #[serde(borrow)]
    shapes: BTreeMap<&'a str, RawShape<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    api_version: &'a str,
    xml_namespace: &'a str,
}

#[derive(Deserialize)]
struct RawOperation<'a> {
    #[serde(borrow)]
    input: Option<Reference<'a>>,
    #[serde(borrow)]
    output: Option<Reference<'a>>,
    #[serde(borrow)]
    errors: Vec<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    shape: &'a str,
    #[serde(borrow)]
    location_name: Option<&'a str>,
    #[serde(borrow)]
    query_name: Option<&'a str>,
}

#[derive(Deserialize)]
struct RawShape<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    required: Vec<&'a str>,
    #[serde(borrow, default)]
    members: InOrder<'a>,
    #[serde(borrow)]
    member: Option<Reference<'a>>,
    #[serde(borrow, default, rename = "enum")]
    values: Vec<&'a str>,
    pattern: Option<String>,
    min: Option<i64>,
    max: Option<i64>,
    #[serde(default)]
    sensitive: bool,
}

/// A structure's members in the order of the file, which is the order of XML elements and of
/// messages.
#[derive(Default)]
struct InOrder<'a>(Vec<(&'a str, Reference<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for InOrder<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Entries<'a> {
            type Value = InOrder<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<'a>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Reads the model of `service` from `text`.
pub(super) fn service(service: ServiceName, text: &'static str) -> Result<Service, ModelError> {
    let file: File<'static> =
        serde_json::from_str(text).map_err(|source| ModelError::Json { service, source })?;
    let ids = (0..).map(ShapeId);
    let ids = Ids {
        service,
        by_name: file.shapes.keys().copied().zip(ids).collect(),
    };
    let shapes = file
        .shapes
        .into_iter()
        .map(|(name, raw)| ids.shape(name, raw))
        .collect::<Result<_, _>>()?;
    let mut operations = BTreeMap::new();
    for (name, raw) in file.operations {
        let operation = OperationModel {
            name,
            input: raw.input.map(|to| ids.find(to.shape)).transpose()?,
            output: raw.output.map(|to| ids.find(to.shape)).transpose()?,
            errors: raw.errors,
        };
        operations.insert(name, operation);
    }
    Ok(Service {
        name: service,
        api_version: file.metadata.api_version,
        xml_namespace: file.metadata.xml_namespace,
        operations,
        unserved: file.unserved.into_iter().collect(),
        shapes,
    })
}

struct Ids {
    service: ServiceName,
    by_name: HashMap<&'static str, ShapeId>,
}

impl Ids {
    fn find(&self, shape: &'static str) -> Result<ShapeId, ModelError> {
        let service = self.service;
        let missing = ModelError::UnknownShape { service, shape };
        self.by_name.get(shape).copied().ok_or(missing)
    }

    fn shape(&self, name: &'static str, raw: RawShape<'static>) -> Result<Shape, ModelError> {
        let bounds = Bounds {
            min: raw.min,
            max: raw.max,
        };
        let kind = match (raw.kind, raw.member) {
            ("structure", _) => Kind::Structure(self.structure(raw.members, &raw.required)?),
            ("list", Some(member)) => Kind::List(List {
                member: self.find(member.shape)?,
                element: member.location_name.unwrap_or("member"),
                length: bounds,
            }),
            ("string", _) => Kind::Text {
                length: bounds,
                pattern: raw
                    .pattern
                    .map(|text| self.pattern(name, text))
                    .transpose()?,
                values: raw.values,
            },
            ("integer", _) => Kind::Integer(bounds.within(i32::MIN.into(), i32::MAX.into())),
            ("long", _) => Kind::Integer(bounds.within(i64::MIN, i64::MAX)),
            ("double", _) => Kind::Double,
            ("boolean", _) => Kind::Boolean,
            ("timestamp", _) => Kind::Timestamp,
            (kind, _) => {
                return Err(ModelError::UnknownType {
                    service: self.service,
                    shape: name,
                    kind,
                });
            }
        };
        Ok(Shape {
            name,
            kind,
            sensitive: raw.sensitive,
        })
    }

    fn structure(
        &self,
        members: InOrder<'static>,
        required: &[&str],
    ) -> Result<Structure, ModelError> {
        let members = members.0.into_iter().map(|(name, to)| {
            Ok(Member {
                name,
                shape: self.find(to.shape)?,
                required: required.contains(&name),
                element: to.location_name.unwrap_or(name),
                parameter: self.parameter(name, &to),
            })
        });
        Ok(Structure {
            members: members.collect::<Result<_, _>>()?,
        })
    }

    /// A member's name in query requests. EC2 capitalizes what it calls the element in replies:
    /// <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html#query-key-resolution>.
    fn parameter(&self, name: &str, to: &Reference<'_>) -> String {
        match (self.service, to.query_name, to.location_name) {
            (ServiceName::Ec2, Some(query_name), _) => query_name.to_owned(),
            (ServiceName::Ec2, None, location_name) => {
                let name = location_name.unwrap_or(name);
                let (first, rest) = name.split_at(name.len().min(1));
                first.to_uppercase() + rest
            }
            (_, _, location_name) => location_name.unwrap_or(name).to_owned(),
        }
    }

    fn pattern(&self, shape: &'static str, text: String) -> Result<Pattern, ModelError> {
        // The models' expressions are Java's: they match the whole text, and \d is ASCII.
        let java = format!("^(?:{})$", text.replace(r"\d", "[0-9]"));
        let regex = Regex::new(&java).map_err(|source| ModelError::Pattern {
            service: self.service,
            shape,
            source: Box::new(source),
        })?;
        Ok(Pattern { text, regex })
    }
}
