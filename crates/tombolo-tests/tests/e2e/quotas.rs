//! `tombolo account quota` on a running server, and the quotas that no operation of EC2's or GameLift's
//! meets.

use serde_json::Value;
use tombolo_tests::dev::Dev;
use tombolo_tests::http::{self, Request, Response};
use tombolo_tests::scenario;
use tombolo_tests::server::Server;
use tombolo_tests::tools;

/// SHA-256 of nothing.
const NO_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn quota(server: &Dev, arguments: &[&str]) -> String {
    let mut all = vec!["account", "quota"];
    all.extend(arguments);
    all.extend(["--account", "studio"]);
    tools::succeeds(&mut server.command(&all))
}

/// What S3 answers the studio.
fn s3(server: &Dev, method: &str, target: &str) -> Response {
    let request = Request::new(method, target)
        .header("host", &server.address().to_string())
        .header("x-amz-content-sha256", NO_BODY);
    let request = server.studio().signer_for("s3").sign(request);
    http::send(server.address(), &request).expect("the server answers")
}

fn succeeds(server: &Dev, method: &str, target: &str) -> String {
    let response = s3(server, method, target);
    let text = response.text();
    assert!(matches!(response.status, 200 | 204), "{target}: {text}");
    text
}

fn is_refused(server: &Dev, method: &str, target: &str, code: &str, words: &str) {
    let text = s3(server, method, target).text();
    assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
    assert!(text.contains(words), "{text}");
}

#[test]
fn s3_has_as_many_buckets_objects_and_uploads_as_an_account_may_have() {
    let server = Dev::start_simulated();
    for name in ["buckets", "objects", "multipart_uploads"] {
        quota(&server, &["set", &format!("{name}_per_region"), "2"]);
    }
    succeeds(&server, "PUT", "/first-of-studio");
    succeeds(&server, "PUT", "/second-of-studio");
    let third = || {
        is_refused(
            &server,
            "PUT",
            "/third-of-studio",
            "TooManyBuckets",
            "has 2 buckets",
        )
    };
    third();
    succeeds(&server, "DELETE", "/first-of-studio");
    succeeds(&server, "PUT", "/first-of-studio");
    third();

    // Of all buckets together.
    succeeds(&server, "PUT", "/first-of-studio/one");
    succeeds(&server, "PUT", "/second-of-studio/two");
    let third = || {
        let words = "objects_per_region";
        is_refused(
            &server,
            "PUT",
            "/second-of-studio/three",
            "InvalidRequest",
            words,
        );
    };
    third();
    succeeds(&server, "PUT", "/second-of-studio/two");
    succeeds(&server, "DELETE", "/second-of-studio/two");
    succeeds(&server, "PUT", "/second-of-studio/four");
    third();

    let begin = || succeeds(&server, "POST", "/second-of-studio/four?uploads");
    let id = |text: &str| {
        let (_, rest) = text.split_once("<UploadId>").expect(text);
        rest.split_once('<').expect(text).0.to_owned()
    };
    let upload = id(&begin());
    begin();
    let third = || {
        let words = "has 2 multipart uploads";
        is_refused(
            &server,
            "POST",
            "/second-of-studio/four?uploads",
            "SlowDown",
            words,
        );
    };
    third();
    let abort = format!("/second-of-studio/four?uploadId={upload}");
    succeeds(&server, "DELETE", &abort);
    begin();
    third();
}

#[test]
fn the_operator_sets_lists_and_resets_an_accounts_quotas_of_users_and_keys() {
    let server = Dev::start_simulated();
    let create = |user: &str| {
        let create = [
            "access-key",
            "create",
            "--json",
            "--account",
            "studio",
            "--user",
            user,
        ];
        let output = server.command(&create).output().unwrap();
        match output.status.success() {
            true => {
                let key: Value = serde_json::from_slice(&output.stdout).unwrap();
                Ok(scenario::text(&key["access_key_id"]))
            }
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    };
    // There is one of each, of `tombolo dev`.
    quota(&server, &["set", "users_per_account", "2"]);
    quota(&server, &["set", "access_keys_per_account", "3"]);
    create("second").unwrap();
    let refused = create("third").unwrap_err();
    assert!(refused.contains("users_per_account"), "{refused}");
    let key = create("second").unwrap();
    let refused = create("second").unwrap_err();
    assert!(refused.contains("access_keys_per_account"), "{refused}");
    tools::succeeds(&mut server.command(&["access-key", "delete", &key]));
    create("second").unwrap();
    create("second").unwrap_err();

    let of_users = || {
        let listed: Value = serde_json::from_str(&quota(&server, &["list", "--json"])).unwrap();
        let mut all = listed.as_array().unwrap().clone();
        all.retain(|one| one["quota"] == "users_per_account");
        all.pop().unwrap()
    };
    assert_eq!(of_users()["value"], 2);
    assert_eq!(of_users()["is_own"], true);
    quota(&server, &["reset", "users_per_account"]);
    quota(&server, &["reset", "access_keys_per_account"]);
    assert_eq!(of_users()["value"], of_users()["default"]);
    create("third").unwrap();
}
