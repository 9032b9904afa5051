//! Quotas that bound a whole kind of records: each is refused exactly, by its service's own code, and
//! free again after a deletion.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tombolo_api::model::{Models, ServiceName};
use tombolo_api::registry;
use tombolo_domain::fleet::MAX_FLEET_EVENTS;
use tombolo_domain::quota::{AccountQuotas, Quota, Quotas};
use tombolo_store::Store;
use tombolo_store::keys::{self, Entity};
use tombolo_store::typed::excesses;
use tombolo_testkit::account::Account;
use tombolo_testkit::gamelift::fleet_input;

use crate::document::text;
use crate::server::{BACKEND, Server, settings};
use crate::slow::Slow;
use crate::store::Meddled;

/// How many of each there may be.
const MOST: usize = 3;

/// Those that operations of EC2 and GameLift meet, whether one is there from the beginning, and the
/// code of the refusal.
const CASES: &[(Quota, usize, &str)] = &[
    (Quota::VpcsPerRegion, 1, "VpcLimitExceeded"),
    (Quota::SubnetsPerVpc, 1, "SubnetLimitExceeded"),
    (
        Quota::InterfacesPerRegion,
        0,
        "NetworkInterfaceLimitExceeded",
    ),
    (Quota::RouteTablesPerVpc, 1, "RouteTableLimitExceeded"),
    (
        Quota::SecurityGroupsPerRegion,
        1,
        "SecurityGroupLimitExceeded",
    ),
    (Quota::AuthorizationsPerRegion, 0, "InvalidRequestException"),
    (Quota::LivePeeringsPerRegion, 0, "ResourceLimitExceeded"),
    (Quota::FleetsPerRegion, 1, "LimitExceededException"),
    (Quota::BuildsPerRegion, 2, "InvalidRequestException"),
    (
        Quota::UploadCredentialsPerRegion,
        1,
        "InvalidRequestException",
    ),
];

/// Where the rest is tried: S3's in `tombolo-objects`, the operator's in `tombolo-admin`, and what is
/// within a record beside the operation that counts it.
const ELSEWHERE: &[Quota] = &[
    Quota::BucketsPerRegion,
    Quota::ObjectsPerRegion,
    Quota::MultipartUploadsPerRegion,
    Quota::UploadedPartsPerRegion,
    Quota::UsersPerAccount,
    Quota::AccessKeysPerAccount,
];

#[test]
fn every_quota_is_tried() {
    for quota in Quota::ALL {
        let here = CASES.iter().any(|(tried, ..)| tried == quota);
        let elsewhere = ELSEWHERE.contains(quota) || quota.is_within_a_record();
        assert!(here != elsewhere, "{quota}");
    }
}

/// What there is to make something in.
struct Place {
    vpc: String,
    subnet: String,
    build: String,
    uploaded: String,
}

/// A server on which one quota is three, and what it takes to make something.
async fn server(quota: Quota) -> (Arc<Server>, Place) {
    let mut quotas = Quotas {
        outstanding_peering_requests: 1_000,
        ..Quotas::default()
    };
    quotas.set(quota, MOST);
    let server = Server::with(
        tombolo_api::operation::Settings {
            quotas,
            ..settings()
        },
        |store| Meddled::new(store, Slow),
    );
    let account = server.ec2(BACKEND);
    let vpc = account.vpc("10.0.0.0/16").await;
    let build = account.ready_build().await;
    let gamelift = account.gamelift();
    let uploaded = gamelift.call("CreateBuild", json!({})).await;
    gamelift.fleet_with(fleet_input(&build)).await;
    let place = Place {
        subnet: account.subnet(&vpc, "10.0.255.0/24").await,
        uploaded: text(&uploaded["Build"]["BuildId"]),
        vpc,
        build,
    };
    (Arc::new(server), place)
}

/// The request that makes the `number`th.
fn making(quota: Quota, place: &Place, number: usize) -> (ServiceName, &'static str, Value) {
    let Place {
        vpc,
        subnet,
        build,
        uploaded,
    } = place;
    let gamelift = ServiceName::GameLift;
    let ec2 = ServiceName::Ec2;
    match quota {
        Quota::VpcsPerRegion => (
            ec2,
            "CreateVpc",
            json!({"CidrBlock": format!("10.{number}.0.0/16")}),
        ),
        Quota::SubnetsPerVpc => (
            ec2,
            "CreateSubnet",
            json!({"VpcId": vpc, "CidrBlock": format!("10.0.{number}.0/24")}),
        ),
        Quota::InterfacesPerRegion => (ec2, "CreateNetworkInterface", json!({"SubnetId": subnet})),
        Quota::RouteTablesPerVpc => (ec2, "CreateRouteTable", json!({"VpcId": vpc})),
        Quota::SecurityGroupsPerRegion => (
            ec2,
            "CreateSecurityGroup",
            json!({"VpcId": vpc, "GroupName": format!("number {number}"), "Description": "one of many"}),
        ),
        Quota::AuthorizationsPerRegion => (
            gamelift,
            "CreateVpcPeeringAuthorization",
            json!({"GameLiftAwsAccountId": format!("{number:012}"), "PeerVpcId": vpc}),
        ),
        Quota::LivePeeringsPerRegion => (
            ec2,
            "CreateVpcPeeringConnection",
            json!({"VpcId": vpc, "PeerVpcId": format!("vpc-{number:017x}")}),
        ),
        Quota::FleetsPerRegion => (gamelift, "CreateFleet", fleet_input(build)),
        Quota::BuildsPerRegion => (gamelift, "CreateBuild", json!({})),
        Quota::UploadCredentialsPerRegion => (
            gamelift,
            "RequestUploadCredentials",
            json!({"BuildId": uploaded}),
        ),
        other => panic!("{other} is tried elsewhere"),
    }
}

/// Makes the `number`th; the code with which it is refused, if it is.
async fn make(server: &Server, quota: Quota, place: &Place, number: usize) -> Option<&'static str> {
    let (service, operation, input) = making(quota, place, number);
    of(server, service).attempt(operation, input).await
}

fn of(server: &Server, service: ServiceName) -> Account<'_> {
    match service {
        ServiceName::Ec2 => server.ec2(BACKEND),
        _ => server.gamelift(BACKEND),
    }
}

/// Deletes one of those that were made.
async fn delete(server: &Server, quota: Quota, place: &Place) {
    let ec2 = server.ec2(BACKEND);
    let gamelift = server.gamelift(BACKEND);
    let scope = ec2.scope();
    let mut tx = server.transaction();
    match quota {
        Quota::VpcsPerRegion => {
            let all = tx.peek(&keys::vpcs(&scope)).await.unwrap();
            let other = all
                .iter()
                .find(|one| one.id.as_str() != place.vpc && one.fleet.is_none());
            ec2.call("DeleteVpc", json!({"VpcId": other.unwrap().id}))
                .await;
        }
        Quota::SubnetsPerVpc => {
            ec2.call("DeleteSubnet", json!({"SubnetId": place.subnet}))
                .await;
        }
        Quota::InterfacesPerRegion => {
            let all = tx.peek(&keys::interfaces(&scope)).await.unwrap();
            let input = json!({"NetworkInterfaceId": all[0].id});
            ec2.call("DeleteNetworkInterface", input).await;
        }
        Quota::RouteTablesPerVpc => {
            let all = tx.peek(&keys::route_tables(&scope)).await.unwrap();
            let other = all.iter().find(|one| one.main.is_none()).unwrap();
            ec2.call("DeleteRouteTable", json!({"RouteTableId": other.id}))
                .await;
        }
        Quota::SecurityGroupsPerRegion => {
            let all = tx.peek(&keys::security_groups(&scope)).await.unwrap();
            let other = all.iter().find(|one| !one.is_default()).unwrap();
            ec2.call("DeleteSecurityGroup", json!({"GroupId": other.id}))
                .await;
        }
        Quota::AuthorizationsPerRegion => {
            let all = tx.peek(&keys::authorizations_from(&scope)).await.unwrap();
            let valid = all.iter().find(|one| one.ends() > server.now()).unwrap();
            let input =
                json!({"GameLiftAwsAccountId": valid.fleet_account, "PeerVpcId": place.vpc});
            gamelift.call("DeleteVpcPeeringAuthorization", input).await;
        }
        Quota::LivePeeringsPerRegion => {
            let all = tx.peek(&keys::connections(&scope)).await.unwrap();
            let live = all.iter().find(|one| one.state.is_live()).unwrap();
            let input = json!({"VpcPeeringConnectionId": live.id});
            ec2.call("DeleteVpcPeeringConnection", input).await;
        }
        Quota::FleetsPerRegion => {
            let all = tx.peek(&keys::fleets(&scope)).await.unwrap();
            let live = all.iter().find(|one| one.status.can_delete()).unwrap();
            gamelift
                .call("DeleteFleet", json!({"FleetId": live.id}))
                .await;
        }
        Quota::BuildsPerRegion => {
            let input = json!({"BuildId": place.uploaded});
            gamelift.call("DeleteBuild", input).await;
        }
        Quota::UploadCredentialsPerRegion => {
            // As the controller does when one has expired.
            let all = tx.peek(&keys::all_temporary_credentials()).await.unwrap();
            server.write(async |tx| tx.delete(&all[0].key())).await;
        }
        other => panic!("{other} is tried elsewhere"),
    }
}

#[tokio::test]
async fn a_quota_is_refused_exactly_and_free_again_after_a_deletion() {
    for &(quota, before, code) in CASES {
        let (server, place) = server(quota).await;
        for number in before..MOST {
            let refused = make(&server, quota, &place, number).await;
            assert_eq!(refused, None, "{quota}: number {number}");
        }
        let (service, operation, input) = making(quota, &place, MOST);
        let refusal = of(&server, service).refusal(operation, input).await;
        assert_eq!(refusal.code, code, "{quota}");
        assert!(
            refusal.message.contains('3'),
            "{quota}: {}",
            refusal.message
        );
        delete(&server, quota, &place).await;
        let again = making(quota, &place, MOST + 1);
        assert_eq!(
            of(&server, again.0).attempt(again.1, again.2).await,
            None,
            "{quota}"
        );
        let refused = make(&server, quota, &place, MOST + 2).await;
        assert_eq!(
            refused,
            Some(code),
            "{quota}: after one was deleted and made"
        );
        // What is the other account's counts for itself.
        let stranger = server.ec2(crate::server::STRANGER);
        stranger.vpc("10.9.0.0/16").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_pass_a_quota_at_most_once() {
    const AT_ONCE: usize = 32;
    for &(quota, before, code) in CASES {
        let (server, place) = server(quota).await;
        let place = Arc::new(place);
        let mut made = Vec::new();
        for round in 1..=2 {
            let mut calls = JoinSet::new();
            for number in 0..AT_ONCE {
                let (server, place) = (server.clone(), place.clone());
                let number = round * AT_ONCE + number;
                calls.spawn(async move { make(&server, quota, &place, number).await });
            }
            let outcomes = calls.join_all().await;
            assert!(
                outcomes
                    .iter()
                    .all(|outcome| outcome.is_none_or(|refused| refused == code)),
                "{quota}: {outcomes:?}"
            );
            made.push(outcomes.iter().filter(|outcome| outcome.is_none()).count());
        }
        assert!(made[0] >= MOST - before, "{quota}: {made:?}");
        assert_eq!(
            made[1], 0,
            "{quota}: calls that began when the bound was met"
        );
    }
}

#[tokio::test]
async fn a_dry_run_and_a_repeated_request_are_answered_as_the_real_one_is() {
    let (server, place) = server(Quota::InterfacesPerRegion).await;
    let ec2 = server.ec2(BACKEND);
    let token = json!({"SubnetId": place.subnet, "ClientToken": "the first"});
    let first = ec2.call("CreateNetworkInterface", token.clone()).await;
    let dry = json!({"SubnetId": place.subnet, "DryRun": true});
    let attempt = || ec2.attempt("CreateNetworkInterface", dry.clone());
    assert_eq!(attempt().await, Some("DryRunOperation"));
    for _ in 1..MOST {
        ec2.interface(&place.subnet).await;
    }
    assert_eq!(attempt().await, Some("NetworkInterfaceLimitExceeded"));
    let again = ec2.call("CreateNetworkInterface", token).await;
    let id = |answer: &Value| text(&answer["NetworkInterface"]["NetworkInterfaceId"]);
    assert_eq!(id(&again), id(&first));
}

/// A store from before there were bounds, or of an operator who has lowered one: what is there stays,
/// and can be changed and deleted.
#[tokio::test]
async fn what_is_over_its_bound_stays_and_only_more_is_refused() {
    let (server, place) = server(Quota::VpcsPerRegion).await;
    let ec2 = server.ec2(BACKEND);
    for number in 1..MOST {
        ec2.vpc(&format!("10.{number}.0.0/16")).await;
    }
    let smaller = server.with_fewer(Quota::VpcsPerRegion, 1);
    let ec2 = smaller.ec2(BACKEND);
    let refused = ec2
        .attempt("CreateVpc", json!({"CidrBlock": "10.8.0.0/16"}))
        .await;
    assert_eq!(refused, Some("VpcLimitExceeded"));
    ec2.subnet(&place.vpc, "10.0.1.0/24").await;
    ec2.add_block(&place.vpc, "10.7.0.0/16").await;
    delete(&smaller, Quota::VpcsPerRegion, &place).await;
    let refused = ec2
        .attempt("CreateVpc", json!({"CidrBlock": "10.8.0.0/16"}))
        .await;
    assert_eq!(refused, Some("VpcLimitExceeded"), "there are still two");
    delete(&smaller, Quota::VpcsPerRegion, &place).await;
    let refused = ec2
        .attempt("CreateVpc", json!({"CidrBlock": "10.8.0.0/16"}))
        .await;
    assert_eq!(
        refused,
        Some("VpcLimitExceeded"),
        "there is still one, as many as may be"
    );
}

#[tokio::test]
async fn a_quota_of_zero_is_none_and_what_a_fleet_hides_is_made_all_the_same() {
    let none = Quotas {
        vpcs_per_region: 0,
        subnets_per_vpc: 1,
        interfaces_per_region: 0,
        security_groups_per_region: 0,
        route_tables_per_vpc: 0,
        ..Quotas::default()
    };
    let server = Server::with_quotas(none);
    let ec2 = server.ec2(BACKEND);
    let refusal = ec2
        .refusal("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}))
        .await;
    assert_eq!(
        (refusal.code, refusal.message.as_str()),
        (
            "VpcLimitExceeded",
            "The maximum number of VPCs has been reached: account 444455556666 in Region us-west-2 \
             may have 0. Delete one that is not used, or have the server's operator raise the quota \
             vpcs_per_region."
        )
    );
    server.gamelift(BACKEND).fleet().await;
}

/// Whoever changes a living fleet again and again fills no more than its ring.
#[tokio::test]
async fn a_fleet_that_is_changed_for_ever_keeps_its_newest_events() {
    let server = Server::new();
    let studio = server.gamelift(BACKEND);
    let fleet = studio.fleet().await;
    let first = json!({"FleetId": fleet, "Limit": 1});
    let token = studio.call("DescribeFleetEvents", first).await["NextToken"].clone();
    for round in 0..MAX_FLEET_EVENTS + 20 {
        let desired = json!({"FleetId": fleet, "DesiredInstances": round % 2});
        let desired = match round % 2 {
            0 => json!({"FleetId": fleet, "MinSize": 0, "DesiredInstances": 0}),
            _ => desired,
        };
        studio.call("UpdateFleetCapacity", desired).await;
        server.advance(jiff::SignedDuration::from_millis(10));
    }
    let kept = server.keys("fleet-event/").await;
    assert_eq!(kept.len(), MAX_FLEET_EVENTS);
    let (code, _) = studio.events(&fleet).await.remove(0);
    assert_eq!(code, "FLEET_SCALING_EVENT");
    // A page that began before the record it goes on from left the ring.
    if !token.is_null() {
        let next = json!({"FleetId": fleet, "Limit": 1, "NextToken": token});
        let page = studio.call("DescribeFleetEvents", next).await;
        assert_eq!(page["Events"], json!([]));
    }
}

/// One account has other quotas, and the rest those of the server.
#[tokio::test]
async fn an_account_has_the_quotas_that_the_operator_gave_it() {
    let (server, _) = server(Quota::VpcsPerRegion).await;
    let mut own = AccountQuotas::new(BACKEND.parse().unwrap());
    own.set(Quota::VpcsPerRegion, Some(5));
    own.set(Quota::CidrBlocksPerVpc, Some(1));
    server.write(async |tx| tx.put(&own).unwrap()).await;
    let ec2 = server.ec2(BACKEND);
    let mut vpc = String::new();
    for number in 1..5 {
        vpc = ec2.vpc(&format!("10.{number}.0.0/16")).await;
    }
    let sixth = json!({"CidrBlock": "10.8.0.0/16"});
    assert_eq!(
        ec2.attempt("CreateVpc", sixth.clone()).await,
        Some("VpcLimitExceeded")
    );
    let block = json!({"VpcId": vpc, "CidrBlock": "10.99.0.0/16"});
    let refused = ec2.attempt("AssociateVpcCidrBlock", block).await;
    assert_eq!(refused, Some("CidrLimitExceeded"));
    let stranger = server.ec2(crate::server::STRANGER);
    for number in 0..MOST {
        stranger.vpc(&format!("10.{number}.0.0/16")).await;
    }
    assert_eq!(
        stranger.attempt("CreateVpc", sixth).await,
        Some("VpcLimitExceeded")
    );

    own.set(Quota::VpcsPerRegion, None);
    server.write(async |tx| tx.put(&own).unwrap()).await;
    let seventh = json!({"CidrBlock": "10.9.0.0/16"});
    assert_eq!(
        ec2.attempt("CreateVpc", seventh).await,
        Some("VpcLimitExceeded")
    );
    let store: Arc<dyn Store> = server.store();
    let quotas = Quotas {
        vpcs_per_region: MOST,
        ..Quotas::default()
    };
    let found = excesses(&store, &quotas, server.now()).await.unwrap();
    let [excess] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((excess.count, excess.over.most), (5, MOST));
    assert_eq!(excess.over.group.account, Some(own.account));
    assert_eq!(excess.over.quota, Some(Quota::VpcsPerRegion));
}

/// GameLift's model says for which operations its clients know LimitExceededException.
#[test]
fn rows_say_as_the_model_does_where_too_much_has_an_error_of_its_own() {
    let models = Models::load().unwrap();
    for service in ServiceName::ALL {
        for row in registry::operations(service) {
            let model = models.service(service).operation(row.name).unwrap();
            let listed = model.errors.contains(&"LimitExceededException");
            assert_eq!(row.lists_limit, listed, "{}", row.name);
        }
    }
}
