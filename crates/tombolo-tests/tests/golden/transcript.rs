//! Every operation that is served, in every protocol that serves it, called by its owner and by those
//! who may not: what was asked, and the reply as the client reads it.
//!
//! Most operations are called in the same five ways, see [`Transcript::walk`]; what an operation
//! answers besides has its own calls. Each recording is held complete against the operations that the
//! models and `docs/operations.md` say are served.

mod ec2;
mod gamelift;
pub(crate) mod s3;
mod sts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use tombolo_tests::aws::Client;
use tombolo_tests::binary;
use tombolo_tests::dev::Dev;
use tombolo_tests::http::{Request, Response};
use tombolo_tests::server::Server;
use tombolo_tests::wait;

use crate::expect::expect;
use crate::names::{Names, with_unknown_ids};
use crate::notation;

/// The Region of the server that no test makes anything in.
const OTHER_REGION: &str = "eu-west-1";

/// How an operation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    AwsJson,
    RpcCbor,
    Query,
}

/// The two accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Studio,
    Backend,
}

impl Who {
    fn other(self) -> Self {
        match self {
            Who::Studio => Who::Backend,
            Who::Backend => Who::Studio,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Who::Studio => "studio",
            Who::Backend => "backend",
        }
    }
}

/// A conversation with a server, as it goes.
pub(crate) struct Transcript {
    server: Dev,
    protocol: Protocol,
    names: Names,
    text: String,
}

/// Parameters of a query.
type Parameters<'p> = [(&'p str, &'p str)];

impl Transcript {
    /// A conversation with a fresh server.
    pub(crate) fn begin(protocol: Protocol, arguments: &[&str]) -> Self {
        let server = Dev::start_with(&[&["--network", "simulated"], arguments].concat());
        Transcript::with(server, protocol)
    }

    /// A conversation with a server that runs.
    pub(crate) fn with(server: Dev, protocol: Protocol) -> Self {
        let mut names = Names::default();
        for (client, name) in [(server.studio(), "studio"), (server.backend(), "backend")] {
            names.call(&client.account, &format!("<{name}'s account>"));
            names.call(&client.signer.access_key_id, &format!("<{name}'s key>"));
        }
        Transcript {
            server,
            protocol,
            names,
            text: String::new(),
        }
    }

    /// The server.
    pub(crate) fn server(&self) -> &Dev {
        &self.server
    }

    /// What was said so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn client(&self, who: Who) -> Client {
        match who {
            Who::Studio => self.server.studio(),
            Who::Backend => self.server.backend(),
        }
    }

    /// Calls GameLift; what it answered.
    pub(crate) fn gamelift(&mut self, who: Who, operation: &str, input: Value) -> Value {
        let client = self.client(who);
        self.gamelift_as(&client, who.name(), operation, &input)
    }

    /// Calls EC2 or STS; what it answered.
    pub(crate) fn query(
        &mut self,
        who: Who,
        service: &str,
        action: &str,
        parameters: &Parameters<'_>,
    ) -> tombolo_tests::xml::Xml {
        let client = self.client(who);
        self.query_as(&client, who.name(), service, action, parameters)
    }

    /// Calls EC2; what it answered.
    pub(crate) fn ec2(
        &mut self,
        who: Who,
        action: &str,
        parameters: &Parameters<'_>,
    ) -> tombolo_tests::xml::Xml {
        self.query(who, "ec2", action, parameters)
    }

    /// Calls an operation with nothing, with ids that nobody has, as the other account, in the other
    /// Region, and at last as it should be called. What the last one answered.
    pub(crate) fn walk(&mut self, owner: Who, operation: &str, input: Value) -> Value {
        let client = self.client(owner);
        let name = owner.name();
        let unknown = serde_json::from_str(&with_unknown_ids(&input.to_string())).unwrap();
        let nothing = Value::Object(Map::new());
        self.gamelift_as(&client, &format!("{name}, nothing"), operation, &nothing);
        self.gamelift_as(
            &client,
            &format!("{name}, unknown ids"),
            operation,
            &unknown,
        );
        let stranger = owner.other();
        let as_stranger = format!("{}, another's ids", stranger.name());
        self.gamelift_as(&self.client(stranger), &as_stranger, operation, &input);
        let elsewhere = client.in_region(OTHER_REGION);
        let as_elsewhere = format!("{name}, another Region's ids");
        self.gamelift_as(&elsewhere, &as_elsewhere, operation, &input);
        self.gamelift_as(&client, name, operation, &input)
    }

    /// The same of an EC2 action.
    pub(crate) fn walk_ec2(
        &mut self,
        owner: Who,
        action: &str,
        parameters: &Parameters<'_>,
    ) -> tombolo_tests::xml::Xml {
        let client = self.client(owner);
        let name = owner.name();
        let unknown: Vec<_> = parameters
            .iter()
            .map(|(name, value)| (*name, with_unknown_ids(value)))
            .collect();
        let unknown: Vec<_> = unknown
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.query_as(&client, &format!("{name}, nothing"), "ec2", action, &[]);
        let with_unknown = format!("{name}, unknown ids");
        self.query_as(&client, &with_unknown, "ec2", action, &unknown);
        let stranger = owner.other();
        let as_stranger = format!("{}, another's ids", stranger.name());
        self.query_as(
            &self.client(stranger),
            &as_stranger,
            "ec2",
            action,
            parameters,
        );
        let elsewhere = client.in_region(OTHER_REGION);
        let as_elsewhere = format!("{name}, another Region's ids");
        self.query_as(&elsewhere, &as_elsewhere, "ec2", action, parameters);
        self.query_as(&client, name, "ec2", action, parameters)
    }

    /// Calls EC2 in the other Region.
    pub(crate) fn ec2_elsewhere(&mut self, who: Who, action: &str) {
        let client = self.client(who).in_region(OTHER_REGION);
        let called = format!("{} in {OTHER_REGION}", who.name());
        self.query_as(&client, &called, "ec2", action, &[]);
    }

    /// Runs a command of `tombolo` against the server, and writes down what it prints, after `tidy`
    /// has put a word in the place of what is measured.
    pub(crate) fn command(&mut self, arguments: &[&str], tidy: impl Fn(&str) -> String) {
        let mut command = self.server.command(arguments);
        let output = command.env_remove("RUST_LOG").output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let printed = match serde_json::from_str(&stdout) {
            Ok(value) => notation::value_of(value, &mut self.names) + "\n",
            Err(_) => self.names.name_table(&tidy(&stdout)),
        };
        let stderr = String::from_utf8(output.stderr).unwrap();
        let called = self.names.name(&arguments.join(" "));
        let stderr = self.names.name(&tidy(&stderr));
        let status = output.status.code().unwrap();
        let text = format!("## tombolo {called}\n-> {status}\n{printed}{stderr}\n");
        self.text.push_str(&text);
    }

    fn gamelift_as(&mut self, client: &Client, who: &str, operation: &str, input: &Value) -> Value {
        let shown = self.names.name(&input.to_string());
        let request = match self.protocol {
            Protocol::RpcCbor => client.cbor_request(operation, &notation::to_cbor(input)),
            _ => client.gamelift_request(operation, &input.to_string()),
        };
        let response = self.exchange(client, "gamelift", &request);
        let body = self.body(&response);
        self.note(operation, who, &shown, &response, &body);
        match (response.body.is_empty(), self.protocol) {
            (true, _) => Value::Null,
            (false, Protocol::RpcCbor) => notation::from_cbor(&response.body),
            (false, _) => serde_json::from_slice(&response.body).unwrap(),
        }
    }

    /// A request of the studio's by an operation with nothing in it, not signed yet.
    fn plain(&self, service: &str, operation: &str) -> Request {
        let client = self.server.studio();
        match (service, self.protocol) {
            ("gamelift", Protocol::RpcCbor) => {
                client.cbor_request(operation, &notation::to_cbor(&json!({})))
            }
            ("gamelift", _) => client.gamelift_request(operation, "{}"),
            ("sts", _) => client.sts_request(operation),
            _ => client.ec2_request(operation, &[]),
        }
    }

    /// Calls an operation without a signature.
    pub(crate) fn not_signed(&mut self, service: &str, operation: &str) {
        let request = self.plain(service, operation);
        self.sent(operation, "not signed", &request);
    }

    /// Calls an operation in every way in which a caller cannot be believed.
    pub(crate) fn disbelieved(&mut self, service: &str, operation: &str) {
        let request = self.plain(service, operation);
        let signer = self.server.studio().signer_for(service);
        self.not_signed(service, operation);
        let mut wrong = signer.clone();
        wrong.secret_access_key.push('x');
        let mut unknown = signer.clone();
        unknown.access_key_id = "AKIA2222222222222222".to_owned();
        let mut late = signer.clone();
        late.skew = SignedDuration::from_hours(-1);
        let mut other = signer.clone();
        other.service = "iam".to_owned();
        let mut elsewhere = signer.clone();
        elsewhere.region = "ap-south-1".to_owned();
        for (what, signer) in [
            ("another secret", wrong),
            ("an unknown key", unknown),
            ("an hour late", late),
            ("signed for IAM", other),
            ("signed for another Region", elsewhere),
        ] {
            self.sent(operation, what, &signer.sign(request.clone()));
        }
        let with_token = request.clone().header("x-amz-security-token", "none");
        let what = "a token that the key has not";
        self.sent(operation, what, &signer.sign(with_token));
        let half = request.header("authorization", "AWS4-HMAC-SHA256 Credential=half");
        self.sent(operation, "half a signature", &half);
    }

    /// Sends a request as it is.
    fn sent(&mut self, operation: &str, what: &str, request: &Request) {
        let response = self.server.studio().send(request);
        let response = response.expect("the server answers");
        let body = self.body(&response);
        self.note(operation, what, "", &response, &body);
    }

    fn query_as(
        &mut self,
        client: &Client,
        who: &str,
        service: &str,
        action: &str,
        parameters: &Parameters<'_>,
    ) -> tombolo_tests::xml::Xml {
        let mut shown = String::new();
        for (name, value) in parameters {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{name}={value} ");
        }
        let shown = self.names.name(shown.trim_end());
        let version = match service {
            "sts" => "2011-06-15",
            _ => "2016-11-15",
        };
        let request = client.query_request(version, action, parameters);
        let response = self.exchange(client, service, &request);
        let body = self.body(&response);
        self.note(action, who, &shown, &response, &body);
        tombolo_tests::xml::Xml(response.text())
    }

    /// Sends a request, signed for a service.
    fn exchange(&self, client: &Client, service: &str, request: &Request) -> Response {
        let signed = client.signer_for(service).sign(request.clone());
        client.send(&signed).expect("the server answers")
    }

    /// The body of a reply in its notation.
    fn body(&mut self, response: &Response) -> String {
        // The id of the reply has no number: whether it is the same in body and head is what counts.
        if let Some(id) = request_id(response) {
            self.names.call(id, "<request id>");
        }
        let kind = response.header("content-type").unwrap_or_default();
        if response.body.is_empty() {
            String::new()
        } else if kind.contains("json") {
            notation::json(&response.body, &mut self.names)
        } else if kind.contains("cbor") {
            notation::cbor(&response.body, &mut self.names)
        } else if kind.contains("xml") {
            notation::xml(&response.text(), &mut self.names)
        } else {
            self.names.name(&response.text())
        }
    }

    /// Writes down a call.
    fn note(&mut self, operation: &str, who: &str, asked: &str, response: &Response, body: &str) {
        let mut headers: Vec<String> = response
            .headers
            .iter()
            .filter(|(name, _)| !["date", "content-length"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        headers.sort();
        let headers = self.names.name(&headers.join("; "));
        let mut text = format!("## {operation} ({who})\n");
        if !asked.is_empty() {
            text.push_str(&format!("{asked}\n"));
        }
        text.push_str(&format!("-> {} {headers}\n", response.status));
        if !body.is_empty() {
            text.push_str(&format!("{body}\n"));
        }
        text.push('\n');
        self.text.push_str(&text);
    }

    /// Waits until GameLift answers what `is_so` is content with. It is not written down, since how
    /// often it is asked is chance.
    #[track_caller]
    pub(crate) fn until(
        &self,
        who: Who,
        operation: &str,
        input: &Value,
        is_so: impl Fn(&Value) -> bool,
    ) {
        let client = self.client(who);
        let mut last = Value::Null;
        let reached = wait::within(wait::TIMEOUT, || {
            last = client.gamelift(operation, input).expect(operation);
            is_so(&last).then_some(())
        });
        assert!(reached.is_some(), "{operation} {input}: {last}");
    }

    /// Ends the conversation, compares it with its recording, and holds it complete: every operation of
    /// the service that is served has been carried out and refused in it. That is so also when it is
    /// recorded anew, so that an operation that nobody calls is noticed then.
    ///
    /// # Panics
    /// It differs from its recording, or an operation is lacking.
    #[track_caller]
    fn end(self, name: &str, service: &str) {
        expect(&format!("transcript/{name}.txt"), &self.text);
        let lacking = lacking(&self.text, service);
        assert!(
            lacking.is_empty(),
            "{name} has these not both carried out and refused; call them in \
             crates/tombolo-tests/tests/golden/transcript/{service}.rs: {lacking:#?}"
        );
    }
}

fn request_id(response: &Response) -> Option<&str> {
    let id = response.header("x-amzn-requestid");
    id.or_else(|| response.header("x-amz-request-id"))
}

#[test]
fn gamelift_in_awsjson1_1() {
    let mut transcript = Transcript::begin(Protocol::AwsJson, gamelift::SERVER);
    gamelift::converse(&mut transcript);
    transcript.end("gamelift-awsjson1_1", "gamelift");
}

#[test]
fn gamelift_in_rpc_v2_cbor() {
    let mut transcript = Transcript::begin(Protocol::RpcCbor, gamelift::SERVER);
    gamelift::converse(&mut transcript);
    transcript.end("gamelift-rpc_v2_cbor", "gamelift");
}

#[test]
fn ec2_in_ec2query() {
    let mut transcript = Transcript::begin(Protocol::Query, &[]);
    ec2::converse(&mut transcript);
    transcript.end("ec2-ec2query", "ec2");
}

#[test]
fn sts_in_awsquery() {
    let mut transcript = Transcript::begin(Protocol::Query, &[]);
    sts::converse(&mut transcript);
    transcript.end("sts-awsquery", "sts");
}

#[test]
fn s3() {
    let mut transcript = Transcript::begin(Protocol::Query, &[]);
    s3::converse(&mut transcript);
    transcript.end("s3", "s3");
}

/// What is served, by the models; of S3, which has none here, by the page that users read.
fn served(service: &str) -> BTreeSet<String> {
    let workspace = binary::workspace();
    if service == "s3" {
        let page = fs::read_to_string(workspace.join("docs/operations.md")).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| S3: "));
        let operations = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(','));
        return operations.map(|name| name.trim().to_owned()).collect();
    }
    let model = workspace.join(format!("crates/tombolo-api/models/{service}.json"));
    let model: Value = serde_json::from_slice(&fs::read(model).unwrap()).unwrap();
    let operations = model["operations"].as_object().unwrap();
    operations.keys().cloned().collect()
}

/// The operations of `service` that a conversation has not both carried out and refused.
fn lacking(text: &str, service: &str) -> Vec<String> {
    let mut found: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    let mut operation = String::new();
    for line in text.lines() {
        if let Some(call) = line.strip_prefix("## ") {
            operation = call.split(' ').next().unwrap().to_owned();
        } else if let Some(reply) = line.strip_prefix("-> ") {
            let is_refused = !reply.starts_with('2');
            found.entry(operation.clone()).or_default()[usize::from(is_refused)] = true;
        }
    }
    let is_lacking = |operation: &String| found.get(operation) != Some(&[true, true]);
    served(service).into_iter().filter(is_lacking).collect()
}

#[test]
fn an_operation_that_only_succeeds_or_is_never_called_is_lacking() {
    let both = "## GetCallerIdentity (studio)\n-> 200 a: b\n\n\
                ## GetCallerIdentity (not signed)\n-> 403 a: b\n";
    let all = lacking("", "sts");
    assert!(all.contains(&"GetCallerIdentity".to_owned()), "{all:?}");
    let left = lacking(both, "sts");
    assert_eq!(left.len(), all.len() - 1, "{left:?}");
    let success = both.split("\n\n").next().unwrap();
    assert_eq!(lacking(success, "sts"), all);
}
