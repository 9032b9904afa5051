//! DescribeRuntimeConfiguration and UpdateRuntimeConfiguration.

use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;
use tombolo_testkit::gamelift::fleet_input;

use crate::document::with;
use crate::server::{STUDIO, Server};

fn process(name: &str, count: u64) -> Value {
    json!({
        "LaunchPath": format!("/local/game/{name}"),
        "Parameters": null,
        "ConcurrentExecutions": count,
    })
}

#[tokio::test]
async fn what_instances_run_is_shown_and_replaced() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let mut input = fleet_input(&build);
    input["RuntimeConfiguration"] = Value::Null;
    input["ServerLaunchPath"] = json!("/local/game/server");
    input["ServerLaunchParameters"] = json!("-port 1935");
    let fleet = studio.fleet_with(input).await;
    let arn = studio.attributes(&fleet).await["FleetArn"].clone();
    let named = json!({"FleetId": fleet});
    let shown = studio.call("DescribeRuntimeConfiguration", named.clone());
    assert_eq!(
        shown.await["RuntimeConfiguration"],
        json!({
            "ServerProcesses": [{
                "LaunchPath": "/local/game/server",
                "Parameters": "-port 1935",
                "ConcurrentExecutions": 1,
            }],
            "MaxConcurrentGameSessionActivations": null,
            "GameSessionActivationTimeoutSeconds": null,
        })
    );

    let wanted = json!({
        "ServerProcesses": [process("server", 2), process("bots", 48)],
        "MaxConcurrentGameSessionActivations": 1,
        "GameSessionActivationTimeoutSeconds": 600,
    });
    let update = json!({"FleetId": arn, "RuntimeConfiguration": wanted});
    let updated = studio.call("UpdateRuntimeConfiguration", update).await;
    assert_eq!(updated["RuntimeConfiguration"], wanted);
    let shown = studio.call("DescribeRuntimeConfiguration", named).await;
    assert_eq!(shown["RuntimeConfiguration"], wanted);
    // The older form would say what is no longer so.
    assert_eq!(
        studio.attributes(&fleet).await["ServerLaunchPath"],
        Value::Null
    );
    let stored = server.fleet(&fleet).await;
    assert_eq!(stored.managed().unwrap().runtime.server_processes.len(), 2);
}

#[tokio::test]
async fn configurations_that_cannot_be_are_refused_and_the_old_one_stays() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    for (processes, message) in [
        (
            Value::Null,
            "RuntimeConfiguration: the runtime configuration has no server process; name at least \
             one.",
        ),
        (
            json!([process("a", 25), process("b", 26)]),
            "RuntimeConfiguration: the runtime configuration asks for 51 server processes an \
             instance; the most is 50.",
        ),
        (
            json!([process("../../bin/sh", 1)]),
            "RuntimeConfiguration: the launch path \"/local/game/../../bin/sh\" is not under \
             /local/game/, where the build's files are.",
        ),
    ] {
        let runtime = with(json!({}), "ServerProcesses", processes);
        let input = json!({"FleetId": fleet, "RuntimeConfiguration": runtime});
        studio
            .refused(
                "UpdateRuntimeConfiguration",
                input,
                "InvalidRequestException",
                message,
            )
            .await;
    }
}

/// "It does not need to be in ACTIVE status."
#[tokio::test]
async fn what_a_fleet_runs_can_be_replaced_until_it_is_deleted() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let fleet = studio.fleet().await;
    let update = json!({
        "FleetId": fleet,
        "RuntimeConfiguration": {"ServerProcesses": [process("other", 1)]},
    });
    for status in [FleetStatus::New, FleetStatus::Active, FleetStatus::Error] {
        server.set_status(&fleet, status).await;
        studio
            .call("UpdateRuntimeConfiguration", update.clone())
            .await;
    }
    server.set_status(&fleet, FleetStatus::Deleting).await;
    studio
        .refused(
            "UpdateRuntimeConfiguration",
            update,
            "InvalidFleetStatusException",
            &format!("Fleet {fleet} is DELETING and cannot be changed any more."),
        )
        .await;

    server.terminate(&fleet).await;
    let named = json!({"FleetId": fleet});
    let shown = studio.call("DescribeRuntimeConfiguration", named).await;
    assert_eq!(shown["RuntimeConfiguration"], Value::Null);
}
