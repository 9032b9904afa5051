//! Bodies as a reader wants them, whatever they were on the wire.

use ciborium::value::Integer;
use ciborium::value::Value as Cbor;
use serde_json::{Map, Number, Value};

use crate::names::Names;

/// Lists whose order is the ids', and so chance. They are sorted by what is known of their elements.
/// Every other list is shown in the order that it came in.
const BY_ID: [&str; 20] = [
    // GameLift.
    "Builds",
    "FleetIds",
    "FleetAttributes",
    "FleetCapacity",
    "FleetUtilization",
    "Instances",
    "VpcPeeringAuthorizations",
    "VpcPeeringConnections",
    // EC2.
    "networkAclSet",
    "networkInterfaceSet",
    "routeTableSet",
    "securityGroupInfo",
    "securityGroupReferenceSet",
    "securityGroupRuleSet",
    "staleSecurityGroupSet",
    "subnetSet",
    "tagSet",
    "vpcPeeringConnectionSet",
    "vpcSet",
    "associationSet",
];

/// Members that are secret, or tokens that hold ids.
const OPAQUE: [&str; 5] = [
    "NextToken",
    "SecretAccessKey",
    "SessionToken",
    "nextToken",
    "secret_access_key",
];

/// JSON, a member a line.
pub(crate) fn json(body: &[u8], names: &mut Names) -> String {
    match serde_json::from_slice(body) {
        Ok(value) => value_of(value, names),
        Err(error) => panic!("{error} in {:?}", String::from_utf8_lossy(body)),
    }
}

/// A value as JSON, a member a line.
pub(crate) fn value_of(mut value: Value, names: &mut Names) -> String {
    tidy("", &mut value, names);
    names.name(&serde_json::to_string_pretty(&value).unwrap())
}

/// CBOR, as JSON with its times told apart.
pub(crate) fn cbor(body: &[u8], names: &mut Names) -> String {
    value_of(from_cbor(body), names)
}

/// XML, an element a line.
pub(crate) fn xml(body: &str, names: &mut Names) -> String {
    let mut root = Element::parse(body);
    root.tidy(names);
    let mut text = String::new();
    root.write(0, &mut text);
    names.name(text.trim_end())
}

/// Members of what commands print that are measured, or of the moment.
const MEASURED: [&str; 5] = ["cpu", "memory", "memory_limit", "offset_seconds", "seconds"];

fn tidy(name: &str, value: &mut Value, names: &Names) {
    match value {
        Value::Array(elements) => {
            for element in elements.iter_mut() {
                tidy("", element, names);
            }
            if BY_ID.contains(&name) {
                elements.sort_by_cached_key(|element| names.mask(&element.to_string()));
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                tidy(name, member, names);
            }
        }
        Value::Number(_) if name.ends_with("Time") => *value = "<time>".into(),
        Value::Number(_) | Value::Null if MEASURED.contains(&name) => *value = "<measured>".into(),
        Value::String(_) if OPAQUE.contains(&name) => *value = "<opaque>".into(),
        _ => {}
    }
}

/// What a CBOR item says, in JSON's words.
///
/// # Panics
/// It is no CBOR, or says what JSON cannot.
pub(crate) fn from_cbor(body: &[u8]) -> Value {
    let item: Cbor = ciborium::from_reader(body).expect("CBOR");
    read(item)
}

fn read(item: Cbor) -> Value {
    match item {
        Cbor::Integer(number) => Value::Number(i64::try_from(i128::from(number)).unwrap().into()),
        Cbor::Float(number) => Value::Number(Number::from_f64(number).expect("a finite number")),
        Cbor::Text(text) => Value::String(text),
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Null => Value::Null,
        Cbor::Array(items) => Value::Array(items.into_iter().map(read).collect()),
        Cbor::Map(members) => {
            let member = |(name, value): (Cbor, Cbor)| (name.into_text().unwrap(), read(value));
            Value::Object(members.into_iter().map(member).collect::<Map<_, _>>())
        }
        // 1 is a time in seconds since 1970.
        Cbor::Tag(1, seconds) => match *seconds {
            Cbor::Float(_) => "<time: tag 1, float>".into(),
            Cbor::Integer(_) => "<time: tag 1, integer>".into(),
            other => panic!("a time that is {other:?}"),
        },
        other => panic!("{other:?} in a reply"),
    }
}

/// An input as CBOR, as an SDK writes it.
pub(crate) fn to_cbor(input: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    ciborium::into_writer(&write("", input), &mut body).unwrap();
    body
}

fn write(name: &str, value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(items) => Cbor::Array(items.iter().map(|item| write("", item)).collect()),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| (Cbor::Text(name.clone()), write(name, value));
            Cbor::Map(members.iter().map(member).collect())
        }
        Value::Number(number) => {
            let plain = match number.as_i64() {
                Some(whole) => Cbor::Integer(Integer::from(whole)),
                None => Cbor::Float(number.as_f64().unwrap()),
            };
            match name.ends_with("Time") {
                true => Cbor::Tag(1, Box::new(plain)),
                false => plain,
            }
        }
    }
}

/// An element of XML without anything that the protocols do not use: no CDATA, no comments.
#[derive(Debug, Default)]
struct Element {
    /// With its attributes, as it was written.
    tag: String,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn parse(mut rest: &str) -> Self {
        if let Some((head, after)) = rest.split_once("?>")
            && head.starts_with("<?xml")
        {
            rest = after;
        }
        let mut open = vec![Element::default()];
        while let Some((text, after)) = rest.split_once('<') {
            let (tag, after) = after.split_once('>').expect("a tag ends");
            rest = after;
            let top = open.last_mut().unwrap();
            if !text.trim().is_empty() {
                top.text.push_str(text);
            }
            let element = match (tag.strip_prefix('/'), tag.strip_suffix('/')) {
                (Some(name), _) => {
                    let ended = open.pop().unwrap();
                    assert_eq!(ended.name(), name, "elements are nested");
                    ended
                }
                (None, Some(empty)) => Element {
                    tag: empty.trim_end().to_owned(),
                    ..Element::default()
                },
                (None, None) => {
                    open.push(Element {
                        tag: tag.to_owned(),
                        ..Element::default()
                    });
                    continue;
                }
            };
            open.last_mut().expect("a root").children.push(element);
        }
        assert_eq!(open.len(), 1, "every element ends");
        open.pop().unwrap()
    }

    fn name(&self) -> &str {
        self.tag.split(' ').next().unwrap_or_default()
    }

    fn tidy(&mut self, names: &Names) {
        for child in &mut self.children {
            child.tidy(names);
        }
        if OPAQUE.contains(&self.name()) && !self.text.is_empty() {
            self.text = "<opaque>".to_owned();
        }
        if BY_ID.contains(&self.name()) {
            self.children.sort_by_cached_key(|child| {
                let mut text = String::new();
                child.write(0, &mut text);
                names.mask(&text)
            });
        }
    }

    fn write(&self, depth: usize, into: &mut String) {
        let indent = "  ".repeat(depth);
        let line = match (self.tag.is_empty(), self.children.is_empty()) {
            // The document itself.
            (true, _) => {
                for child in &self.children {
                    child.write(0, into);
                }
                return;
            }
            (false, true) if self.text.is_empty() => format!("{indent}<{}/>\n", self.tag),
            (false, true) => format!("{indent}<{}>{}</{}>\n", self.tag, self.text, self.name()),
            (false, false) => {
                into.push_str(&format!("{indent}<{}>\n", self.tag));
                for child in &self.children {
                    child.write(depth + 1, into);
                }
                format!("{indent}</{}>\n", self.name())
            }
        };
        into.push_str(&line);
    }
}
