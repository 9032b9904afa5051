//! Any request that GameLift's model lets through.

use serde_json::json;

use crate::anything;
use crate::server::{BACKEND, STUDIO, Server};

/// Texts that some pattern of the model accepts, and that mean something or nothing.
const TEXTS: [&str; 18] = [
    "a",
    "🏝",
    "\0",
    "../..",
    "fleet-1",
    "build-1",
    "script-1",
    "vpc-1",
    "custom-office",
    "us-west-2",
    "arn:aws:gamelift:us-west-2:111122223333:fleet/fleet-1",
    "arn::::::fleet/fleet-1",
    "arn:aws:gamelift:us-west-2::build/build-1",
    "/local/game/server",
    "10.0.0.0/8",
    "1.2.3",
    "111122223333",
    "444455556666",
];

#[test]
fn no_request_is_an_error_of_the_servers_own() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let server = Server::new();
    let known = runtime.block_on(async {
        let studio = server.gamelift(STUDIO);
        let backend = server.gamelift(BACKEND);
        let [fleet, build, vpc] = [
            studio.fleet().await,
            studio.ready_build().await,
            backend.vpc("10.0.0.0/16").await,
        ];
        backend.authorize(STUDIO, &vpc).await;
        studio.connect(&fleet, BACKEND, &vpc).await;
        let connection = server.connection(&fleet).await.id.to_string();
        let policy = json!({
            "FleetId": fleet, "Name": "a", "PolicyType": "TargetBased",
            "MetricName": "PercentAvailableGameSessions",
            "TargetConfiguration": {"TargetValue": 50},
        });
        studio.call("PutScalingPolicy", policy).await;
        let instance = studio.instance(&fleet, |_| {}).await;
        let arn = format!("arn:aws:gamelift:us-west-2:{STUDIO}:fleet/{fleet}");
        vec![fleet, build, vpc, connection, instance, arn]
    });
    // The account itself holds each refusal against the codes that the model declares.
    anything::throw(&runtime, &server.gamelift(STUDIO), known, &TEXTS);
}
