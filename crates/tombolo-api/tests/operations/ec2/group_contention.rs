//! Security groups that many change at once.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tombolo_store::keys;

use super::groups::{from_group, tcp};
use crate::document::text;
use crate::server::{BACKEND, Server};
use crate::slow::Slow;
use crate::store::Meddled;

const INGRESS: &str = "AuthorizeSecurityGroupIngress";

fn server() -> Arc<Server> {
    Arc::new(Server::over(|store| Meddled::new(store, Slow)))
}

/// Makes all calls at once, and says what became of each, in no order.
async fn at_once(
    server: &Arc<Server>,
    calls: impl IntoIterator<Item = (&'static str, Value)>,
) -> Vec<Option<&'static str>> {
    let mut tasks = JoinSet::new();
    for (operation, input) in calls {
        let server = server.clone();
        tasks.spawn(async move { server.ec2(BACKEND).attempt(operation, input).await });
    }
    tasks.join_all().await
}

fn count(outcomes: &[Option<&'static str>], wanted: Option<&'static str>) -> usize {
    let same = |outcome: &&Option<&'static str>| **outcome == wanted;
    outcomes.iter().filter(same).count()
}

#[tokio::test]
async fn rules_added_at_once_are_all_added() {
    let server = server();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let group = backend.group(&vpc, "web").await;
    let add = |port| {
        let input = json!({"GroupId": group, "IpPermissions": [tcp(port, "10.0.0.0/8")]});
        (INGRESS, input)
    };
    let outcomes = at_once(&server, (1..=40).map(add)).await;
    assert_eq!(count(&outcomes, None), 40);
    assert_eq!(backend.rules(&group).await.len(), 41);

    let outcomes = at_once(&server, [100; 20].map(add)).await;
    assert_eq!(count(&outcomes, None), 1);
    let duplicate = Some("InvalidPermission.Duplicate");
    assert_eq!(count(&outcomes, duplicate), 19);

    // 41 rules are there, and the quota is 60.
    let outcomes = at_once(&server, (201..=240).map(add)).await;
    assert_eq!(count(&outcomes, None), 19);
    let too_many = Some("RulesPerSecurityGroupLimitExceeded");
    assert_eq!(count(&outcomes, too_many), 21);
}

#[tokio::test]
async fn of_groups_of_one_name_made_at_once_one_is_made() {
    let server = server();
    let vpc = server.ec2(BACKEND).vpc("10.0.0.0/16").await;
    let input = json!({"GroupName": "web", "Description": "of a test", "VpcId": vpc});
    let calls = vec![("CreateSecurityGroup", input); 20];
    let outcomes = at_once(&server, calls).await;
    assert_eq!(count(&outcomes, None), 1);
    let taken = Some("InvalidGroup.Duplicate");
    assert_eq!(count(&outcomes, taken), 19);
}

/// Whichever of them is faster, nothing names a group that is gone.
#[tokio::test]
async fn a_group_is_not_deleted_under_those_who_take_it_up() {
    let server = server();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let interface = text(&backend.interface(&subnet).await["NetworkInterfaceId"]);
    let (mut deleted, mut kept) = (0, 0);
    for round in 0..20 {
        let group = backend.group(&vpc, &format!("number {round}")).await;
        let holder = backend.group(&vpc, &format!("holder {round}")).await;
        let delete = ("DeleteSecurityGroup", json!({"GroupId": group}));
        let name = json!({
            "GroupId": holder,
            "IpPermissions": [from_group(json!({"GroupId": group}))],
        });
        let carry = json!({"NetworkInterfaceId": interface, "Groups": [group]});
        let mut calls = vec![(INGRESS, name), ("ModifyNetworkInterfaceAttribute", carry)];
        calls.insert(round % 3, delete);
        at_once(&server, calls).await;

        let mut tx = server.transaction();
        let scope = backend.scope();
        let groups = tx.peek(&keys::security_groups(&scope)).await.unwrap();
        let there = |id: &str| groups.iter().any(|group| group.id.as_str() == id);
        for group in &groups {
            let named = group.rules.iter().filter_map(|rule| rule.peer.group());
            assert!(named.into_iter().all(|named| there(named.as_str())));
        }
        for interface in tx.peek(&keys::interfaces(&scope)).await.unwrap() {
            assert!(interface.groups.iter().all(|group| there(group.as_str())));
        }
        *(if there(&group) {
            &mut kept
        } else {
            &mut deleted
        }) += 1;
    }
    assert!(deleted > 0 && kept > 0, "{deleted} deleted, {kept} kept");
}
