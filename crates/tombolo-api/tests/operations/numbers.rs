//! Numbers in the data path are given again when all were given once, and to nothing that is not gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tombolo_store::{Revision, Store, keys};

use crate::server::{BACKEND, STUDIO, Server};

/// A number without its generation.
const MASK: u32 = (1 << 24) - 1;

/// Everything's, sorted.
async fn numbers(server: &Server) -> Vec<u32> {
    let mut tx = server.transaction();
    let vpcs = tx.peek(&keys::all_vpcs()).await.unwrap();
    let tables = tx.peek(&keys::all_route_tables()).await.unwrap();
    let groups = tx.peek(&keys::all_security_groups()).await.unwrap();
    let vpcs = vpcs.into_iter().map(|vpc| vpc.number.0);
    let tables = tables.into_iter().filter_map(|table| table.number);
    let groups = groups.into_iter().filter_map(|group| group.number);
    let mut all: Vec<u32> = vpcs
        .chain(tables.map(|number| number.0))
        .chain(groups.map(|number| number.0))
        .collect();
    all.sort_unstable();
    all
}

/// As if so many had been given by a server that has ended.
async fn given(server: &Server, last: u32) {
    server
        .write(async |tx| tx.put_at(&keys::vpc_number(), &last).unwrap())
        .await;
}

#[tokio::test]
async fn creation_goes_on_after_the_last_number() {
    let server = Server::new();
    let early = server.ec2(STUDIO).vpc("10.0.0.0/16").await;
    let had: BTreeSet<u32> = numbers(&server).await.into_iter().collect();

    // The server that has the first numbers in memory is gone.
    let server = server.copy(2).await;
    given(&server, MASK - 1).await;
    for _ in 0..3 {
        server.ec2(BACKEND).vpc("10.0.0.0/16").await;
    }
    let all = numbers(&server).await;
    let plain: BTreeSet<u32> = all.iter().map(|number| number & MASK).collect();
    assert_eq!(plain.len(), all.len(), "{all:?}");
    assert!(!plain.contains(&0), "{all:?}");
    assert!(all.contains(&MASK), "{all:?}");
    // Those of what is there are passed over, and the others come in another generation.
    let again = all.iter().filter(|number| **number > MASK);
    let next = had.iter().max().unwrap() + 1;
    assert_eq!(again.min(), Some(&(MASK + 1 + next)), "{all:?}");

    server
        .ec2(STUDIO)
        .call("DeleteVpc", json!({"VpcId": early}))
        .await;
    let server = server.copy(3).await;
    given(&server, MASK).await;
    server.ec2(BACKEND).vpc("10.0.0.0/16").await;
    let all = numbers(&server).await;
    assert!(all.contains(&(MASK + 2)), "{all:?}");
}

/// After the last generation comes the second one: in the first, nothing would be asked about what has
/// a number already.
#[tokio::test(start_paused = true)]
async fn after_the_last_generation_what_has_a_number_keeps_it_and_hosts_are_asked() {
    let (in_force, seen) = watch::channel(Revision(0));
    let server = Server::new().with_hosts(seen.clone());
    server.ec2(STUDIO).vpc("10.0.0.0/16").await;
    let had: BTreeSet<u32> = numbers(&server).await.into_iter().collect();

    // The server that has the first numbers in memory is gone.
    let server = server.copy(2).await.with_hosts(seen);
    given(&server, u32::MAX).await;
    let account = server.ec2(BACKEND);
    let create = json!({"CidrBlock": "10.0.0.0/16"});
    let refusal = account.refusal("CreateVpc", create).await;
    assert_eq!(refusal.code, "ServiceUnavailable", "{}", refusal.message);

    in_force.send_replace(server.store().revision().await.unwrap());
    account.vpc("10.0.0.0/16").await;
    let all = numbers(&server).await;
    let plain: BTreeSet<u32> = all.iter().map(|number| number & MASK).collect();
    assert_eq!(plain.len(), all.len(), "{all:?}");
    let new: Vec<u32> = all.into_iter().filter(|one| !had.contains(one)).collect();
    assert!(
        new.iter().all(|number| number >> 24 == 1),
        "{new:?} beside {had:?}"
    );
}

/// Those that wait for the hosts wait side by side, not for each other.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_host_which_hangs_are_refused_together() {
    let (_in_force, seen) = watch::channel(Revision(0));
    let server = Arc::new(Server::new().with_hosts(seen));
    given(&server, MASK).await;
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for n in 0..8 {
        let server = server.clone();
        calls.spawn(async move {
            let create = json!({"CidrBlock": format!("10.{n}.0.0/16")});
            server.ec2(BACKEND).refusal("CreateVpc", create).await.code
        });
    }
    assert_eq!(calls.join_all().await, ["ServiceUnavailable"; 8]);
    assert!(began.elapsed().as_secs() < 4, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_number_is_given_again_only_when_no_host_knows_who_had_it() {
    let (in_force, seen) = watch::channel(Revision(0));
    let server = Server::new().with_hosts(seen.clone());
    // Nobody can know what was never given.
    server.ec2(STUDIO).vpc("10.0.0.0/16").await;

    let server = server.copy(2).await.with_hosts(seen);
    given(&server, MASK).await;
    let account = server.ec2(BACKEND);
    let create = json!({"CidrBlock": "10.0.0.0/16"});
    let refusal = account.refusal("CreateVpc", create.clone()).await;
    assert_eq!(refusal.code, "ServiceUnavailable", "{}", refusal.message);
    let before = numbers(&server).await;

    // Every host has a network from after the numbers were reserved.
    in_force.send_replace(server.store().revision().await.unwrap());
    account.vpc("10.0.0.0/16").await;
    let after = numbers(&server).await;
    assert_eq!(before.len() + 1, after.len());
    assert!(after.contains(&(MASK + 1 + 2)), "{after:?}");
}
