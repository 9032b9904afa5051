//! Rules of security groups that are refused: one bad one, and none is added.

use serde_json::{Value, json};

use super::groups::{from_group, tcp, with_group};
use crate::document::with;
use crate::server::BACKEND;

const INGRESS: &str = "AuthorizeSecurityGroupIngress";
const EGRESS: &str = "AuthorizeSecurityGroupEgress";

/// What one permission of an otherwise right request may not be, with the error.
fn bad_permissions() -> Vec<(Value, &'static str, String)> {
    let range = json!([{"CidrIp": "10.0.0.0/8"}]);
    let of = |protocol: &str, from: Value, to: Value| json!({"IpProtocol": protocol, "FromPort": from, "ToPort": to, "IpRanges": range});
    let ports = |from: i64, to: i64| of("tcp", json!(from), json!(to));
    let cidr = |cidr: &str| tcp(80, cidr);
    let pair = |pair: Value| from_group(pair);
    let invalid = "InvalidParameterValue";
    let unknown = |protocol: &str| {
        format!(
            "Invalid value '{protocol}' for IP protocol. Unknown protocol. Use tcp, udp, icmp, a \
             number from 0 to 255, or -1 for every protocol."
        )
    };
    let malformed = |cidr: &str| {
        format!(
            "CIDR block {cidr} is malformed. Write it as 10.0.0.0/16, or 10.0.0.7/32 for one \
             address."
        )
    };
    let both = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
    vec![
        (
            json!({"IpRanges": range}),
            "MissingParameter",
            "The request must contain the parameter ipProtocol".into(),
        ),
        (of("gre", json!(1), json!(1)), invalid, unknown("gre")),
        (of("256", json!(1), json!(1)), invalid, unknown("256")),
        (of("-2", json!(1), json!(1)), invalid, unknown("-2")),
        (of("all", json!(1), json!(1)), invalid, unknown("all")),
        (of("", json!(1), json!(1)), invalid, unknown("")),
        (of("tcp", json!(80), Value::Null), invalid, both.into()),
        (of("udp", Value::Null, Value::Null), invalid, both.into()),
        (
            ports(-1, 80),
            invalid,
            "TCP/UDP (from) port (-1) out of range. A port is from 0 to 65535.".into(),
        ),
        (
            ports(80, 65536),
            invalid,
            "TCP/UDP (to) port (65536) out of range. A port is from 0 to 65535.".into(),
        ),
        (
            ports(90, 80),
            invalid,
            "Invalid TCP/UDP port range (90:80). FromPort must not be above ToPort.".into(),
        ),
        (
            of("icmp", json!(8), Value::Null),
            invalid,
            "Invalid value 'Must specify both type and code with ICMP.' for portRange.".into(),
        ),
        (
            of("icmp", json!(256), json!(-1)),
            invalid,
            "ICMP type (256) out of range. It is from 0 to 255, or -1 for every one.".into(),
        ),
        (
            of("icmp", json!(3), json!(-2)),
            invalid,
            "ICMP code (-2) out of range. It is from 0 to 255, or -1 for every one.".into(),
        ),
        (
            of("icmp", json!(-1), json!(4)),
            invalid,
            "ICMP code (4) needs a type. With every type (-1), the code must be -1.".into(),
        ),
        (
            of("icmpv6", json!(128), json!(0)),
            "UnsupportedOperation",
            "ICMPv6 types and codes are not supported: Tombolo's networks carry no IPv6. Leave \
             FromPort and ToPort out."
                .into(),
        ),
        (cidr("10.0.0.0/33"), invalid, malformed("10.0.0.0/33")),
        (cidr("10.0.0.1"), invalid, malformed("10.0.0.1")),
        (cidr(""), invalid, malformed("")),
        (cidr("::/0"), invalid, malformed("::/0")),
        (
            json!({"IpProtocol": "-1", "IpRanges": [{}]}),
            "MissingParameter",
            "The request must contain the parameter cidrIp".into(),
        ),
        (
            json!({"IpProtocol": "-1", "Ipv6Ranges": [{}]}),
            "MissingParameter",
            "The request must contain the parameter cidrIpv6".into(),
        ),
        (
            json!({"IpProtocol": "-1", "PrefixListIds": [{}]}),
            "MissingParameter",
            "The request must contain the parameter prefixListId".into(),
        ),
        (
            json!({"IpProtocol": "-1"}),
            "InvalidPermission.Malformed",
            "A permission names neither addresses nor a security group. Give it IpRanges or \
             UserIdGroupPairs."
                .into(),
        ),
        (
            json!({"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}),
            "UnsupportedOperation",
            "IPv6 ranges are not supported: Tombolo's networks carry no IPv6. Leave them out."
                .into(),
        ),
        (
            json!({"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}),
            "UnsupportedOperation",
            "Prefix lists are not supported: Tombolo has none. Use IPv4 ranges.".into(),
        ),
        (
            pair(json!({"GroupName": "web"})),
            "UnsupportedOperation",
            "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
             GroupId in UserIdGroupPairs."
                .into(),
        ),
        (
            pair(json!({"UserId": BACKEND})),
            "MissingParameter",
            "Source group ID missing. Give each of UserIdGroupPairs a GroupId.".into(),
        ),
        (
            pair(json!({"GroupId": "web"})),
            "InvalidGroupId.Malformed",
            "Invalid id: \"web\" (expecting \"sg-...\")".into(),
        ),
        (
            pair(json!({"GroupId": "sg-00000000000000000"})),
            "InvalidGroup.NotFound",
            "The security group 'sg-00000000000000000' does not exist".into(),
        ),
        (
            pair(json!({"GroupId": "sg-00000000000000000", "UserId": "me"})),
            invalid,
            "Value (me) for parameter userId is invalid. \"me\" is not an account id (12 digits)."
                .into(),
        ),
        (
            pair(json!({"GroupId": "111122223333/sg-00000000000000000", "UserId": BACKEND})),
            invalid,
            format!(
                "Value ({BACKEND}) for parameter userId is invalid. The security group is written \
                 with another account."
            ),
        ),
        (
            json!({
                "IpProtocol": "-1",
                "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "<b>"}],
            }),
            invalid,
            "Value (<b>) for parameter description is invalid. Invalid rule description. Valid \
             descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. \
             _-:/()#,@[]+=&;{}!$*."
                .into(),
        ),
    ]
}

#[tokio::test]
async fn one_bad_permission_and_nothing_is_added() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    for (bad, code, message) in bad_permissions() {
        let permissions = json!([tcp(443, "192.0.2.0/24"), bad]);
        let input = json!({"GroupId": group, "IpPermissions": permissions});
        for operation in [INGRESS, EGRESS] {
            backend
                .refused(operation, input.clone(), code, &message)
                .await;
        }
    }
}

#[tokio::test]
async fn authorize_refuses() {
    let (server, group) = with_group().await;
    let backend = server.ec2(BACKEND);
    backend
        .let_in(
            &group,
            json!([tcp(80, "10.0.0.0/8"), from_group(json!({"GroupId": group}))]),
        )
        .await;
    let give = |permissions: Value| json!({"GroupId": group, "IpPermissions": permissions});
    let flat = json!({"GroupId": group, "IpProtocol": "-1", "CidrIp": "10.0.0.0/8"});
    let ping = json!({
        "IpProtocol": "icmp",
        "FromPort": 8,
        "ToPort": -1,
        "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
    });
    backend.let_in(&group, json!([ping])).await;
    let none = "The request must contain the parameter ipPermissions";
    let no_default = "SourceSecurityGroupName names a security group of a default VPC, and Tombolo \
                      makes none. Use IpPermissions with UserIdGroupPairs.";
    for (input, code, message) in [
        (give(json!([])), "MissingParameter", none.to_owned()),
        (
            json!({"IpPermissions": [tcp(1, "10.0.0.0/8")]}),
            "MissingParameter",
            "The request must contain the parameter groupId".to_owned(),
        ),
        (
            json!({"GroupName": "web", "IpPermissions": [tcp(1, "10.0.0.0/8")]}),
            "UnsupportedOperation",
            "GroupName names a security group of a default VPC, and Tombolo makes none. Use \
             GroupId."
                .to_owned(),
        ),
        (
            with(give(json!([tcp(1, "10.0.0.0/8")])), "CidrIp", "10.0.0.0/8"),
            "InvalidParameterCombination",
            "The parameter 'ipPermissions' may not be used in combination with 'cidrIp'".to_owned(),
        ),
        (
            json!({"GroupId": group, "SourceSecurityGroupName": "web"}),
            "UnsupportedOperation",
            no_default.to_owned(),
        ),
        (
            json!({"GroupId": group, "SourceSecurityGroupOwnerId": BACKEND, "IpProtocol": "tcp"}),
            "UnsupportedOperation",
            no_default.to_owned(),
        ),
        (
            json!({"GroupId": group, "IpProtocol": "-1"}),
            "MissingParameter",
            "The request must contain the parameter cidrIp".to_owned(),
        ),
        (
            give(json!([tcp(1, "10.0.0.0/8"), tcp(1, "10.1.0.0/8")])),
            "InvalidParameterValue",
            "The same permission must not appear multiple times".to_owned(),
        ),
        (
            give(json!([tcp(1, "10.0.0.0/8"), tcp(80, "10.2.0.0/8")])),
            "InvalidPermission.Duplicate",
            "the specified rule \"peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW\" \
             already exists"
                .to_owned(),
        ),
        (
            give(json!([from_group(
                json!({"GroupId": group, "UserId": BACKEND})
            )])),
            "InvalidPermission.Duplicate",
            format!("the specified rule \"peer: {group}, ALL, ALLOW\" already exists"),
        ),
        (
            give(json!([ping])),
            "InvalidPermission.Duplicate",
            "the specified rule \"peer: 10.0.0.0/8, ICMP, type: 8, code: ALL, ALLOW\" already \
             exists"
                .to_owned(),
        ),
        (
            with(flat.clone(), "DryRun", true),
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.".to_owned(),
        ),
    ] {
        backend.refused(INGRESS, input, code, &message).await;
    }
    let message = "The parameter cidrIp is not supported for outbound rules. Use IpPermissions.";
    backend
        .refused(EGRESS, flat, "UnsupportedOperation", message)
        .await;
    // Rules that overlap are two rules, and the same rule may be there for each direction.
    backend
        .let_in(&group, json!([tcp(80, "10.0.0.0/9"), tcp(80, "0.0.0.0/0")]))
        .await;
    backend
        .call(EGRESS, give(json!([tcp(80, "10.0.0.0/8")])))
        .await;
}
