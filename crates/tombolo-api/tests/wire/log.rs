//! What the log says of a request: enough to find it and to know how it ended, and no secret.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use serde_json::json;
use tombolo_api::error::ApiError;
use tombolo_api::gamelift::GameLiftError;

use crate::server::{Reply, Server};
use crate::signer::{Draft, SECRET, Signed};

thread_local! {
    /// What was logged on this thread. A test's requests are handled on its own.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to [`LOG`].
struct ToThread;

impl Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is logged from now on. All tests of the process do before their first request: a
/// place that logged before anyone listened may be remembered as one that nobody listens to.
pub(crate) fn keep() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(|| ToThread)
            .init();
    });
}

/// Sends one request, and gives its reply and its lines of the log, which all bear its id.
fn logged(server: &Server, request: &Signed) -> (Reply, Vec<String>) {
    LOG.take();
    let reply = server.send(request);
    let text = String::from_utf8(LOG.take()).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert!(line.contains(reply.request_id()), "{line}");
        for secret in [SECRET, "marzipan", "Signature="] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    (reply, lines)
}

/// Sends a request that ends in one line, which must have all of `fields` and none of `absent`.
#[track_caller]
fn check(request: &Signed, fields: &[&str], absent: &[&str]) {
    let (_, lines) = logged(&Server::new(), request);
    let [line] = &lines[..] else {
        panic!("one line, not {lines:?}");
    };
    assert!(line.contains("answered"), "{line}");
    for field in fields {
        assert!(line.contains(field), "{line} lacks {field}");
    }
    for field in absent {
        assert!(!line.contains(field), "{line} has {field}");
    }
}

#[test]
fn an_answered_request_is_logged_without_an_error() {
    let fields = [
        "service=gamelift",
        "operation=ListBuilds",
        "account=111122223333",
        "status=200",
        "duration_us=",
    ];
    let body = json!({"NextToken": "marzipan"}).to_string();
    check(
        &Draft::json("ListBuilds", body).sign(),
        &fields,
        &["error="],
    );
}

#[test]
fn a_refused_request_is_logged_with_its_code_and_operation() {
    let forged = Draft {
        secret: "guessed".into(),
        ..Draft::ec2("DescribeVpcs", "")
    };
    let table = [
        (
            Draft::json("ListBuilds", "{\"Limit\":\"marzipan\"}"),
            "ListBuilds",
            "SerializationException",
            400,
        ),
        (
            Draft::json("StartGameSessionPlacement", "{}"),
            "StartGameSessionPlacement",
            "NotImplementedException",
            501,
        ),
        (
            Draft::cbor("StartGameSessionPlacement", ""),
            "StartGameSessionPlacement",
            "NotImplementedException",
            501,
        ),
        (
            Draft::ec2("RunInstances", ""),
            "RunInstances",
            "NotImplemented",
            501,
        ),
        (
            Draft::json("NoSuchOperation", "{}"),
            "NoSuchOperation",
            "UnknownOperationException",
            400,
        ),
        (forged, "DescribeVpcs", "SignatureDoesNotMatch", 403),
    ];
    for (draft, operation, code, status) in table {
        let (operation, code) = (
            format!("operation={operation} "),
            format!("error=\"{code}\""),
        );
        check(
            &draft.sign(),
            &[&operation, &code, &format!("status={status}")],
            &[],
        );
    }
}

#[test]
fn an_operation_of_the_callers_making_is_cut_and_cannot_forge_a_line() {
    let long = Draft::json(&"x".repeat(10_000), "{}").sign();
    check(
        &long,
        &[&format!("operation={} ", "x".repeat(64))],
        &[&"x".repeat(65)],
    );
    let lines = Draft::ec2("Nothing%0A2026-11-22%20INFO%20forged", "").sign();
    check(
        &lines,
        &["operation=Nothing\\n2026-11-22 INFO forged "],
        &[],
    );
}

#[test]
fn a_failure_of_the_servers_own_is_logged_with_its_cause() {
    let server = Server::new();
    let cause = io::Error::other("the disk is full");
    let failed = ApiError::<GameLiftError>::internal("writing a build", cause);
    server.answer(Err(failed.into()));
    let (reply, lines) = logged(&server, &Draft::json("ListBuilds", "{}").sign());
    let [cause, answered] = &lines[..] else {
        panic!("two lines, not {lines:?}");
    };
    assert!(
        cause.contains("writing a build: the disk is full"),
        "{cause}"
    );
    assert!(cause.contains("operation=ListBuilds"), "{cause}");
    assert!(
        answered.contains("error=\"InternalServiceException\""),
        "{answered}"
    );
    assert!(!reply.text().contains("disk"), "{}", reply.text());
}
