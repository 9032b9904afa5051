//! What is told to others all the same, each with the decision in `docs/decisions.md` that says so.

use std::fs;
use std::path::Path;

use crate::wire::Who;
use crate::world::{A_PEER, OWNER, THE_OWNER_AWAY};

/// What a caller may tell from what nobody has.
#[derive(Debug)]
pub(crate) struct Exception {
    who: Who,
    /// By their IAM actions.
    operations: &'static [&'static str],
    member: &'static str,
    what: &'static [&'static str],
    decision: u32,
}

/// One of the cases of an exception that was met: an operation, and what it was called with.
pub(crate) type Met = (&'static str, &'static str, &'static str);

pub(crate) const WITH_THE_FLEET: &str = "the connection of its VPC with the fleet";
pub(crate) const WITH_THE_VPC: &str = "the connection of its VPC with the VPC";
pub(crate) const REQUEST_TO_IT: &str = "a request to it";
pub(crate) const REQUEST_OF_IT: &str = "a request of it";

const CONNECTED: &[&str] = &[WITH_THE_FLEET, WITH_THE_VPC];
const ITS_CONNECTIONS: &[&str] = &[WITH_THE_FLEET, WITH_THE_VPC, REQUEST_TO_IT, REQUEST_OF_IT];
const PEERED_GROUPS: &[&str] = &["a security group", "an unused security group"];

const fn told(
    who: Who,
    operations: &'static [&'static str],
    member: &'static str,
    what: &'static [&'static str],
    decision: u32,
) -> Exception {
    Exception {
        who,
        operations,
        member,
        what,
        decision,
    }
}

const EXCEPTIONS: &[Exception] = &[
    // A VPC is found from another Region of its owner's, to say where it is.
    told(
        THE_OWNER_AWAY,
        &[
            "gamelift:CreateFleet",
            "gamelift:CreateVpcPeeringConnection",
        ],
        "PeerVpcId",
        &["a VPC", "a second VPC", "an empty VPC"],
        7,
    ),
    // The account of a fleet knows with which VPC it is connected.
    told(
        OWNER,
        &["ec2:CreateVpcPeeringConnection"],
        "PeerVpcId",
        &["a fleet's VPC"],
        77,
    ),
    told(
        OWNER,
        &["ec2:DescribeVpcPeeringConnections"],
        "Filters.requester-vpc-info.vpc-id",
        &["a fleet's VPC"],
        16,
    ),
    // An authorization is its issuer's, and says whom it names.
    told(
        A_PEER,
        &[
            "gamelift:CreateVpcPeeringAuthorization",
            "gamelift:DeleteVpcPeeringAuthorization",
        ],
        "GameLiftAwsAccountId",
        &["the owner"],
        1,
    ),
    // A connection is both owners'.
    told(
        A_PEER,
        &["ec2:CreateVpcPeeringConnection"],
        "PeerVpcId",
        &["a VPC", "a fleet's VPC"],
        77,
    ),
    told(
        A_PEER,
        &["ec2:DescribeVpcPeeringConnections"],
        "VpcPeeringConnectionIds",
        ITS_CONNECTIONS,
        16,
    ),
    told(
        A_PEER,
        &["ec2:DescribeVpcPeeringConnections"],
        "Filters.vpc-peering-connection-id",
        ITS_CONNECTIONS,
        16,
    ),
    told(
        A_PEER,
        &["ec2:DescribeVpcPeeringConnections"],
        "Filters.requester-vpc-info.vpc-id",
        &["a VPC", "a second VPC", "a fleet's VPC"],
        16,
    ),
    told(
        A_PEER,
        &["ec2:DescribeVpcPeeringConnections"],
        "Filters.accepter-vpc-info.vpc-id",
        &["a second VPC"],
        16,
    ),
    told(
        A_PEER,
        &["ec2:DescribeVpcPeeringConnections"],
        "Filters.requester-vpc-info.owner-id",
        &["the owner"],
        16,
    ),
    told(
        A_PEER,
        &["ec2:DescribeVpcPeeringConnections"],
        "Filters.accepter-vpc-info.owner-id",
        &["the owner"],
        16,
    ),
    told(
        A_PEER,
        &["ec2:CreateTags", "ec2:DeleteTags"],
        "Resources",
        ITS_CONNECTIONS,
        16,
    ),
    told(
        A_PEER,
        &[
            "ec2:AcceptVpcPeeringConnection",
            "ec2:RejectVpcPeeringConnection",
        ],
        "VpcPeeringConnectionId",
        ITS_CONNECTIONS,
        78,
    ),
    told(
        A_PEER,
        &["ec2:DeleteVpcPeeringConnection"],
        "VpcPeeringConnectionId",
        ITS_CONNECTIONS,
        80,
    ),
    told(
        A_PEER,
        &["ec2:ModifyVpcPeeringConnectionOptions"],
        "VpcPeeringConnectionId",
        ITS_CONNECTIONS,
        82,
    ),
    // Its routes lead to the connections.
    told(
        A_PEER,
        &["ec2:CreateRoute", "ec2:ReplaceRoute"],
        "VpcPeeringConnectionId",
        CONNECTED,
        64,
    ),
    told(
        A_PEER,
        &["ec2:DescribeRouteTables"],
        "Filters.route.vpc-peering-connection-id",
        &[WITH_THE_VPC],
        64,
    ),
    // Its rules name the groups of the peered VPC.
    told(
        A_PEER,
        &[
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:AuthorizeSecurityGroupEgress",
        ],
        "IpPermissions.UserIdGroupPairs.GroupId",
        PEERED_GROUPS,
        72,
    ),
    told(
        A_PEER,
        &["ec2:ModifySecurityGroupRules"],
        "SecurityGroupRules.SecurityGroupRule.ReferencedGroupId",
        PEERED_GROUPS,
        72,
    ),
    told(
        A_PEER,
        &["ec2:DescribeSecurityGroups"],
        "Filters.ip-permission.group-id",
        &["a security group"],
        72,
    ),
    told(
        A_PEER,
        &["ec2:DescribeSecurityGroups"],
        "Filters.ip-permission.user-id",
        &["the owner"],
        72,
    ),
];

/// The calls on its own in which the peer is shown ids of the owner's.
const SHOWN: &[(&str, u32)] = &[
    ("gamelift:DescribeVpcPeeringAuthorizations", 3),
    ("ec2:DescribeVpcPeeringConnections", 16),
    ("ec2:DescribeSecurityGroups", 72),
    ("ec2:DescribeSecurityGroupRules", 72),
    ("ec2:DescribeSecurityGroupReferences", 72),
];

/// The case of an exception that a call is.
pub(crate) fn exception(who: &Who, operation: &str, member: &str, what: &str) -> Option<Met> {
    let mut cases = cases(who);
    cases.find(|(of, at, named)| *of == operation && *at == member && *named == what)
}

/// All cases of a caller's exceptions.
pub(crate) fn cases(who: &Who) -> impl Iterator<Item = Met> {
    let exceptions = EXCEPTIONS.iter().filter(move |one| one.who == *who);
    exceptions.flat_map(|one| {
        let of =
            |operation: &'static &str| one.what.iter().map(|what| (*operation, one.member, *what));
        one.operations.iter().flat_map(of)
    })
}

/// The operations whose answers show the peer something of the owner's.
pub(crate) fn shown() -> impl Iterator<Item = &'static str> {
    SHOWN.iter().map(|(operation, _)| *operation)
}

/// The decisions that exceptions name and the document does not have.
pub(crate) fn without_decision() -> Vec<u32> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/decisions.md");
    let document = fs::read_to_string(document).unwrap();
    let told = EXCEPTIONS.iter().map(|one| one.decision);
    let all = told.chain(SHOWN.iter().map(|(_, decision)| *decision));
    all.filter(|number| !document.contains(&format!("\n{number}. ")))
        .collect()
}
