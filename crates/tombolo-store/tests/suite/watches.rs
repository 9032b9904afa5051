//! `watch`: from a revision on, in order, without gaps.

use futures::FutureExt;
use tombolo_store::{Event, Watch, WatchError};

use super::*;

fn event(key: &str, value: Option<&str>, revision: u64) -> Event {
    Event {
        key: bytes(key),
        value: value.map(bytes),
        revision: Revision(revision),
    }
}

/// Events until `revision` was told.
async fn until(watch: &mut dyn Watch, revision: u64) -> Vec<Event> {
    let mut events: Vec<Event> = vec![];
    while events
        .last()
        .is_none_or(|event| event.revision < Revision(revision))
    {
        events.extend(watch.next().await.unwrap());
    }
    events
}

#[test]
fn a_watch_tells_the_past_after_its_revision_then_the_present() {
    check(async |store| {
        store.txn(puts([("a/1", "1"), ("b/1", "1")])).await.unwrap();
        store.txn(puts([("a/2", "2")])).await.unwrap();
        let mut watch = store.watch(b"a/", Revision(1)).await.unwrap();
        store
            .txn(puts([("a/1", "3"), ("b/1", "3")]).deleting("a/2"))
            .await
            .unwrap();
        let expected = [
            event("a/2", Some("2"), 2),
            event("a/1", Some("3"), 3),
            event("a/2", None, 3),
        ];
        assert_eq!(until(&mut *watch, 3).await, expected);
        assert!(
            watch.next().now_or_never().is_none(),
            "nothing more happened"
        );
        store.txn(puts([("a/3", "4")])).await.unwrap();
        assert_eq!(watch.next().await.unwrap(), [event("a/3", Some("4"), 4)]);
    });
}

#[test]
fn a_watch_of_the_empty_prefix_tells_everything() {
    check(async |store| {
        let mut watch = store.watch(b"", Revision(0)).await.unwrap();
        store.txn(puts([("a", "1")])).await.unwrap();
        store.txn(puts([("\u{7f}", "2")])).await.unwrap();
        let expected = [event("a", Some("1"), 1), event("\u{7f}", Some("2"), 2)];
        assert_eq!(until(&mut *watch, 2).await, expected);
    });
}

#[test]
fn conflicts_and_deletions_of_nothing_are_no_events() {
    check(async |store| {
        let mut watch = store.watch(b"", Revision(0)).await.unwrap();
        store
            .txn(puts([("a", "1")]).if_unchanged("a", 7))
            .await
            .unwrap();
        store.txn(Txn::default().deleting("nowhere")).await.unwrap();
        assert!(watch.next().now_or_never().is_none());
        store.txn(puts([("a", "1")])).await.unwrap();
        assert_eq!(watch.next().await.unwrap(), [event("a", Some("1"), 1)]);
    });
}

#[test]
fn under_load_a_watch_tells_every_transaction_once_whole_and_in_order() {
    const WRITERS: u64 = 8;
    const WRITES: u64 = 50;
    check(async |store| {
        let writing = futures::future::join_all((0..WRITERS).map(|writer| async move {
            for number in 0..WRITES {
                let (left, right) = (format!("{writer}/left"), format!("{writer}/right"));
                let value = number.to_string();
                store
                    .txn(puts([(&left, &value), (&right, &value)]))
                    .await
                    .unwrap();
            }
        }));
        let watching = async {
            let mut watch = store.watch(b"", Revision(0)).await.unwrap();
            let mut told = 0;
            while told < WRITERS * WRITES {
                let events = watch.next().await.unwrap();
                for pair in events.chunks(2) {
                    told += 1;
                    assert_eq!(pair[0].revision, Revision(told), "in order and without gap");
                    assert_eq!(pair[1].revision, Revision(told), "a transaction is whole");
                }
            }
        };
        tokio::join!(writing, watching);
    });
}

#[test]
fn abandoning_next_half_way_loses_nothing() {
    check(async |store| {
        let mut watch = store.watch(b"a", Revision(0)).await.unwrap();
        for revision in 1..=20 {
            // Polled once and dropped, as `select!` does.
            let abandoned = watch.next().now_or_never();
            assert!(abandoned.is_none());
            store.txn(puts([("a", "")])).await.unwrap();
            assert_eq!(
                watch.next().await.unwrap(),
                [event("a", Some(""), revision)]
            );
        }
    });
}

/// More changes than any engine keeps: each history is bounded.
async fn outrun_history(store: &dyn Store, key: &str) {
    let value = "x".repeat(64 << 10);
    for _ in 0..80 {
        store.txn(puts([(key, &value)])).await.unwrap();
    }
}

#[test]
fn a_watch_from_before_what_is_kept_is_told_so() {
    check(async |store| {
        outrun_history(&**store, "a").await;
        let mut late = store.watch(b"a", Revision(3)).await.unwrap();
        assert_eq!(late.next().await, Err(WatchError::Compacted(Revision(3))));
        let newest = store.revision().await.unwrap();
        let mut current = store.watch(b"a", Revision(newest.0 - 1)).await.unwrap();
        assert_eq!(current.next().await.unwrap()[0].revision, newest);
    });
}

#[test]
fn a_watch_that_keeps_up_is_not_compacted_by_other_keys() {
    check(async |store| {
        let mut watch = store.watch(b"quiet", Revision(0)).await.unwrap();
        for round in 0..2 {
            assert!(watch.next().now_or_never().is_none(), "round {round}");
            outrun_history_in_steps(&**store, &mut *watch).await;
        }
        let outcome = store.txn(puts([("quiet", "at last")])).await.unwrap();
        let TxnOutcome::Committed(revision) = outcome else {
            panic!("{outcome:?}")
        };
        let expected = event("quiet", Some("at last"), revision.0);
        assert_eq!(watch.next().await.unwrap(), [expected]);
    });
}

async fn outrun_history_in_steps(store: &dyn Store, watch: &mut dyn Watch) {
    let value = "x".repeat(64 << 10);
    for _ in 0..80 {
        store.txn(puts([("loud", &value)])).await.unwrap();
        assert!(watch.next().now_or_never().is_none());
    }
}

#[test]
fn closing_the_store_ends_its_watches_after_the_last_change() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (name, make) in ENGINES {
        runtime.block_on(async {
            let engine = make();
            let mut watch = engine.watch(b"", Revision(0)).await.unwrap();
            engine.txn(puts([("a", "1")])).await.unwrap();
            drop(engine);
            assert_eq!(
                watch.next().await.unwrap(),
                [event("a", Some("1"), 1)],
                "{name}"
            );
            assert_eq!(watch.next().await, Err(WatchError::Closed), "{name}");
        });
    }
}
