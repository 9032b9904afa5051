//! Typed transactions: what their commits depend on.

#![allow(clippy::unwrap_used, reason = "a test that fails is meant to panic")]

use std::sync::Arc;

use bytes::Bytes;
use tombolo_domain::fleet::{Build, BuildStatus, OperatingSystem};
use tombolo_domain::vpc::RouteTable;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::typed::{Committed, Transaction, check};
use tombolo_store::{KeyRange, MemoryStore, Revision, Store, Txn, TxnOutcome, keys};

fn scope() -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
    }
}

fn build(number: u8) -> Build {
    Build {
        scope: scope(),
        id: format!("build-00000000-0000-4000-8000-0000000000{number:02x}")
            .parse()
            .unwrap(),
        name: None,
        version: None,
        status: BuildStatus::Ready,
        size_on_disk: None,
        source: None,
        failure: None,
        operating_system: OperatingSystem::default(),
        server_sdk_version: None,
        created: Timestamp::UNIX_EPOCH,
    }
}

async fn with(builds: impl IntoIterator<Item = Build>) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut tx = Transaction::new(store.clone());
    for build in builds {
        tx.put(&build).unwrap();
    }
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    store
}

/// Commits what `second` does between the reads and the commit of `first`.
async fn interleaved(
    store: &Arc<dyn Store>,
    first: impl AsyncFn(&mut Transaction),
    second: impl AsyncFn(&mut Transaction),
) -> Committed {
    let mut slow = Transaction::new(store.clone());
    first(&mut slow).await;
    let mut fast = Transaction::new(store.clone());
    second(&mut fast).await;
    assert_eq!(fast.commit().await.unwrap(), Committed::Yes);
    slow.commit().await.unwrap()
}

fn key(number: u8) -> keys::Key<keys::BuildKey> {
    keys::build(&scope(), &build(number).id)
}

#[tokio::test]
async fn a_record_that_was_read_and_has_changed_is_a_conflict() {
    let store = with([build(1)]).await;
    let outcome = interleaved(
        &store,
        async |tx| {
            let mut found = tx.get(&key(1)).await.unwrap().unwrap();
            found.name = Some("slow".to_owned());
            tx.put(&found).unwrap();
        },
        async |tx| tx.put(&build(1)).unwrap(),
    );
    assert_eq!(outcome.await, Committed::Conflict);
}

#[tokio::test]
async fn a_record_that_was_not_there_and_has_come_is_a_conflict() {
    let store = with([]).await;
    let outcome = interleaved(
        &store,
        async |tx| {
            assert!(tx.get(&key(1)).await.unwrap().is_none());
            tx.put(&build(1)).unwrap();
        },
        async |tx| tx.put(&build(1)).unwrap(),
    );
    assert_eq!(outcome.await, Committed::Conflict);
}

#[tokio::test]
async fn a_record_added_to_a_listed_range_is_a_conflict_and_to_a_peeked_one_is_not() {
    let list = async |tx: &mut Transaction| {
        tx.list(&keys::builds(&scope())).await.unwrap();
        tx.put(&build(1)).unwrap();
    };
    let peek = async |tx: &mut Transaction| {
        tx.peek(&keys::builds(&scope())).await.unwrap();
        tx.put(&build(1)).unwrap();
    };
    let add = async |tx: &mut Transaction| tx.put(&build(2)).unwrap();
    assert_eq!(
        interleaved(&with([]).await, list, add).await,
        Committed::Conflict
    );
    assert_eq!(
        interleaved(&with([]).await, peek, add).await,
        Committed::Yes
    );
}

#[tokio::test]
async fn a_listed_record_that_was_deleted_is_not_brought_back() {
    let store = with([build(1), build(2)]).await;
    let outcome = interleaved(
        &store,
        async |tx| {
            for mut found in tx.list(&keys::builds(&scope())).await.unwrap() {
                found.name = Some("slow".to_owned());
                tx.put(&found).unwrap();
            }
        },
        async |tx| tx.delete(&key(1)),
    );
    assert_eq!(outcome.await, Committed::Conflict);
    assert!(
        Transaction::new(store)
            .get(&key(1))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes() {
    let store = with([build(1), build(2)]).await;
    let mut tx = Transaction::new(store);
    tx.delete(&key(1));
    tx.put(&build(3)).unwrap();
    assert!(tx.get(&key(1)).await.unwrap().is_none());
    let ids = |builds: Vec<Build>| builds.into_iter().map(|build| build.id).collect::<Vec<_>>();
    let listed = ids(tx.list(&keys::builds(&scope())).await.unwrap());
    assert_eq!(listed, [build(2).id, build(3).id]);
    let page = tx.page(&keys::builds(&scope()), None, 1).await.unwrap();
    assert_eq!((page.records.len(), page.more), (1, true));
    let rest = tx
        .page(
            &keys::builds(&scope()),
            Some(&page.records[0].0.behind()),
            5,
        )
        .await
        .unwrap();
    assert_eq!(rest.records[0].1.id, build(3).id);
    assert!(!rest.more);
}

#[tokio::test]
async fn what_is_in_a_vpc_is_found_by_its_id_until_it_is_removed() {
    let table = RouteTable {
        scope: scope(),
        id: "rtb-0123456789abcdef0".parse().unwrap(),
        vpc: "vpc-0123456789abcdef0".parse().unwrap(),
        number: None,
        main: None,
        associations: Vec::new(),
        routes: Vec::new(),
        client_token: None,
    };
    let located = keys::located(&table.scope, table.id.as_str());
    let store = with([]).await;
    let mut tx = Transaction::new(store.clone());
    tx.put(&table).unwrap();
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    let mut tx = Transaction::new(store.clone());
    assert_eq!(tx.get(&located).await.unwrap().as_ref(), Some(&table.vpc));

    tx.remove(&table);
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    let everything = KeyRange {
        start: Bytes::new(),
        end: Bytes::from_static(&[0xff]),
    };
    assert_eq!(store.range(&everything, 1).await.unwrap().entries, []);
}

/// A store with these entries.
async fn holding(entries: &[(&'static str, &'static str)]) -> MemoryStore {
    let store = MemoryStore::new();
    let puts = entries
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()));
    let txn = Txn {
        puts: puts.collect(),
        ..Txn::default()
    };
    let outcome = store.txn(txn).await.unwrap();
    assert_eq!(outcome, TxnOutcome::Committed(Revision(1)));
    store
}

#[tokio::test]
async fn a_store_that_cannot_be_gone_on_with_is_refused_by_name() {
    let name = ("account-name/games", "\u{1}\"111122223333\"");
    assert!(check(&holding(&[name]).await).await.is_ok());

    let refusal = async |key, value| {
        let store = holding(&[name, (key, value)]).await;
        check(&store).await.unwrap_err().to_string()
    };
    assert_eq!(
        refusal("lease/one", "\u{1}{}").await,
        "the key lease/one is of a kind that this version of Tombolo does not know; run the version \
         that wrote it, or restore the data directory from a backup"
    );
    assert_eq!(
        refusal("vpc/us-west-2/vpc-1", "\u{1}{}").await,
        "the key vpc/us-west-2/vpc-1 is not of the form vpc/{scope}/{vpc}: its scope is missing or \
         wrong; restore the data directory from a backup"
    );
    assert_eq!(
        refusal("clock-offset", "\u{2}{}").await,
        "the record of key clock-offset has version 2, and this version of Tombolo reads up to 1; \
         run the version that wrote it, or restore the data directory from a backup"
    );
    assert_eq!(
        refusal("clock-offset", "").await,
        "the value of key clock-offset is not readable: it has no version; restore the data \
         directory from a backup"
    );
}

#[tokio::test]
async fn a_record_that_does_not_parse_is_refused_before_anybody_reads_it() {
    let refusal = async |key, value| check(&holding(&[(key, value)]).await).await.unwrap_err();
    let refused = refusal("instance-number", "\u{1}\"seven\"")
        .await
        .to_string();
    assert!(
        refused
            .starts_with("the value of key instance-number is not readable: invalid type: string"),
        "{refused}"
    );
    assert!(
        refused.ends_with("; restore the data directory from a backup"),
        "{refused}"
    );
    // As a file that was cut off has it.
    let refused = refusal(
        "vpc/us-west-2/111122223333/vpc-0123456789abcdef0",
        "\u{1}{\"id\":\"vpc-01",
    );
    let refused = refused.await.to_string();
    assert!(
        refused.starts_with(
            "the value of key vpc/us-west-2/111122223333/vpc-0123456789abcdef0 is not readable: EOF"
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_record_under_the_key_of_another_is_refused() {
    let store = with([build(1)]).await;
    let value = store.get(key(1).as_bytes()).await.unwrap().unwrap().value;
    let put = Txn {
        puts: vec![(Bytes::copy_from_slice(key(2).as_bytes()), value)],
        ..Txn::default()
    };
    store.txn(put).await.unwrap();
    assert_eq!(
        check(&*store).await.unwrap_err().to_string(),
        format!(
            "the value of key {:?} is not readable: it is the record of key {:?}; restore the data \
             directory from a backup",
            key(2),
            key(1)
        )
    );
}

#[tokio::test]
async fn all_that_cannot_be_read_is_told_at_once_and_not_without_bound() {
    let store = MemoryStore::new();
    let puts = (10..23).map(|number| (format!("lease/{number}").into(), Bytes::new()));
    let txn = Txn {
        puts: puts.collect(),
        ..Txn::default()
    };
    store.txn(txn).await.unwrap();
    let refused = check(&store).await.unwrap_err().to_string();
    let lines: Vec<&str> = refused.lines().collect();
    assert_eq!(lines[0], "13 entries of the store cannot be read:");
    assert_eq!(lines.len(), 12, "{refused}");
    for (line, number) in lines[1..11].iter().zip(10..) {
        let start = format!("  the key lease/{number} is of a kind that this version");
        assert!(line.starts_with(&start), "{line}");
    }
    assert_eq!(lines[11], "  and 3 more");
}

#[tokio::test]
async fn a_key_behind_all_text_is_refused() {
    for key in [&b"\xff"[..], b"\xff\xff\xff", b"\xfe\xff"] {
        let store = MemoryStore::new();
        let txn = Txn {
            puts: vec![(Bytes::from_static(key), Bytes::new())],
            ..Txn::default()
        };
        store.txn(txn).await.unwrap();
        let refused = check(&store).await.unwrap_err().to_string();
        let start = format!("the key {} is of a kind", key.escape_ascii());
        assert!(refused.starts_with(&start), "{refused}");
    }
}

#[tokio::test]
async fn a_record_that_does_not_parse_stops_who_reads_it_and_nobody_else() {
    let store: Arc<dyn Store> = Arc::new(holding(&[("instance-number", "\u{1}\"seven\"")]).await);
    let mut tx = Transaction::new(store);
    let refused = tx.get(&keys::instance_number()).await.unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused
            .starts_with("the value of key instance-number is not readable: invalid type: string"),
        "{refused}"
    );
    tx.put_at(&keys::vpc_number(), &1).unwrap();
    assert_eq!(tx.get(&keys::vpc_number()).await.unwrap(), Some(1));
}
