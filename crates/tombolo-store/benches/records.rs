//! What writing a record into a transaction and reading it out of a store costs: the key, the record
//! and its conversion, without any disk.
//!
//! `cargo bench -p tombolo-store --bench records` prints nanoseconds, the least of several rounds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that fails may panic"
)]

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tombolo_domain::fleet::Instance;
use tombolo_domain::peering::{Connection, End, PeeringOptions, State, Transition};
use tombolo_domain::vpc::{Vpc, VpcAttributes, VpcNumber};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::typed::{Committed, Transaction};
use tombolo_store::{MemoryStore, Store, keys};

const ROUNDS: usize = 40;
const TIMES: usize = 20_000;

fn main() {
    let scope = Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
    };
    let vpc = vpc(&scope);
    let connection = connection(&scope);
    let instance = instance(&scope);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    now(async {
        let mut tx = Transaction::new(store.clone());
        tx.put(&vpc).unwrap();
        tx.put(&connection).unwrap();
        tx.put(&instance).unwrap();
        assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    });

    measure("write a VPC", &store, |tx| tx.put(black_box(&vpc)).unwrap());
    measure("read a VPC", &store, |tx| {
        let key = keys::vpc(&vpc.scope, &vpc.id);
        let found = now(tx.get(&key)).unwrap();
        assert!(black_box(found).is_some());
    });
    measure("write a connection", &store, |tx| {
        tx.put(black_box(&connection)).unwrap();
    });
    measure("read a connection", &store, |tx| {
        let requester = connection.requested_by();
        let key = keys::connection(&scope, &requester, &connection.id);
        let found = now(tx.get(&key)).unwrap();
        assert!(black_box(found).is_some());
    });
    measure("write an instance", &store, |tx| {
        tx.put(black_box(&instance)).unwrap();
    });
    measure("list instances", &store, |tx| {
        let found = now(tx.peek(&keys::all_instances())).unwrap();
        assert_eq!(black_box(found).len(), 1);
    });
}

fn measure(what: &str, store: &Arc<dyn Store>, mut once: impl FnMut(&mut Transaction)) {
    let round = |once: &mut dyn FnMut(&mut Transaction)| {
        let mut tx = Transaction::new(store.clone());
        let start = Instant::now();
        for _ in 0..TIMES {
            once(&mut tx);
        }
        start.elapsed().as_secs_f64() * 1e9 / TIMES as f64
    };
    let least = (0..ROUNDS)
        .map(|_| round(&mut once))
        .fold(f64::MAX, f64::min);
    println!("{what:20} {least:7.0} ns");
}

/// Waits for what needs no waiting: a store in memory answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a store in memory answers at once"),
    }
}

fn vpc(scope: &Scope) -> Vpc {
    Vpc {
        scope: scope.clone(),
        id: "vpc-0a1b2c3d4e5f60718".parse().unwrap(),
        number: VpcNumber(7),
        cidr: "10.0.0.0/16".parse().unwrap(),
        secondary_cidrs: Vec::new(),
        attributes: VpcAttributes::default(),
        fleet: Some(
            "fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa"
                .parse()
                .unwrap(),
        ),
        created: time(),
    }
}

fn connection(scope: &Scope) -> Connection {
    let end = |vpc: &str, cidr: &str| End {
        account: scope.account,
        vpc: vpc.parse().unwrap(),
        cidr: Some(cidr.parse().unwrap()),
        secondary_cidrs: Vec::new(),
        options: PeeringOptions::default(),
    };
    let passed = [
        State::InitiatingRequest,
        State::PendingAcceptance,
        State::Provisioning,
        State::Active,
    ];
    Connection {
        id: "pcx-0a1b2c3d4e5f60718".parse().unwrap(),
        region: scope.region.clone(),
        fleet: Some(
            "fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa"
                .parse()
                .unwrap(),
        ),
        requester: end("vpc-0a1b2c3d4e5f60718", "100.64.0.0/24"),
        accepter: end("vpc-0fffffffffffffff1", "10.0.0.0/16"),
        expires: None,
        state: State::Active,
        history: passed.map(|state| Transition { state, at: time() }).into(),
    }
}

fn instance(scope: &Scope) -> Instance {
    Instance {
        scope: scope.clone(),
        fleet: "fleet-2222bbbb-33cc-44dd-85ee-6666ffff77aa"
            .parse()
            .unwrap(),
        id: "i-0a1b2c3d4e5f60718".parse().unwrap(),
        host: Some("host-2222bbbb-33cc-44dd-85ee-6666ffff77aa".parse().unwrap()),
        number: 7,
        interface: "eni-0fffffffffffffff1".parse().unwrap(),
        ports: Vec::new(),
        running: true,
        active_processes: 3,
        ending: false,
        earlier_position: None,
        created: time(),
    }
}

fn time() -> Timestamp {
    "2026-11-05T09:01:00.123456789Z".parse().unwrap()
}
