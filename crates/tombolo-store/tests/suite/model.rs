//! Random transactions against a model too simple to be wrong: a list of entries.

use futures::future::join_all;
use proptest::prelude::*;
use tombolo_store::Event;

use super::*;

/// Few keys, so that transactions meet.
const KEYS: [&str; 5] = ["a", "a/1", "a/2", "b", "c"];

#[derive(Debug, Default)]
struct Model {
    entries: Vec<Entry>,
    revision: u64,
    events: Vec<Event>,
}

impl Model {
    fn modified(&self, key: &Bytes) -> Revision {
        let found = self.entries.iter().find(|entry| entry.key == key);
        found.map_or(Revision(0), |entry| entry.modified)
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::Unchanged { key, modified } => self.modified(key) == *modified,
            Compare::NothingNewer { range, revision } => !self.entries.iter().any(|entry| {
                range.start <= entry.key && entry.key < range.end && entry.modified > *revision
            }),
        }
    }

    fn txn(&mut self, txn: &Txn) -> TxnOutcome {
        if !txn.compares.iter().all(|compare| self.holds(compare)) {
            return TxnOutcome::Conflict;
        }
        let revision = Revision(self.revision + 1);
        let before = self.events.len();
        for (key, value) in &txn.puts {
            self.entries.retain(|entry| entry.key != key);
            let (key, value) = (key.clone(), value.clone());
            self.events.push(Event {
                key: key.clone(),
                value: Some(value.clone()),
                revision,
            });
            self.entries.push(Entry {
                key,
                value,
                modified: revision,
            });
        }
        for key in &txn.deletes {
            if self.modified(key) != Revision(0) {
                self.entries.retain(|entry| entry.key != key);
                self.events.push(Event {
                    key: key.clone(),
                    value: None,
                    revision,
                });
            }
        }
        self.entries.sort_by(|a, b| a.key.cmp(&b.key));
        self.revision += u64::from(self.events.len() > before);
        committed(self.revision)
    }

    fn page(&self, range: &KeyRange, limit: usize) -> Page {
        let within = |entry: &&Entry| range.start <= entry.key && entry.key < range.end;
        let mut entries: Vec<Entry> = self.entries.iter().filter(within).cloned().collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        Page {
            entries,
            more,
            revision: Revision(self.revision),
        }
    }
}

fn any_key() -> impl Strategy<Value = Bytes> {
    prop::sample::select(&KEYS[..]).prop_map(bytes)
}

fn any_range() -> impl Strategy<Value = KeyRange> {
    (any_key(), any_key()).prop_map(|(start, end)| KeyRange { start, end })
}

fn any_compare() -> impl Strategy<Value = Compare> {
    let revision = || (0_u64..12).prop_map(Revision);
    prop_oneof![
        (any_key(), revision()).prop_map(|(key, modified)| Compare::Unchanged { key, modified }),
        (any_range(), revision())
            .prop_map(|(range, revision)| Compare::NothingNewer { range, revision }),
    ]
}

fn any_txn() -> impl Strategy<Value = Txn> {
    // For each key: put, delete, or leave it alone, so that no key is written twice.
    let writes =
        prop::collection::vec(prop::option::weighted(0.3, any::<Option<u8>>()), KEYS.len());
    let compares = prop::collection::vec(any_compare(), 0..2);
    (compares, writes).prop_map(|(compares, writes)| {
        let mut txn = Txn {
            compares,
            ..Txn::default()
        };
        for (key, write) in KEYS.iter().zip(writes) {
            match write {
                Some(Some(value)) => txn.puts.push((bytes(key), Bytes::from(vec![value]))),
                Some(None) => txn.deletes.push(bytes(key)),
                None => {}
            }
        }
        txn
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    /// Each inner list is handed over at once, so that the SQLite engine takes it in few batches.
    #[test]
    fn engines_do_what_the_model_does(
        groups in prop::collection::vec(prop::collection::vec(any_txn(), 1..8), 1..8),
        range in any_range(),
        limit in 1_usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (name, make) in ENGINES {
            runtime.block_on(async {
                let engine = make();
                let mut model = Model::default();
                for group in &groups {
                    let expected: Vec<_> = group.iter().map(|txn| model.txn(txn)).collect();
                    // Polled in order on one thread: that is the order they are accepted in.
                    let outcomes = join_all(group.iter().map(|txn| engine.txn(txn.clone()))).await;
                    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
                    assert_eq!(outcomes, expected, "{name}");
                    assert_eq!(engine.revision().await.unwrap(), Revision(model.revision), "{name}");
                    let everything = model.page(&span("", "\u{10ffff}"), usize::MAX);
                    assert_eq!(all(&*engine).await, everything, "{name}");
                    let page = engine.range(&range, limit).await.unwrap();
                    assert_eq!(page, model.page(&range, limit), "{name}");
                }
                let mut watch = engine.watch(b"", Revision(0)).await.unwrap();
                drop(engine);
                let mut told = vec![];
                while let Ok(events) = watch.next().await {
                    told.extend(events);
                }
                assert_eq!(told, model.events, "{name}");
            });
        }
    }
}
