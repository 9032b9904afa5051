//! `tombolo access-key`.

use serde_json::{Value, json};
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::server::Server;
use tombolo_tests::{scenario, tools};

#[test]
fn a_key_is_listed_without_its_secret_and_refused_as_soon_as_it_is_deleted() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let create = ["access-key", "create", "--json", "--account", "studio"];
    let key = tools::succeeds(&mut server.command(&create));
    let key: Value = serde_json::from_str(&key).unwrap();
    let (id, secret) = (
        scenario::text(&key["access_key_id"]),
        scenario::text(&key["secret_access_key"]),
    );
    let client = Client::new(
        server.address(),
        server.region(),
        &studio.account,
        &id,
        &secret,
    );
    let list = || {
        let list = ["access-key", "list", "--account", "studio"];
        tools::succeeds(&mut server.command(&list))
    };
    let listed = list();
    assert!(listed.starts_with("ACCESS KEY"), "{listed}");
    assert!(listed.contains(&id) && listed.contains("admin"), "{listed}");
    assert!(!listed.contains(&secret), "the secret is in {listed}");
    // Used before, so that nobody can go on by having remembered it.
    client.gamelift("ListFleets", &json!({})).unwrap();

    tools::succeeds(&mut server.command(&["access-key", "delete", &id]));
    let refusal = scenario::refused(client.gamelift("ListFleets", &json!({})));
    assert_eq!(refusal.code, "UnrecognizedClientException", "{refusal}");
    assert!(!list().contains(&id));
    studio.gamelift("ListFleets", &json!({})).unwrap();
}

#[test]
fn a_key_that_is_not_there_cannot_be_deleted() {
    let server = Dev::start_simulated();
    let delete = ["access-key", "delete", "AKIAEXAMPLEEXAMPLE22"];
    let output = server.command(&delete).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("AKIAEXAMPLEEXAMPLE22"), "{told}");
}
