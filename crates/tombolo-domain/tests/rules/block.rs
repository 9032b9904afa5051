//! Which texts are blocks of a VPC.

use tombolo_domain::cidr::{CidrError, parse};

#[test]
fn host_bits_are_cleared() {
    assert_eq!(parse("10.0.3.7/16").unwrap().to_string(), "10.0.0.0/16");
    assert_eq!(
        parse("100.68.0.18/18").unwrap().to_string(),
        "100.68.0.0/18"
    );
}

#[test]
fn what_is_no_block_is_malformed() {
    for text in [
        "",
        "/",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+16",
        "10.0.0.0/016",
        "10.0.0/16",
        "10.0.0.0.0/16",
        "256.0.0.0/16",
        "010.0.0.0/16",
        " 10.0.0.0/16",
        "10.0.0.0/16 ",
        "10.0.0.0/16/16",
        "fd00::/64",
        "ten/16",
    ] {
        assert!(
            matches!(parse(text), Err(CidrError::Malformed(_))),
            "{text:?}: {:?}",
            parse(text)
        );
    }
}

#[test]
fn a_block_has_16_to_28_bits_of_prefix_and_no_reserved_address() {
    for text in ["0.0.0.0/0", "10.0.0.0/15", "10.0.0.0/29", "10.0.0.0/32"] {
        assert!(matches!(parse(text), Err(CidrError::Size(_))), "{text}");
    }
    for text in [
        "0.1.0.0/16",
        "127.0.0.0/16",
        "169.254.0.0/16",
        "169.254.9.0/24",
        "224.0.0.0/16",
        "255.255.0.0/16",
    ] {
        assert!(
            matches!(parse(text), Err(CidrError::Reserved(..))),
            "{text}"
        );
    }
    for text in [
        "10.0.0.0/16",
        "10.0.0.0/28",
        "169.253.0.0/16",
        "223.255.0.0/16",
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}
