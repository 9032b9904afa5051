//! CreateBuild, DescribeBuild, ListBuilds, UpdateBuild, DeleteBuild and RequestUploadCredentials.

use serde_json::{Value, json};
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::HostId;
use tombolo_domain::reported::{ReportedBuild, UnpackOutcome};
use tombolo_testkit::gamelift::fleet_input;

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
async fn a_build_comes_with_credentials_for_its_upload() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let created = studio.call("CreateBuild", json!({})).await;
    let id = text(&created["Build"]["BuildId"]);
    let again = studio
        .call("RequestUploadCredentials", json!({"BuildId": id}))
        .await;
    for output in [&created, &again] {
        assert_eq!(
            output["StorageLocation"],
            json!({"Bucket": "tombolo-builds", "Key": format!("{STUDIO}/{id}")})
        );
        let credentials = &output["UploadCredentials"];
        let key = text(&credentials["AccessKeyId"]);
        assert!(key.starts_with("ASIA") && key.len() == 20, "{key}");
        assert_eq!(text(&credentials["SecretAccessKey"]).len(), 40);
        assert_eq!(text(&credentials["SessionToken"]).len(), 128);
    }
    assert_ne!(created["UploadCredentials"], again["UploadCredentials"]);

    // Only a hash of the token is kept.
    let token = text(&again["UploadCredentials"]["SessionToken"]);
    let (_, entries) = server.dump().await;
    let holds = |value: &[u8]| String::from_utf8_lossy(value).contains(&token);
    assert!(!entries.values().any(|value| holds(value)));
    assert_eq!(server.keys("temporary-credential/").await.len(), 2);
}

#[tokio::test]
async fn there_are_credentials_only_for_a_build_that_awaits_its_upload() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let ready = studio.ready_build().await;
    let refusal = studio
        .refusal("RequestUploadCredentials", json!({"BuildId": ready}))
        .await;
    assert_refused(
        &refusal,
        "InvalidRequestException",
        &format!("Build {ready} is READY, and a build's files never change; create a new build."),
    );
}

#[tokio::test]
async fn a_build_is_made_of_an_object_of_its_own_account() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    server.put_object(STUDIO, "games", "arena.zip").await;
    server.put_object(STRANGER, "theirs", "arena.zip").await;
    let location = json!({"Bucket": "games", "Key": "arena.zip"});
    let with_role =
        json!({"Bucket": "games", "Key": "arena.zip", "RoleArn": "arn:aws:iam::1:role/x"});
    for given in [location.clone(), with_role] {
        let created = studio
            .call("CreateBuild", json!({"StorageLocation": given}))
            .await;
        assert_eq!(created["StorageLocation"], location);
        assert_eq!(created["UploadCredentials"], Value::Null);
        assert_eq!(created["Build"]["Status"], "INITIALIZED");
        let id = text(&created["Build"]["BuildId"]);
        let refusal = studio
            .refusal("RequestUploadCredentials", json!({"BuildId": id}))
            .await;
        assert_refused(
            &refusal,
            "InvalidRequestException",
            &format!(
                "Build {id} takes its files from s3://games/arena.zip; nothing is uploaded for it."
            ),
        );
    }
    for (bucket, key) in [
        ("games", "other.zip"),
        ("theirs", "arena.zip"),
        ("tombolo-builds", "arena.zip"),
        ("No Bucket", "arena.zip"),
    ] {
        let location = json!({"Bucket": bucket, "Key": key});
        let refusal = studio
            .refusal("CreateBuild", json!({"StorageLocation": location}))
            .await;
        assert_refused(
            &refusal,
            "InvalidRequestException",
            &format!(
                "StorageLocation: there is no object s3://{bucket}/{key} in account {STUDIO} and \
                 Region {HOME}; put the zip file there first."
            ),
        );
    }
    for (location, member) in [
        (json!({"Key": "arena.zip"}), "StorageLocation.Bucket"),
        (json!({"Bucket": "games"}), "StorageLocation.Key"),
        (
            json!({"Bucket": "games", "Key": "arena.zip", "ObjectVersion": "1"}),
            "StorageLocation.ObjectVersion",
        ),
    ] {
        let refusal = studio
            .refusal("CreateBuild", json!({"StorageLocation": location}))
            .await;
        assert_eq!(refusal.code, "InvalidRequestException");
        assert!(refusal.message.starts_with(member), "{}", refusal.message);
    }
}

#[tokio::test]
async fn a_build_gets_another_name_or_version() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let id = studio.ready_build().await;
    let updated = studio
        .call("UpdateBuild", json!({"BuildId": id, "Version": "2.0"}))
        .await;
    assert_eq!(updated["Build"]["Name"], "islands");
    assert_eq!(updated["Build"]["Version"], "2.0");
    studio
        .call("UpdateBuild", json!({"BuildId": id, "Name": "isles"}))
        .await;
    let described = studio.call("DescribeBuild", json!({"BuildId": id})).await;
    assert_eq!(described["Build"]["Name"], "isles");
    assert_eq!(described["Build"]["Version"], "2.0");
    assert_eq!(described["Build"]["Status"], "READY");
}

#[tokio::test]
async fn a_fleet_of_a_failed_build_is_told_why_it_failed() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let id = studio.ready_build().await;
    server.fail_build(&id, "the archive has no files").await;
    let refusal = studio.refusal("CreateFleet", fleet_input(&id)).await;
    assert_refused(
        &refusal,
        "NotReadyException",
        &format!("Build {id} is FAILED: the archive has no files. Create a new build."),
    );
}

#[tokio::test]
async fn what_was_uploaded_for_a_build_and_reported_of_it_goes_with_it() {
    let server = Server::new();
    let studio = server.gamelift(STUDIO);
    let created = studio.call("CreateBuild", json!({})).await;
    let id = text(&created["Build"]["BuildId"]);
    let key = text(&created["StorageLocation"]["Key"]);
    server.put_object(STUDIO, "tombolo-builds", &key).await;
    let ids = server.ids();
    for _ in 0..2 {
        let report = ReportedBuild {
            scope: studio.scope(),
            build: id.parse().unwrap(),
            host: HostId::generate(ids),
            outcome: UnpackOutcome::Unpacked { size_bytes: 4096 },
        };
        server.write(async |tx| tx.put(&report).unwrap()).await;
    }
    studio.call("DeleteBuild", json!({"BuildId": id})).await;
    assert_eq!(server.keys("object/").await, Vec::<String>::new());
    assert_eq!(server.keys("unused-blob/").await.len(), 1);
    assert_eq!(server.keys("reported-build/").await, Vec::<String>::new());

    // An object of the account's own stays.
    server.put_object(STUDIO, "games", "arena.zip").await;
    let location = json!({"Bucket": "games", "Key": "arena.zip"});
    let created = studio
        .call("CreateBuild", json!({"StorageLocation": location}))
        .await;
    let id = &created["Build"]["BuildId"];
    studio.call("DeleteBuild", json!({"BuildId": id})).await;
    assert_eq!(server.keys("object/").await.len(), 1);
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
        for operation in [
            "DescribeBuild",
            "UpdateBuild",
            "RequestUploadCredentials",
            "DeleteBuild",
        ] {
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
