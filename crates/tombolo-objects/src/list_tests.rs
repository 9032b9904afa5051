use std::collections::BTreeSet;
use std::sync::Arc;

use http::{Extensions, HeaderMap, Method, Uri};
use proptest::prelude::*;
use s3s::S3Request;
use s3s::dto::{ListObjectsV2Input, ListObjectsV2Output};
use tombolo_domain::object::{Bucket, Object, ObjectHeaders};
use tombolo_domain::principal::{Action, Principal};
use tombolo_domain::quota::Quotas;
use tombolo_domain::testing::{ManualClock, SeededIds};
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::MemoryStore;
use tombolo_store::typed::{Committed, Transaction};

use crate::blob::Blobs;
use crate::object_service::ObjectService;

fn scope() -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
    }
}

async fn service(keys: &BTreeSet<String>, directory: &std::path::Path) -> ObjectService {
    let ids = Arc::new(SeededIds::new(0));
    let store = Arc::new(MemoryStore::new());
    let service = ObjectService::new(
        store.clone(),
        Quotas::default(),
        Blobs::open(directory, ids.clone()).unwrap(),
        Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)),
        ids,
    );
    let mut tx = Transaction::new(store);
    // What sorts beside the bucket is not in it.
    for name in ["games", "games-2", "gamer"] {
        let bucket = Bucket {
            scope: scope(),
            name: name.parse().unwrap(),
            created: Timestamp::UNIX_EPOCH,
        };
        tx.put(&bucket).unwrap();
    }
    let all = keys.iter().map(|key| ("games", key.as_str()));
    for (bucket, key) in all.chain([("games-2", "a"), ("gamer", "a")]) {
        let object = Object {
            scope: scope(),
            bucket: bucket.parse().unwrap(),
            key: key.to_owned(),
            blobs: Vec::new(),
            size: 0,
            etag: String::new(),
            modified: Timestamp::UNIX_EPOCH,
            headers: ObjectHeaders::default(),
            upload: None,
        };
        tx.put(&object).unwrap();
    }
    assert_eq!(tx.commit().await.unwrap(), Committed::Yes);
    service
}

async fn list(service: &ObjectService, input: ListObjectsV2Input) -> ListObjectsV2Output {
    let mut extensions = Extensions::new();
    #[expect(clippy::disallowed_methods, reason = "nothing is signed here")]
    extensions.insert(Principal::admin(scope()));
    extensions.insert(Action::new("s3", "ListBucket"));
    let request = S3Request {
        input,
        method: Method::GET,
        uri: Uri::from_static("/games"),
        headers: HeaderMap::new(),
        extensions,
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    };
    service.list_objects_v2(request).await.unwrap()
}

/// Keys and common prefixes in order, by going through all keys.
fn expected(
    keys: &BTreeSet<String>,
    start: &str,
    delimiter: Option<&str>,
    after: Option<&str>,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for key in keys {
        if !key.starts_with(start) || after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        let rest = &key[start.len()..];
        let shown = match delimiter.and_then(|delimiter| rest.split_once(delimiter)) {
            Some((first, _)) => format!("PRE {start}{first}{}", delimiter.unwrap()),
            None => key.clone(),
        };
        if found.last() != Some(&shown) {
            found.push(shown);
        }
    }
    found
}

fn any_key() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "/", "//", "é", "~", "0"]);
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
}

fn any_start() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), any_key()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pages_together_are_the_whole_listing(
        keys in prop::collection::btree_set(any_key(), 0..20),
        start in any_start(),
        delimiter in prop::option::of(prop::sample::select(vec!["/", "a/", "é"])),
        after in prop::option::of(any_key()),
        size in 1..5usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (whole, sizes) = runtime.block_on(async {
            let service = service(&keys, directory.path()).await;
            let mut whole = Vec::new();
            let mut sizes = Vec::new();
            let mut token = None;
            loop {
                let page = list(&service, ListObjectsV2Input {
                    bucket: "games".to_owned(),
                    prefix: Some(start.clone()),
                    delimiter: delimiter.map(str::to_owned),
                    start_after: after.clone(),
                    continuation_token: token,
                    max_keys: i32::try_from(size).ok(),
                    ..ListObjectsV2Input::default()
                }).await;
                let keys = page.contents.unwrap().into_iter().map(|one| one.key.unwrap());
                let prefixes = page.common_prefixes.unwrap().into_iter();
                let prefixes = prefixes.map(|one| format!("PRE {}", one.prefix.unwrap()));
                let mut shown: Vec<String> = keys.chain(prefixes).collect();
                shown.sort_by_key(|one| one.trim_start_matches("PRE ").to_owned());
                assert_eq!(page.key_count, i32::try_from(shown.len()).ok());
                sizes.push(shown.len());
                whole.extend(shown);
                assert_eq!(page.is_truncated, Some(page.next_continuation_token.is_some()));
                token = page.next_continuation_token;
                if token.is_none() {
                    break;
                }
            }
            (whole, sizes)
        });
        prop_assert_eq!(&whole, &expected(&keys, &start, delimiter, after.as_deref()));
        // Every page but the last is full, and none is empty that another came before.
        let (last, full) = sizes.split_last().unwrap();
        prop_assert!(full.iter().all(|one| *one == size), "{:?}", sizes);
        prop_assert!(*last > 0 || full.is_empty(), "{:?}", sizes);
    }
}
