//! Inputs of the query protocols: `Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-…`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{MAX_DEPTH, time};
use crate::error::{ApiError, CommonError, excerpt};
use crate::model::{Kind, Service, ServiceName, ShapeId};
use crate::sigv4::parameters;

/// Parameters, as the tree that the dots in their names make.
#[derive(Debug, Default)]
pub struct Form {
    value: Option<String>,
    children: BTreeMap<Box<str>, Form>,
}

impl Form {
    /// Reads a form or a query.
    ///
    /// # Errors
    /// [`CommonError::Serialization`]: not UTF-8, a parameter that is there twice, too many dots.
    pub(super) fn read(text: &[u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(text).map_err(|_| malformed("The form is not UTF-8."))?;
        let mut form = Form::default();
        for (name, value) in parameters(text) {
            let name = std::str::from_utf8(&name);
            let value = String::from_utf8(value.into_owned());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(malformed("A parameter is not UTF-8."));
            };
            if name.split('.').count() > MAX_DEPTH {
                return Err(malformed(format!(
                    "The parameter {} has more than {MAX_DEPTH} parts.",
                    excerpt(name)
                )));
            }
            let mut node = &mut form;
            for part in name.split('.') {
                node = node.children.entry(part.into()).or_default();
            }
            if node.value.replace(value).is_some() {
                return Err(malformed(format!(
                    "The parameter {} is there twice.",
                    excerpt(name)
                )));
            }
        }
        Ok(form)
    }

    /// The value of a parameter whose name has no dots.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.children.get(name)?.value.as_deref()
    }

    /// The parameters as the members of a shape. What cannot be a value of the shape stays text,
    /// which validation then names.
    pub(super) fn document(&self, service: &Service, id: ShapeId) -> Result<Value, ApiError> {
        let shape = service.shape(id);
        let text = match (&shape.kind, &self.value) {
            (Kind::Structure(structure), None) => {
                let mut members = Map::new();
                for member in &structure.members {
                    if let Some(node) = self.children.get(&*member.parameter) {
                        let value = node.document(service, member.shape)?;
                        members.insert(member.name.to_owned(), value);
                    }
                }
                return Ok(Value::Object(members));
            }
            (Kind::List(list), None) => return self.list(service, list.member),
            (_, Some(text)) if self.children.is_empty() => text,
            // Dots in the name of a parameter that has no parts.
            _ => return Ok(Value::Object(Map::new())),
        };
        let value = match &shape.kind {
            Kind::Integer(_) => text.parse::<i64>().ok().map(Value::from),
            Kind::Double => text.parse::<f64>().ok().map(Value::from),
            Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
            Kind::Timestamp => time::from_iso(text),
            _ => None,
        };
        Ok(value.unwrap_or_else(|| text.as_str().into()))
    }

    fn list(&self, service: &Service, member: ShapeId) -> Result<Value, ApiError> {
        let numbered = match service.name {
            ServiceName::Ec2 => Some(self),
            _ => self.children.get("member"),
        };
        let mut values = BTreeMap::new();
        for (index, node) in numbered.iter().flat_map(|node| &node.children) {
            let Some(at) = index.parse::<u32>().ok().filter(|at| *at > 0) else {
                return Err(malformed(format!(
                    "Elements of a list are numbered from 1, not '{}'.",
                    excerpt(index)
                )));
            };
            // 1 and 01 are two names of one element.
            if values.insert(at, node.document(service, member)?).is_some() {
                return Err(malformed(format!("Element {at} of a list is there twice.")));
            }
        }
        Ok(values.into_values().collect())
    }
}

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new(CommonError::Serialization, message)
}
