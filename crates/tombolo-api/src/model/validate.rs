//! Checks an input against its shape, in AWS's words.
//!
//! What AWS's JSON services answer, with the member's path from the input's root:
//! `1 validation error detected: Value 'x' at 'fleetId' failed to satisfy constraint: Member must
//! satisfy regular expression pattern: ^…$`. EC2 has sentences of its own, and reports one error
//! at a time.

use std::fmt::Write;

use serde_json::Value;

use super::service::{
    Bounds, Kind, List, Pattern, Service, ServiceName, Shape, ShapeId, Structure,
};
use crate::error::{ApiError, CommonError};

/// How many violations a message spells out; the rest is only counted, so that a request of many
/// bad values cannot make a reply many times its own size.
const MAX_SPELLED_OUT: usize = 10;

/// How many of the allowed values a message lists: there are 539 types of EC2 instances.
const MAX_LISTED: usize = 20;

/// How many characters of a value a message shows.
const MAX_SHOWN: usize = 128;

/// Checks `input` against the shape `id` of `service`. Members that the model does not have are
/// ignored, as AWS does.
///
/// # Errors
/// [`CommonError::Validation`]; with EC2 [`CommonError::MissingParameter`] for a member that must be
/// there, with the others [`CommonError::Serialization`] for a value of the wrong type.
pub fn validate(service: &Service, id: ShapeId, input: &Value) -> Result<(), ApiError> {
    let mut violations = Violations {
        service,
        path: Vec::new(),
        count: 0,
        spelled_out: Vec::new(),
    };
    violations.value(id, input);
    violations.into_result()
}

/// What is wrong with one input.
#[derive(Debug)]
struct Violations<'a> {
    service: &'a Service,
    path: Vec<Step<'a>>,
    count: usize,
    spelled_out: Vec<Violation>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Member { name: &'a str, element: &'a str },
    Index(usize),
}

#[derive(Debug)]
struct Violation {
    path: String,
    /// As shown: cut, or none for a sensitive one.
    value: Option<String>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Required,
    Type(&'static str),
    Constraint(String),
}

impl<'a> Violations<'a> {
    fn value(&mut self, id: ShapeId, value: &Value) {
        let service = self.service;
        let shape = service.shape(id);
        match (&shape.kind, value) {
            (Kind::Structure(structure), Value::Object(members)) => {
                self.structure(structure, members);
            }
            (Kind::List(list), Value::Array(values)) => self.list(shape, list, value, values),
            (
                Kind::Text {
                    length,
                    pattern,
                    values,
                },
                Value::String(text),
            ) => {
                self.text(shape, value, text, *length, pattern.as_ref(), values);
            }
            (Kind::Integer(bounds), Value::Number(number)) => match number.as_i128() {
                Some(number) => self.bounds(shape, value, "value", *bounds, number),
                None => self.add(shape, value, Rule::Type(expected(&shape.kind))),
            },
            (Kind::Boolean, Value::Bool(_))
            | (Kind::Double | Kind::Timestamp, Value::Number(_)) => {}
            (kind, _) => self.add(shape, value, Rule::Type(expected(kind))),
        }
    }

    fn structure(&mut self, structure: &'a Structure, members: &serde_json::Map<String, Value>) {
        for member in &structure.members {
            self.path.push(Step::Member {
                name: member.name,
                element: member.element,
            });
            match members.get(member.name).unwrap_or(&Value::Null) {
                Value::Null if member.required => {
                    self.add(
                        self.service.shape(member.shape),
                        &Value::Null,
                        Rule::Required,
                    );
                }
                Value::Null => {}
                value => self.value(member.shape, value),
            }
            self.path.pop();
        }
    }

    fn list(&mut self, shape: &Shape, list: &List, value: &Value, values: &[Value]) {
        self.bounds(shape, value, "length", list.length, count(values.len()));
        for (at, value) in values.iter().enumerate() {
            self.path.push(Step::Index(at + 1));
            self.value(list.member, value);
            self.path.pop();
        }
    }

    fn text(
        &mut self,
        shape: &Shape,
        value: &Value,
        text: &str,
        length: Bounds,
        pattern: Option<&Pattern>,
        allowed: &[&str],
    ) {
        if length.min.is_some() || length.max.is_some() {
            self.bounds(shape, value, "length", length, count(text.chars().count()));
        }
        if let Some(pattern) = pattern.filter(|pattern| !pattern.regex.is_match(text)) {
            let rule = format!(
                "Member must satisfy regular expression pattern: {}",
                pattern.text
            );
            self.add(shape, value, Rule::Constraint(rule));
        }
        if !allowed.is_empty() && !allowed.contains(&text) {
            self.add(shape, value, Rule::Constraint(one_of(allowed)));
        }
    }

    fn bounds(&mut self, shape: &Shape, value: &Value, what: &str, bounds: Bounds, actual: i128) {
        let (word, bound) = match bounds {
            Bounds { min: Some(min), .. } if actual < min.into() => ("greater", min),
            Bounds { max: Some(max), .. } if actual > max.into() => ("less", max),
            _ => return,
        };
        let rule = format!("Member must have {what} {word} than or equal to {bound}");
        self.add(shape, value, Rule::Constraint(rule));
    }

    fn add(&mut self, shape: &Shape, value: &Value, rule: Rule) {
        self.count += 1;
        if self.spelled_out.len() < MAX_SPELLED_OUT {
            self.spelled_out.push(Violation {
                path: self.path(),
                value: (!shape.sensitive).then(|| shown(value)),
                rule,
            });
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            if !path.is_empty() {
                path.push('.');
            }
            // Writing to a String cannot fail.
            let _ = match (step, self.service.name) {
                (Step::Member { element, .. }, ServiceName::Ec2) => {
                    write!(path, "{}", lower_first(element))
                }
                (Step::Member { name, .. }, _) => write!(path, "{}", lower_first(name)),
                (Step::Index(at), ServiceName::Ec2) => write!(path, "{at}"),
                (Step::Index(at), _) => write!(path, "{at}.member"),
            };
        }
        path
    }

    fn into_result(self) -> Result<(), ApiError> {
        let mistyped = |violation: &&Violation| matches!(violation.rule, Rule::Type(_));
        match (self.service.name, self.spelled_out.as_slice()) {
            (_, []) => Ok(()),
            (ServiceName::Ec2, [first, ..]) => Err(ec2_error(first)),
            (_, violations) => match violations.iter().find(mistyped) {
                Some(violation) => Err(type_error(violation)),
                None => Err(constraint_errors(self.count, violations)),
            },
        }
    }
}

fn type_error(violation: &Violation) -> ApiError {
    let Violation { path, rule, .. } = violation;
    let Rule::Type(expected) = rule else {
        return constraint_errors(1, std::slice::from_ref(violation));
    };
    let message = match (path.as_str(), &violation.value) {
        ("", _) => format!("The request must be {expected}"),
        (path, Some(value)) => format!("Value '{value}' at '{path}' must be {expected}"),
        (path, None) => format!("Value at '{path}' must be {expected}"),
    };
    ApiError::new(CommonError::Serialization, message)
}

fn constraint_errors(count: usize, violations: &[Violation]) -> ApiError {
    let plural = if count == 1 { "error" } else { "errors" };
    let mut message = format!("{count} validation {plural} detected: ");
    for (at, violation) in violations.iter().enumerate() {
        let Violation { path, value, rule } = violation;
        let separator = if at == 0 { "" } else { "; " };
        let value = match (value, rule) {
            (_, Rule::Required) => " null".to_owned(),
            (Some(value), _) => format!(" '{value}'"),
            (None, _) => String::new(),
        };
        let rule = match rule {
            Rule::Required => "Member must not be null",
            Rule::Type(expected) => expected,
            Rule::Constraint(constraint) => constraint,
        };
        // Writing to a String cannot fail.
        let _ = write!(
            message,
            "{separator}Value{value} at '{path}' failed to satisfy constraint: {rule}"
        );
    }
    if count > violations.len() {
        let _ = write!(message, "; and {} more", count - violations.len());
    }
    ApiError::new(CommonError::Validation, message)
}

fn ec2_error(violation: &Violation) -> ApiError {
    let Violation { path, value, rule } = violation;
    let value = value.as_deref().unwrap_or_default();
    match rule {
        Rule::Required => ApiError::missing_parameter(path),
        Rule::Type(expected) => ApiError::new(
            CommonError::Validation,
            format!("Value ({value}) for parameter {path} is invalid. It must be {expected}."),
        ),
        Rule::Constraint(constraint) => ApiError::new(
            CommonError::Validation,
            format!("Value ({value}) for parameter {path} is invalid. {constraint}."),
        ),
    }
}

fn one_of(allowed: &[&str]) -> String {
    let listed = &allowed[..allowed.len().min(MAX_LISTED)];
    let more = match allowed.len() - listed.len() {
        0 => String::new(),
        left_off => format!(", … and {left_off} more"),
    };
    format!(
        "Member must satisfy enum value set: [{}{more}]",
        listed.join(", ")
    )
}

fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure(_) => "a structure",
        Kind::List(_) => "a list",
        Kind::Text { .. } => "a string",
        Kind::Integer(_) => "a whole number",
        Kind::Double => "a number",
        Kind::Boolean => "true or false",
        Kind::Timestamp => "a timestamp",
    }
}

/// A value as a message shows it: text without quotes, lists as `[a, b]`, cut to [`MAX_SHOWN`]
/// characters, control characters escaped.
fn shown(value: &Value) -> String {
    let mut text = String::new();
    show(value, &mut text);
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(visible).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_unicode());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

fn show(value: &Value, text: &mut String) {
    // One byte more than is shown is enough to know that something was cut.
    if text.len() > 4 * MAX_SHOWN {
        return;
    }
    match value {
        Value::String(value) => text.extend(value.chars().take(MAX_SHOWN + 1)),
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().take(MAX_SHOWN).enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                show(value, text);
            }
            text.push(']');
        }
        Value::Object(_) => text.push_str("{…}"),
        // Writing to a String cannot fail.
        other => drop(write!(text, "{other}")),
    }
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn count(of: usize) -> i128 {
    i128::try_from(of).unwrap_or(i128::MAX)
}
