//! AssociateVpcCidrBlock and DisassociateVpcCidrBlock, and what a VPC's further blocks change.

use serde_json::{Value, json};
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::quota::Quotas;
use tombolo_testkit::ec2::filter;

use crate::document::{list, text};
use crate::server::{BACKEND, STUDIO, Server};

fn block(association: &str, cidr: &str, state: &str) -> Value {
    json!({
        "AssociationId": association,
        "CidrBlock": cidr,
        "CidrBlockState": {"State": state},
    })
}

#[tokio::test]
async fn a_block_comes_and_goes_with_its_local_routes() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.route_table(&vpc).await;
    let input = json!({"VpcId": vpc, "CidrBlock": "10.1.0.9/16"});
    let added = backend.call("AssociateVpcCidrBlock", input).await;
    let association = text(&added["CidrBlockAssociation"]["AssociationId"]);
    let second = block(&association, "10.1.0.0/16", "associated");
    let expected = json!({"VpcId": vpc, "CidrBlockAssociation": second});
    assert_eq!(added, expected);

    let primary = format!("vpc-cidr-assoc-{}", vpc.trim_start_matches("vpc-"));
    let shown = backend.shown_vpc(&vpc).await;
    assert_eq!(shown["CidrBlock"], "10.0.0.0/16");
    assert_eq!(
        shown["CidrBlockAssociationSet"],
        json!([block(&primary, "10.0.0.0/16", "associated"), second])
    );
    let both = ["10.0.0.0/16", "10.1.0.0/16"];
    assert_eq!(backend.local_routes(&vpc).await, [both, both]);
    for (name, value, count) in [
        ("cidr-block-association.cidr-block", "10.1.0.0/16", 1),
        ("cidr-block-association.association-id", &association, 1),
        ("cidr-block-association.association-id", &primary, 1),
        ("cidr", "10.1.0.0/16", 0),
    ] {
        let found = backend.filtered("DescribeVpcs", "Vpcs", filter(name, value));
        assert_eq!(found.await.len(), count, "{name}={value}");
    }

    let input = json!({"AssociationId": association});
    let removed = backend.call("DisassociateVpcCidrBlock", input).await;
    let gone = block(&association, "10.1.0.0/16", "disassociated");
    let expected = json!({"VpcId": vpc, "CidrBlockAssociation": gone});
    assert_eq!(removed, expected);
    assert_eq!(
        backend.local_routes(&vpc).await,
        [["10.0.0.0/16"], ["10.0.0.0/16"]]
    );
    let shown = backend.shown_vpc(&vpc).await;
    assert_eq!(list(&shown["CidrBlockAssociationSet"]).len(), 1);
}

#[tokio::test]
async fn subnets_lie_in_any_block_and_keep_it() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/17").await;
    let association = backend.add_block(&vpc, "10.0.128.0/17").await;
    let subnet = backend.subnet(&vpc, "10.0.200.0/24").await;
    backend.interface(&subnet).await;

    // Within both together is within neither.
    let message = format!(
        "The CIDR '10.0.0.0/16' is invalid: VPC {vpc} has 10.0.0.0/17, 10.0.128.0/17, and a \
         subnet's block is within one block of its VPC."
    );
    let input = json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/16"});
    let code = "InvalidSubnet.Range";
    backend.refused("CreateSubnet", input, code, &message).await;

    let message = format!(
        "The vpc CIDR block 10.0.128.0/17 with association ID {association} has dependencies and \
         cannot be disassociated; delete {subnet} first."
    );
    let input = json!({"AssociationId": association});
    let code = "DependencyViolation";
    backend
        .refused("DisassociateVpcCidrBlock", input, code, &message)
        .await;
}

#[tokio::test]
async fn blocks_are_refused() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    backend.add_block(&vpc, "10.1.0.0/24").await;
    let primary = format!("vpc-cidr-assoc-{}", vpc.trim_start_matches("vpc-"));
    let (add, remove) = ("AssociateVpcCidrBlock", "DisassociateVpcCidrBlock");
    let cidr = |cidr: &str| json!({"VpcId": vpc, "CidrBlock": cidr});
    let has = |cidr: &str, own: &str| {
        format!("The CIDR '{cidr}' is invalid: VPC {vpc} has {own} already.")
    };
    let size = |cidr: &str| {
        format!("The CIDR '{cidr}' is invalid: {cidr} is not between a /16 and a /28.")
    };
    let range = "InvalidVpc.Range";
    for (operation, input, code, message) in [
        (
            add,
            cidr("10.0.0.0/16"),
            range,
            has("10.0.0.0/16", "10.0.0.0/16"),
        ),
        (
            add,
            cidr("10.0.5.0/24"),
            range,
            has("10.0.5.0/24", "10.0.0.0/16"),
        ),
        (
            add,
            cidr("10.1.0.0/16"),
            range,
            has("10.1.0.0/16", "10.1.0.0/24"),
        ),
        (add, cidr("10.2.0.0/15"), range, size("10.2.0.0/15")),
        (add, cidr("10.2.0.0/29"), range, size("10.2.0.0/29")),
        (
            add,
            cidr("224.0.0.0/16"),
            range,
            "The CIDR '224.0.0.0/16' is invalid: 224.0.0.0/16 is not usable: it touches \
             224.0.0.0/3, which is reserved."
                .into(),
        ),
        (
            add,
            cidr("10.2.0.0"),
            "InvalidParameterValue",
            "Value (10.2.0.0) for parameter cidrBlock is invalid. This is not a valid CIDR block."
                .into(),
        ),
        (
            add,
            json!({"VpcId": vpc}),
            "MissingParameter",
            "The request must contain the parameter cidrBlock".into(),
        ),
        (
            add,
            json!({"VpcId": vpc, "AmazonProvidedIpv6CidrBlock": true}),
            "UnsupportedOperation",
            "Tombolo does not have the parameter AmazonProvidedIpv6CidrBlock; leave it out.".into(),
        ),
        (
            add,
            json!({"VpcId": vpc, "Ipv4IpamPoolId": "ipam-pool-1"}),
            "UnsupportedOperation",
            "Tombolo does not have the parameter Ipv4IpamPoolId; leave it out.".into(),
        ),
        (
            add,
            json!({"VpcId": "vpc-00000000000000000", "CidrBlock": "10.2.0.0/16"}),
            "InvalidVpcID.NotFound",
            "The vpc ID 'vpc-00000000000000000' does not exist".into(),
        ),
        (
            remove,
            json!({"AssociationId": primary}),
            "OperationNotPermitted",
            format!(
                "The vpc CIDR block with association ID {primary} may not be disassociated. It is \
                 the primary IPv4 CIDR block of the VPC {vpc}."
            ),
        ),
        (
            remove,
            json!({"AssociationId": "vpc-cidr-assoc-00000000000000000"}),
            "InvalidVpcCidrBlockAssociationID.NotFound",
            "The vpc CIDR block association ID 'vpc-cidr-assoc-00000000000000000' does not exist"
                .into(),
        ),
        (
            remove,
            json!({"AssociationId": "rtbassoc-1"}),
            "InvalidVpcCidrBlockAssociationID.Malformed",
            "Invalid id: \"rtbassoc-1\" (expecting \"vpc-cidr-assoc-...\")".into(),
        ),
    ] {
        backend.refused(operation, input, code, &message).await;
    }
}

#[tokio::test]
async fn a_vpc_has_no_more_blocks_than_the_quota() {
    let server = Server::with_quotas(Quotas {
        cidr_blocks_per_vpc: 2,
        ..Quotas::default()
    });
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let association = backend.add_block(&vpc, "10.1.0.0/16").await;
    let message = format!(
        "This network '{vpc}' has met its maximum number of allowed CIDRs: 2. Disassociate one, or \
         raise the quota cidr_blocks_per_vpc of the server."
    );
    let input = json!({"VpcId": vpc, "CidrBlock": "10.2.0.0/16"});
    let code = "CidrLimitExceeded";
    backend
        .refused("AssociateVpcCidrBlock", input, code, &message)
        .await;
    let input = json!({"AssociationId": association});
    backend.call("DisassociateVpcCidrBlock", input).await;
    backend.add_block(&vpc, "10.2.0.0/16").await;
}

/// The Amazon VPC User Guide's example: besides a route to 10.0.0.0/24, a VPC can be given
/// 10.0.0.0/25 and nothing larger there.
#[tokio::test]
async fn a_block_is_smaller_than_the_destinations_it_touches() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let vpc = backend.vpc("10.2.0.0/16").await;
    let peer = studio.vpc("10.9.0.0/16").await;
    let connection = server.peer((BACKEND, &vpc), (STUDIO, &peer)).await;
    let table = backend.route_table(&vpc).await;
    let input = json!({
        "RouteTableId": table,
        "DestinationCidrBlock": "10.0.0.0/24",
        "VpcPeeringConnectionId": connection.id,
    });
    backend.call("CreateRoute", input).await;
    for taken in ["10.0.0.0/24", "10.0.0.0/16"] {
        let message = format!(
            "The CIDR '{taken}' is invalid: route table {table} has a route to 10.0.0.0/24, and a \
             block of the VPC is smaller than the destinations of its routes; delete the route \
             first."
        );
        let input = json!({"VpcId": vpc, "CidrBlock": taken});
        let code = "InvalidVpc.Range";
        backend
            .refused("AssociateVpcCidrBlock", input, code, &message)
            .await;
    }
    backend.add_block(&vpc, "10.0.0.0/25").await;
}

#[tokio::test]
async fn a_live_connection_follows_the_blocks_and_forbids_the_peers() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let here = backend.vpc("10.0.0.0/16").await;
    let there = studio.vpc("10.1.0.0/16").await;
    let connection = server.peer((BACKEND, &here), (STUDIO, &there)).await;
    let theirs = studio.add_block(&there, "10.3.0.0/16").await;

    for (block, taken) in [
        ("10.1.7.0/24", "10.1.0.0/16"),
        ("10.3.0.0/16", "10.3.0.0/16"),
    ] {
        let message = format!(
            "The CIDR '{block}' is invalid: VPC peering connection {} joins the VPC to {taken}.",
            connection.id
        );
        let input = json!({"VpcId": here, "CidrBlock": block});
        let code = "InvalidVpc.Range";
        backend
            .refused("AssociateVpcCidrBlock", input, code, &message)
            .await;
    }
    backend.add_block(&here, "10.2.0.0/16").await;
    let blocks = async || {
        let record = server.only_connection().await;
        [record.requester, record.accepter].map(|end| {
            let blocks = end.cidrs().map(|block| block.to_string());
            blocks.collect::<Vec<_>>()
        })
    };
    assert_eq!(
        blocks().await,
        [
            ["10.0.0.0/16", "10.2.0.0/16"],
            ["10.1.0.0/16", "10.3.0.0/16"]
        ]
    );
    let input = json!({"AssociationId": theirs});
    studio.call("DisassociateVpcCidrBlock", input).await;
    assert_eq!(
        blocks().await,
        [vec!["10.0.0.0/16", "10.2.0.0/16"], vec!["10.1.0.0/16"]]
    );

    // What is over keeps the blocks that it had, and stands in nobody's way.
    server.unpeer(server.only_connection().await).await;
    backend.add_block(&here, "10.1.7.0/24").await;
    let [mine, _] = blocks().await;
    assert_eq!(mine, ["10.0.0.0/16", "10.2.0.0/16"]);
}

/// Amazon VPC User Guide: until its request is accepted, a requester's VPC takes no block; the
/// accepter's does.
#[tokio::test]
async fn a_vpc_that_waits_for_an_answer_takes_no_block() {
    let server = Server::new();
    let (backend, studio) = (server.ec2(BACKEND), server.ec2(STUDIO));
    let here = backend.vpc("10.0.0.0/16").await;
    let there = studio.vpc("10.1.0.0/16").await;
    let input = json!({"VpcId": here, "PeerVpcId": there, "PeerOwnerId": STUDIO});
    let asked = backend.call("CreateVpcPeeringConnection", input).await;
    let id = text(&asked["VpcPeeringConnection"]["VpcPeeringConnectionId"]);
    let message = format!(
        "VPC {here} asked for VPC peering connection {id}, which is initiating-request, and cannot \
         be given a CIDR block until it is accepted or deleted."
    );
    let input = json!({"VpcId": here, "CidrBlock": "10.2.0.0/16"});
    let code = "OperationNotPermitted";
    backend
        .refused("AssociateVpcCidrBlock", input, code, &message)
        .await;
    studio.add_block(&there, "10.2.0.0/16").await;
}

/// A fleet's block is chosen around all blocks of the account's VPCs.
#[tokio::test]
async fn a_fleets_block_avoids_further_blocks_too() {
    let server = Server::with_plan(AddressPlan {
        pool: "10.8.0.0/23".parse().unwrap(),
        fleet_prefix: 24,
    });
    let studio = server.ec2(STUDIO);
    let vpc = studio.vpc("10.0.0.0/16").await;
    studio.add_block(&vpc, "10.8.0.0/24").await;
    let fleet = studio.fleet().await;
    let hidden = studio.hidden_vpc(&fleet).await;
    assert_eq!(hidden.cidr.to_string(), "10.8.1.0/24");
}
