//! Names of buckets, against S3's rules one by one.

use proptest::prelude::*;
use tombolo_domain::object::BucketName;

/// The rules as the Amazon S3 User Guide lists them.
fn is_name(text: &str) -> bool {
    let letter_or_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_address = {
        let parts: Vec<&str> = text.split('.').collect();
        parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok())
    };
    (3..=63).contains(&text.len())
        && text
            .chars()
            .all(|c| letter_or_digit(c) || c == '.' || c == '-')
        && text.starts_with(letter_or_digit)
        && text.ends_with(letter_or_digit)
        && !text.contains("..")
        && !is_address
}

proptest! {
    #[test]
    fn a_bucket_is_called_by_s3s_rules(text in "[a-c1A_.-]{0,8}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|[a.-]{60,66}") {
        prop_assert_eq!(text.parse::<BucketName>().is_ok(), is_name(&text), "{:?}", text);
    }
}

#[test]
fn the_servers_own_buckets_are_reserved() {
    assert!(BucketName::of_builds().is_reserved());
    assert!(
        "tombolo-anything"
            .parse::<BucketName>()
            .unwrap()
            .is_reserved()
    );
    assert!(!"games".parse::<BucketName>().unwrap().is_reserved());
}
