//! `get` and `range`.

use super::*;

#[test]
fn an_empty_store_has_revision_0_and_nothing() {
    check(async |store| {
        assert_eq!(store.revision().await.unwrap(), Revision(0));
        assert_eq!(store.get(b"a").await.unwrap(), None);
        let empty = Page {
            entries: vec![],
            more: false,
            revision: Revision(0),
        };
        assert_eq!(all(&**store).await, empty);
    });
}

#[test]
fn entries_come_in_byte_order_with_the_revision_that_last_changed_them() {
    check(async |store| {
        for (key, value) in [
            ("b", "1"),
            ("a/b", "2"),
            ("a", "3"),
            ("b", "4"),
            ("\u{7f}", "5"),
        ] {
            store.txn(puts([(key, value)])).await.unwrap();
        }
        let expected = [
            entry("a", "3", 3),
            entry("a/b", "2", 2),
            entry("b", "4", 4),
            entry("\u{7f}", "5", 5),
        ];
        assert_eq!(all(&**store).await.entries, expected);
        assert_eq!(store.get(b"b").await.unwrap(), Some(entry("b", "4", 4)));
        assert_eq!(store.revision().await.unwrap(), Revision(5));
    });
}

#[test]
fn keys_and_values_may_be_any_bytes_also_none() {
    check(async |store| {
        let key = Bytes::from_static(b"\x00\xff\xfe");
        let txn = Txn {
            puts: vec![
                (key.clone(), Bytes::new()),
                (Bytes::new(), Bytes::from_static(b"\x00")),
            ],
            ..Txn::default()
        };
        store.txn(txn).await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().unwrap().value, Bytes::new());
        assert_eq!(
            store.get(b"").await.unwrap().unwrap().value,
            Bytes::from_static(b"\x00")
        );
    });
}

#[test]
fn a_range_includes_its_start_and_not_its_end() {
    check(async |store| {
        store
            .txn(puts([("a", ""), ("b", ""), ("c", ""), ("d", "")]))
            .await
            .unwrap();
        let page = store.range(&span("b", "d"), 10).await.unwrap();
        assert_eq!(page.entries, [entry("b", "", 1), entry("c", "", 1)]);
    });
}

#[test]
fn a_range_that_ends_before_it_starts_is_empty() {
    check(async |store| {
        store
            .txn(puts([("a", ""), ("b", ""), ("c", "")]))
            .await
            .unwrap();
        for range in [span("c", "a"), span("b", "b"), span("b", "")] {
            let page = store.range(&range, 10).await.unwrap();
            assert_eq!(
                page,
                Page {
                    entries: vec![],
                    more: false,
                    revision: Revision(1)
                }
            );
            let holds = store
                .txn(Txn::default().if_nothing_newer(range, 0))
                .await
                .unwrap();
            assert_eq!(holds, committed(1));
        }
    });
}

#[test]
fn a_list_has_all_entries_of_a_range_at_one_revision() {
    check(async |store| {
        for number in 0..25 {
            let key = format!("k{number:02}");
            store.txn(puts([(&key, "")])).await.unwrap();
        }
        store.txn(puts([("z", "")])).await.unwrap();
        let page = store.list(&span("k", "l")).await.unwrap();
        let keys: Vec<_> = page.entries.iter().map(|entry| &entry.key[..]).collect();
        assert_eq!(
            (keys.len(), keys[0], keys[24]),
            (25, &b"k00"[..], &b"k24"[..])
        );
        assert_eq!((page.more, page.revision), (false, Revision(26)));
    });
}

#[test]
fn pages_follow_one_another_without_gap_or_repeat() {
    check(async |store| {
        for number in 0..25 {
            store
                .txn(puts([(&format!("k{number:02}"), "")]))
                .await
                .unwrap();
        }
        let mut range = span("k", "l");
        let mut sizes = vec![];
        let mut keys = vec![];
        loop {
            let page = store.range(&range, 10).await.unwrap();
            sizes.push(page.entries.len());
            keys.extend(page.entries.into_iter().map(|entry| entry.key));
            if !page.more {
                break;
            }
            // The first key after the last one: itself and a zero byte.
            range.start = [keys.last().unwrap(), &b"\0"[..]].concat().into();
        }
        assert_eq!(sizes, [10, 10, 5]);
        let expected: Vec<_> = (0..25)
            .map(|number| bytes(&format!("k{number:02}")))
            .collect();
        assert_eq!(keys, expected);
    });
}

#[test]
fn a_page_that_ends_with_the_range_says_there_is_no_more() {
    check(async |store| {
        store
            .txn(puts([("a", ""), ("b", ""), ("c", "")]))
            .await
            .unwrap();
        assert!(!store.range(&span("a", "c"), 2).await.unwrap().more);
        assert!(store.range(&span("a", "d"), 2).await.unwrap().more);
    });
}

#[test]
fn a_limit_of_0_still_makes_progress() {
    check(async |store| {
        store.txn(puts([("a", ""), ("b", "")])).await.unwrap();
        let page = store.range(&span("a", "c"), 0).await.unwrap();
        assert_eq!((page.entries.len(), page.more), (1, true));
    });
}
