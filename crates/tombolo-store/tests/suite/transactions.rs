//! `txn`: comparisons, atomicity, revisions, and many at once.

use super::*;

#[test]
fn one_revision_a_transaction_and_none_for_changing_nothing() {
    check(async |store| {
        let first = store.txn(puts([("a", "1"), ("b", "1")])).await.unwrap();
        assert_eq!(first, committed(1));
        assert_eq!(store.txn(Txn::default()).await.unwrap(), committed(1));
        let nothing = Txn::default().deleting("nowhere");
        assert_eq!(store.txn(nothing).await.unwrap(), committed(1));
        assert_eq!(
            store.txn(puts([("a", "1")])).await.unwrap(),
            committed(2),
            "the same value"
        );
        assert_eq!(
            store.txn(puts([]).deleting("a")).await.unwrap(),
            committed(3)
        );
        assert_eq!(all(&**store).await.entries, [entry("b", "1", 1)]);
        assert_eq!(store.revision().await.unwrap(), Revision(3));
    });
}

#[test]
fn unchanged_holds_only_for_the_revision_that_last_changed_the_key() {
    check(async |store| {
        store.txn(puts([("a", "1")])).await.unwrap();
        store.txn(puts([("a", "2")])).await.unwrap();
        for (revision, expected) in [
            (0, TxnOutcome::Conflict),
            (1, TxnOutcome::Conflict),
            (2, committed(3)),
        ] {
            let txn = puts([("seen", "")]).if_unchanged("a", revision);
            assert_eq!(
                store.txn(txn).await.unwrap(),
                expected,
                "compared with {revision}"
            );
        }
    });
}

#[test]
fn unchanged_at_revision_0_means_the_key_does_not_exist() {
    check(async |store| {
        let create = || puts([("a", "mine")]).if_unchanged("a", 0);
        assert_eq!(store.txn(create()).await.unwrap(), committed(1));
        assert_eq!(store.txn(create()).await.unwrap(), TxnOutcome::Conflict);
        store.txn(Txn::default().deleting("a")).await.unwrap();
        assert_eq!(store.txn(create()).await.unwrap(), committed(3));
    });
}

#[test]
fn nothing_newer_sees_puts_in_its_range_and_no_deletions() {
    check(async |store| {
        store.txn(puts([("a/1", ""), ("b/1", "")])).await.unwrap();
        let under_a = || Txn::default().if_nothing_newer(span("a/", "a0"), 1);
        assert_eq!(store.txn(under_a()).await.unwrap(), committed(1));
        store.txn(puts([("b/1", "")])).await.unwrap();
        assert_eq!(
            store.txn(under_a()).await.unwrap(),
            committed(2),
            "another range"
        );
        store.txn(puts([("a/2", "")])).await.unwrap();
        assert_eq!(store.txn(under_a()).await.unwrap(), TxnOutcome::Conflict);
        store.txn(Txn::default().deleting("a/2")).await.unwrap();
        assert_eq!(
            store.txn(under_a()).await.unwrap(),
            committed(4),
            "its put is gone"
        );
    });
}

#[test]
fn all_comparisons_must_hold_or_nothing_is_written() {
    check(async |store| {
        store.txn(puts([("a", "1"), ("b", "1")])).await.unwrap();
        let before = all(&**store).await;
        let txn = puts([("a", "2"), ("c", "2")])
            .deleting("b")
            .if_unchanged("a", 1)
            .if_nothing_newer(span("a", "z"), 1)
            .if_unchanged("b", 0);
        assert_eq!(store.txn(txn).await.unwrap(), TxnOutcome::Conflict);
        assert_eq!(all(&**store).await, before);
    });
}

#[test]
fn a_key_written_twice_in_one_transaction_is_refused_by_name() {
    check(async |store| {
        for txn in [
            puts([("a", "1"), ("a", "2")]),
            puts([("b", ""), ("a", "1")]).deleting("a"),
        ] {
            let error = store.txn(txn).await.unwrap_err();
            assert!(
                text(&error).contains("key a is put or deleted twice"),
                "{}",
                text(&error)
            );
        }
        assert_eq!(store.revision().await.unwrap(), Revision(0));
    });
}

#[test]
fn a_reader_never_sees_half_a_transaction() {
    check(async |store| {
        let writing = async {
            for number in 0..200 {
                let value = number.to_string();
                store
                    .txn(puts([("left", &value), ("right", &value)]))
                    .await
                    .unwrap();
            }
        };
        let reading = async {
            while store.revision().await.unwrap() < Revision(200) {
                let page = all(&**store).await;
                let values: Vec<_> = page.entries.iter().map(|entry| &entry.value).collect();
                assert!(values.is_empty() || values[0] == values[1], "{page:?}");
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(writing, reading);
    });
}

#[test]
fn no_increment_of_many_concurrent_ones_is_lost() {
    const TASKS: u64 = 16;
    const INCREMENTS: u64 = 25;
    check(async |store| {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..TASKS {
            let store = Arc::clone(&store.store);
            tasks.spawn(async move {
                for _ in 0..INCREMENTS {
                    while increment(&*store).await == TxnOutcome::Conflict {
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        tasks.join_all().await;
        let counter = store.get(b"counter").await.unwrap().unwrap();
        assert_eq!(counter.value, bytes(&(TASKS * INCREMENTS).to_string()));
        assert_eq!(counter.modified, Revision(TASKS * INCREMENTS));
    });
}

async fn increment(store: &dyn Store) -> TxnOutcome {
    let (value, modified) = match store.get(b"counter").await.unwrap() {
        Some(entry) => (
            String::from_utf8(entry.value.to_vec()).unwrap(),
            entry.modified,
        ),
        None => ("0".to_owned(), Revision(0)),
    };
    let next = (value.parse::<u64>().unwrap() + 1).to_string();
    store
        .txn(puts([("counter", &next)]).if_unchanged("counter", modified.0))
        .await
        .unwrap()
}
