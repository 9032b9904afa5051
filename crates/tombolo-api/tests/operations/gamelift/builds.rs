//! CreateBuild, DescribeBuild, ListBuilds and DeleteBuild.

use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;

use super::resources::fleet_input;
use crate::account::assert_refused;
use crate::document::{list, text};
use crate::server::{AWAY, HOME, STRANGER, STUDIO, Server};

const UNKNOWN: &str = "build-00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn a_created_build_awaits_its_files() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let created = studio
        .call(
            "CreateBuild",
            json!({"Name": "islands", "Version": "1.0", "ServerSdkVersion": "5.2.0",
                   "OperatingSystem": "AMAZON_LINUX_2"}),
        )
        .await;
    let id = text(&created["Build"]["BuildId"]);
    assert_eq!(
        created["Build"],
        json!({
            "BuildId": id,
            "BuildArn": format!("arn:aws:gamelift:{HOME}:{STUDIO}:build/{id}"),
            "Name": "islands",
            "Version": "1.0",
            "Status": "INITIALIZED",
            "SizeOnDisk": 0,
            "OperatingSystem": "AMAZON_LINUX_2",
            "CreationTime": 1_795_348_800.489,
            "ServerSdkVersion": "5.2.0",
        })
    );
    for name in [&created["Build"]["BuildId"], &created["Build"]["BuildArn"]] {
        let described = studio.call("DescribeBuild", json!({"BuildId": name})).await;
        assert_eq!(described["Build"], created["Build"]);
    }
}

#[tokio::test]
async fn an_imported_build_is_ready() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let id = studio.ready_build().await;
    let described = studio.call("DescribeBuild", json!({"BuildId": id})).await;
    assert_eq!(described["Build"]["Status"], "READY");
    assert_eq!(described["Build"]["SizeOnDisk"], 4096);
}

#[tokio::test]
async fn builds_from_s3_are_refused_by_name() {
    let server = Server::new();
    let refusal = server
        .gamelift(STUDIO)
        .refusal("CreateBuild", json!({"StorageLocation": {"Bucket": "b"}}))
        .await;
    assert_refused(
        &refusal,
        "InvalidRequestException",
        "StorageLocation: builds from Amazon S3 are not served yet; use `tombolo build import` to \
         make a build from a directory.",
    );
}

#[tokio::test]
async fn a_build_is_unknown_to_every_other_account_and_region() {
    let server = Server::new();
    let id = server.gamelift(STUDIO).ready_build().await;
    let arn = format!("arn:aws:gamelift:{HOME}:{STUDIO}:build/{id}");
    for (account, region, name) in [
        (STUDIO, HOME, UNKNOWN),
        (STUDIO, HOME, "build-no-uuid"),
        (STRANGER, HOME, &id),
        (STRANGER, HOME, &arn),
        (STUDIO, AWAY, &id),
        (STUDIO, AWAY, &arn),
    ] {
        for operation in ["DescribeBuild", "DeleteBuild"] {
            let caller = server.gamelift_in(account, region);
            let refusal = caller.refusal(operation, json!({"BuildId": name})).await;
            assert_refused(
                &refusal,
                "NotFoundException",
                &format!("Build {name} was not found in account {account} and Region {region}."),
            );
        }
    }
}

#[tokio::test]
async fn builds_are_listed_by_status_and_in_pages() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let mut ready = Vec::new();
    for _ in 0..5 {
        ready.push(studio.ready_build().await);
        studio.call("CreateBuild", json!({})).await;
    }
    ready.sort();

    let all = studio.call("ListBuilds", json!({})).await;
    assert_eq!(list(&all["Builds"]).len(), 10);
    assert_eq!(all["NextToken"], Value::Null);

    let mut paged = Vec::new();
    let mut sizes = Vec::new();
    let mut input = json!({"Status": "READY", "Limit": 2});
    loop {
        let page = studio.call("ListBuilds", input.clone()).await;
        let builds = list(&page["Builds"]);
        sizes.push(builds.len());
        paged.extend(builds.iter().map(|build| text(&build["BuildId"])));
        if page["NextToken"].is_null() {
            break;
        }
        input["NextToken"] = page["NextToken"].clone();
    }
    assert_eq!(paged, ready);
    assert_eq!(sizes, [2, 2, 1]);

    let other = server.gamelift(STRANGER);
    assert_eq!(
        other.call("ListBuilds", json!({})).await["Builds"],
        json!([])
    );
    // A token is good for the account that got it.
    let stolen = other.refusal("ListBuilds", input).await;
    let bad_token = "NextToken is not one that this request gave; leave it out to start at the \
                     first page.";
    assert_refused(&stolen, "InvalidRequestException", bad_token);
    let nonsense = studio
        .refusal("ListBuilds", json!({"NextToken": "n🏝nsense"}))
        .await;
    assert_refused(&nonsense, "InvalidRequestException", bad_token);
}

#[tokio::test]
async fn a_build_goes_when_no_fleet_runs_it() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let build = studio.ready_build().await;
    let fleet = studio.fleet_with(fleet_input(&build)).await;

    let refusal = studio
        .refusal("DeleteBuild", json!({"BuildId": build}))
        .await;
    assert_refused(
        &refusal,
        "InvalidRequestException",
        &format!("Build {build} is used by fleet {fleet}, which is NEW; delete the fleet first."),
    );

    server.set_status(&fleet, FleetStatus::Terminated).await;
    studio.call("DeleteBuild", json!({"BuildId": build})).await;
    let gone = studio
        .refusal("DescribeBuild", json!({"BuildId": build}))
        .await;
    assert_eq!(gone.code, "NotFoundException");
    // What the fleet ran can still be read from the fleet.
    assert_eq!(studio.attributes(&fleet).await["BuildId"], build.as_str());
    assert_eq!(
        studio.attributes(&fleet).await["OperatingSystem"],
        "AMAZON_LINUX_2023"
    );
}
