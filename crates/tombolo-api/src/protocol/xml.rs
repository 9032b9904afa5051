//! XML replies of ec2Query and awsQuery.

use serde_json::Value;

use super::output_shape::{EncodeError, double, integer, members, mistyped};
use super::time;
use crate::model::{Kind, Service, ShapeId};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// An XML text that is being written.
pub(super) struct Xml(String);

impl Xml {
    /// A text with its declaration only.
    pub(super) fn new() -> Self {
        let mut text = String::with_capacity(2048);
        text.push_str(DECLARATION);
        Xml(text)
    }

    /// The bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// Opens an element; `namespace` is none for all but the outermost.
    pub(super) fn open(&mut self, name: &str, namespace: Option<&str>) {
        self.0.push('<');
        self.0.push_str(name);
        if let Some(namespace) = namespace {
            self.0.push_str(" xmlns=\"");
            self.text(namespace);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// Closes an element.
    pub(super) fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element that holds text.
    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name, None);
        self.text(text);
        self.close(name);
    }

    /// What is within the element of a value of shape `id`.
    pub(super) fn value(
        &mut self,
        service: &Service,
        id: ShapeId,
        value: &Value,
    ) -> Result<(), EncodeError> {
        let shape = service.shape(id);
        match (&shape.kind, value) {
            (Kind::Structure(structure), Value::Object(object)) => {
                for (member, value) in members(shape, structure, object)? {
                    self.open(member.element, None);
                    self.value(service, member.shape, value)?;
                    self.close(member.element);
                }
            }
            (Kind::List(list), Value::Array(values)) => {
                for value in values {
                    self.open(list.element, None);
                    self.value(service, list.member, value)?;
                    self.close(list.element);
                }
            }
            (Kind::Text { .. }, Value::String(text)) => self.text(text),
            (Kind::Integer(_), Value::Number(number)) => {
                self.text(&integer(shape, number)?.to_string());
            }
            (Kind::Double, Value::Number(number)) => {
                self.text(&double(shape, number)?.to_string());
            }
            (Kind::Boolean, Value::Bool(value)) => self.text(if *value { "true" } else { "false" }),
            (Kind::Timestamp, Value::Number(number)) => {
                let text = number.as_f64().and_then(time::to_iso);
                self.text(&text.ok_or_else(|| mistyped(shape, value))?);
            }
            _ => return Err(mistyped(shape, value)),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let mut written = 0;
        for (at, c) in text.char_indices() {
            if let Some(escaped) = escaped(c) {
                self.0.push_str(&text[written..at]);
                self.0.push_str(escaped);
                written = at + c.len_utf8();
            }
        }
        self.0.push_str(&text[written..]);
    }
}

/// How a character is written that cannot be written as itself.
fn escaped(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        // A parser would turn a bare one into a line feed.
        '\r' => Some("&#13;"),
        '\t' | '\n' => None,
        // XML 1.0 has no way to write these.
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => Some("\u{fffd}"),
        _ => None,
    }
}
