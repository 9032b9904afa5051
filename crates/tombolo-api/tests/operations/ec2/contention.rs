//! Many requests at once: each is carried out, or says that it may be sent again.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tokio::task::JoinSet;
use tombolo_api::error::{ApiError, CommonError};
use tombolo_api::model::ServiceName;
use tombolo_api::registry::refuse;
use tombolo_domain::vpc::VpcNumber;
use tombolo_store::typed::Transaction;
use tombolo_store::{MemoryStore, SqliteStore, Store, TxnOutcome, keys};

use crate::server::{BACKEND, STUDIO, Server};
use crate::slow::Slow;
use crate::store::{Meddle, Meddled};

/// More than an operation is started over, so that a key that all of them write would fail some.
const REQUESTS: usize = 300;

/// Makes VPCs all at once, and looks at their numbers.
async fn create_vpcs_at_once(server: Server, store: Arc<dyn Store>) {
    let server = Arc::new(server);
    let mut tasks = JoinSet::new();
    for n in 0..REQUESTS {
        let server = server.clone();
        tasks.spawn(async move {
            let account = server.ec2([STUDIO, BACKEND][n % 2]);
            account.vpc("10.0.0.0/16").await;
        });
    }
    tasks.join_all().await;

    let vpcs = Transaction::new(store).peek(&keys::all_vpcs()).await;
    let numbers: BTreeSet<VpcNumber> = vpcs.unwrap().iter().map(|vpc| vpc.number).collect();
    assert_eq!(numbers.len(), REQUESTS);
}

#[tokio::test]
async fn vpcs_made_at_once_are_all_made_in_memory() {
    let store = Meddled::new(Arc::new(MemoryStore::new()), Slow);
    let server = Server::over(|_| store.clone());
    create_vpcs_at_once(server, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn vpcs_made_at_once_are_all_made_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path().join("store")).unwrap());
    let server = Server::over(|_| store.clone());
    create_vpcs_at_once(server, store).await;
}

/// A subnet uses one route table, however many are asked for at once.
#[tokio::test]
async fn a_subnet_is_associated_once() {
    let server = Arc::new(Server::over(|store| Meddled::new(store, Slow)));
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let table = backend.route_table(&vpc).await;
        let (server, input) = (
            server.clone(),
            json!({"RouteTableId": table, "SubnetId": subnet}),
        );
        tasks.spawn(async move {
            let backend = server.ec2(BACKEND);
            backend.attempt("AssociateRouteTable", input).await
        });
    }
    let outcomes = tasks.join_all().await;
    let refused = |outcome: &&Option<&str>| **outcome == Some("Resource.AlreadyAssociated");
    assert_eq!(outcomes.iter().filter(refused).count(), 19);
    assert_eq!(outcomes.iter().filter(|one| one.is_none()).count(), 1);
}

/// A local route is in every table, also in those that are made at the same moment.
#[tokio::test]
async fn tables_made_while_a_block_is_added_have_its_local_route() {
    let server = Arc::new(Server::over(|store| Meddled::new(store, Slow)));
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let mut tasks = JoinSet::new();
    for n in 1..=4 {
        let (server, vpc) = (server.clone(), vpc.clone());
        tasks.spawn(async move {
            let backend = server.ec2(BACKEND);
            backend.route_table(&vpc).await;
            backend.add_block(&vpc, &format!("10.{n}.0.0/16")).await;
        });
    }
    tasks.join_all().await;
    let tables = backend.all("DescribeRouteTables", "RouteTables").await;
    let routes = tables
        .iter()
        .map(|table| table["Routes"].as_array().unwrap().len());
    assert_eq!(routes.collect::<Vec<_>>(), [5; 5]);
}

#[tokio::test]
async fn a_number_is_not_given_again_after_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let server = Server::over(|_| store.clone());
        let backend = server.ec2(BACKEND);
        for cidr in ["10.0.0.0/16", "10.1.0.0/16"] {
            let id = backend.vpc(cidr).await.parse().unwrap();
            let key = keys::vpc(&backend.scope(), &id);
            let vpc = Transaction::new(store.clone()).get(&key).await.unwrap();
            numbers.push(vpc.unwrap().number.0);
        }
    }
    assert_eq!(numbers, [1, 2, 257, 258, 513, 514]);
}

/// A store in which others are always faster.
struct Overtaken;

#[async_trait]
impl Meddle for Overtaken {
    async fn before_txn(&self) -> Option<TxnOutcome> {
        Some(TxnOutcome::Conflict)
    }
}

#[tokio::test]
async fn a_request_that_others_always_overtake_is_to_be_sent_again() {
    let server = Server::over(|store| Meddled::new(store, Overtaken));
    let backend = server.ec2(BACKEND);
    let input = json!({"CidrBlock": "10.0.0.0/16"});
    let message = "CreateVpc met other changes of the same resources 100 times; try it again.";
    backend
        .refused("CreateVpc", input, "ServiceUnavailable", message)
        .await;
    for service in ServiceName::ALL {
        // botocore and the SDKs for Rust and JavaScript retry what has this status.
        let busy = refuse(service, ApiError::new(CommonError::Busy, "again"));
        assert_eq!(busy.wire().status, 503);
    }
}
