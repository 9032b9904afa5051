//! CreateRouteTable, DeleteRouteTable, AssociateRouteTable, DisassociateRouteTable and
//! ReplaceRouteTableAssociation, and what DescribeRouteTables shows of them.

use serde_json::{Value, json};
use tombolo_domain::quota::Quotas;

use crate::document::{list, text, with};
use crate::server::{BACKEND, Server};

#[tokio::test]
async fn a_new_table_is_shown_in_full() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let input = json!({"VpcId": vpc, "CidrBlock": "10.9.0.0/24"});
    backend.call("AssociateVpcCidrBlock", input).await;
    let created = backend
        .call(
            "CreateRouteTable",
            json!({
                "VpcId": vpc,
                "TagSpecifications": [
                    {"ResourceType": "route-table", "Tags": [{"Key": "Name", "Value": "games"}]},
                ],
            }),
        )
        .await;
    let id = text(&created["RouteTable"]["RouteTableId"]);
    let local = |block: &str| {
        json!({
            "DestinationCidrBlock": block,
            "GatewayId": "local",
            "VpcPeeringConnectionId": null,
            "Origin": "CreateRouteTable",
            "State": "active",
        })
    };
    let expected = json!({
        "RouteTableId": id,
        "VpcId": vpc,
        "OwnerId": BACKEND,
        "Associations": [],
        "PropagatingVgws": [],
        "Routes": [local("10.0.0.0/16"), local("10.9.0.0/24")],
        "Tags": [{"Key": "Name", "Value": "games"}],
    });
    assert_eq!(created["RouteTable"], expected);
    assert_eq!(backend.shown_table(&id).await, expected);
}

#[tokio::test]
async fn a_client_token_makes_one_table() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let other = backend.vpc("10.0.0.0/16").await;
    let make = async |vpc: &str, token: &str| {
        let input = json!({"VpcId": vpc, "ClientToken": token});
        let created = backend.call("CreateRouteTable", input).await;
        assert_eq!(created["ClientToken"], token);
        text(&created["RouteTable"]["RouteTableId"])
    };
    let first = make(&vpc, "one").await;
    assert_eq!(make(&vpc, "one").await, first);
    assert_ne!(make(&vpc, "two").await, first);
    assert_ne!(make(&other, "one").await, first);
}

#[tokio::test]
async fn a_subnet_uses_the_table_it_is_associated_with() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let neighbour = backend.subnet(&vpc, "10.0.1.0/24").await;
    let (one, two) = (
        backend.route_table(&vpc).await,
        backend.route_table(&vpc).await,
    );
    assert!(backend.tables_of(&subnet).await.is_empty());

    let association = backend.associate(&one, &subnet).await;
    let beside = backend.associate(&one, &neighbour).await;
    assert_eq!(
        backend.shown_table(&one).await["Associations"],
        json!([
            {
                "Main": false,
                "RouteTableAssociationId": association,
                "RouteTableId": one,
                "SubnetId": subnet,
                "AssociationState": {"State": "associated"},
            },
            {
                "Main": false,
                "RouteTableAssociationId": beside,
                "RouteTableId": one,
                "SubnetId": neighbour,
                "AssociationState": {"State": "associated"},
            },
        ])
    );

    let replaced = backend.replace(&association, &two).await;
    assert_ne!(replaced, association);
    assert_eq!(backend.tables_of(&subnet).await, [two.as_str()]);
    assert_eq!(backend.tables_of(&neighbour).await, [one.as_str()]);

    let same = backend.replace(&replaced, &two).await;
    assert_eq!(backend.tables_of(&subnet).await, [two.as_str()]);

    for gone in [association, replaced] {
        let message = format!("The association ID '{gone}' does not exist");
        let input = json!({"AssociationId": gone});
        let code = "InvalidAssociationID.NotFound";
        backend
            .refused("DisassociateRouteTable", input, code, &message)
            .await;
    }
    let input = json!({"AssociationId": same});
    backend.call("DisassociateRouteTable", input).await;
    assert!(backend.tables_of(&subnet).await.is_empty());
}

#[tokio::test]
async fn another_table_becomes_the_main_one() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let (old, main) = backend.main_table(&vpc).await;
    let new = backend.route_table(&vpc).await;

    let message = format!(
        "cannot disassociate the main route table association {main}; make another table the main \
         one with ReplaceRouteTableAssociation"
    );
    let input = json!({"AssociationId": main});
    let code = "InvalidParameterValue";
    backend
        .refused("DisassociateRouteTable", input, code, &message)
        .await;

    let replaced = backend.replace(&main, &new).await;
    assert_eq!(backend.main_table(&vpc).await, (new.clone(), replaced));
    let associations = backend.shown_table(&old).await["Associations"].clone();
    assert_eq!(associations, json!([]));

    // Nothing is special about the table that came with the VPC.
    let input = json!({"RouteTableId": old});
    backend.call("DeleteRouteTable", input).await;
    backend.call("DeleteVpc", json!({"VpcId": vpc})).await;
    assert!(server.keys("route-table/").await.is_empty());
}

#[tokio::test]
async fn a_table_in_use_is_not_deleted() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let (main, its_association) = backend.main_table(&vpc).await;
    let table = backend.route_table(&vpc).await;
    let association = backend.associate(&table, &subnet).await;
    for (id, what_to_do) in [
        (
            &main,
            format!(
                "it is the main one of VPC {vpc}: make another the main one first, with \
                 ReplaceRouteTableAssociation of {its_association}"
            ),
        ),
        (
            &table,
            format!("disassociate {association} first, by which subnet {subnet} uses it"),
        ),
    ] {
        let message =
            format!("The routeTable '{id}' has dependencies and cannot be deleted; {what_to_do}.");
        let input = json!({"RouteTableId": id});
        let code = "DependencyViolation";
        backend
            .refused("DeleteRouteTable", input, code, &message)
            .await;
    }
    let input = json!({"AssociationId": association});
    backend.call("DisassociateRouteTable", input).await;
    let input = json!({"RouteTableId": table});
    backend.call("DeleteRouteTable", input).await;
    let tables = backend.all("DescribeRouteTables", "RouteTables").await;
    assert_eq!(tables.len(), 1);
}

#[tokio::test]
async fn a_deleted_subnet_takes_its_association_along() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let stays = backend.subnet(&vpc, "10.0.1.0/24").await;
    let table = backend.route_table(&vpc).await;
    backend.associate(&table, &subnet).await;
    backend.associate(&table, &stays).await;
    let input = json!({"SubnetId": subnet});
    backend.call("DeleteSubnet", input).await;
    let associations = list(&backend.shown_table(&table).await["Associations"]);
    assert_eq!(associations.len(), 1);
    assert_eq!(associations[0]["SubnetId"], stays.as_str());
}

#[tokio::test]
async fn associations_are_refused() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let other_vpc = backend.vpc("10.0.0.0/16").await;
    let subnet = backend.subnet(&vpc, "10.0.0.0/24").await;
    let (table, spare) = (
        backend.route_table(&vpc).await,
        backend.route_table(&vpc).await,
    );
    let foreign = backend.route_table(&other_vpc).await;
    let association = backend.associate(&table, &subnet).await;
    let asked = |table: &str| json!({"RouteTableId": table, "SubnetId": subnet});
    let replace =
        |association: &str| json!({"AssociationId": association, "RouteTableId": foreign});
    let already = |asked: &str| {
        format!(
            "the specified association for route table {asked} conflicts with an existing \
             association: subnet {subnet} uses {table} by {association}. Replace or \
             disassociate that."
        )
    };
    let rows: Vec<(&str, Value, &str, String)> = vec![
        (
            "AssociateRouteTable",
            asked(&spare),
            "Resource.AlreadyAssociated",
            already(&spare),
        ),
        (
            "AssociateRouteTable",
            asked(&table),
            "Resource.AlreadyAssociated",
            already(&table),
        ),
        (
            "AssociateRouteTable",
            asked(&foreign),
            "InvalidParameterValue",
            format!(
                "route table {foreign} and subnet {subnet} belong to different networks: \
                 {other_vpc} and {vpc}"
            ),
        ),
        (
            "AssociateRouteTable",
            json!({"RouteTableId": table}),
            "MissingParameter",
            "The request must contain the parameter subnetId".into(),
        ),
        (
            "AssociateRouteTable",
            json!({"RouteTableId": table, "GatewayId": "igw-01234567"}),
            "UnsupportedOperation",
            "Tombolo does not have the parameter GatewayId; leave it out.".into(),
        ),
        (
            "AssociateRouteTable",
            asked("rtb-00000000000000000"),
            "InvalidRouteTableID.NotFound",
            "The routeTable ID 'rtb-00000000000000000' does not exist".into(),
        ),
        (
            "AssociateRouteTable",
            with(asked(&spare), "SubnetId", "subnet-00000000000000000"),
            "InvalidSubnetID.NotFound",
            "The subnet ID 'subnet-00000000000000000' does not exist".into(),
        ),
        (
            "ReplaceRouteTableAssociation",
            replace(&association),
            "InvalidParameterValue",
            format!(
                "route table {table} and route table {foreign} belong to different networks: \
                 {vpc} and {other_vpc}"
            ),
        ),
        (
            "ReplaceRouteTableAssociation",
            replace("rtbassoc-00000000000000000"),
            "InvalidAssociationID.NotFound",
            "The association ID 'rtbassoc-00000000000000000' does not exist".into(),
        ),
        (
            "DisassociateRouteTable",
            json!({"AssociationId": "eipassoc-1"}),
            "InvalidAssociationID.Malformed",
            "Invalid id: \"eipassoc-1\" (expecting \"rtbassoc-...\")".into(),
        ),
    ];
    for (operation, input, code, message) in rows {
        backend.refused(operation, input, code, &message).await;
    }
}

#[tokio::test]
async fn a_vpc_has_no_more_tables_than_the_quota() {
    let server = Server::with_quotas(Quotas {
        route_tables_per_vpc: 2,
        ..Quotas::default()
    });
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let table = backend.route_table(&vpc).await;
    let message = format!(
        "The maximum number of route tables has been reached: VPC {vpc} has 2. Delete one, or \
         raise the quota route_tables_per_vpc of the server."
    );
    let input = json!({"VpcId": vpc});
    let code = "RouteTableLimitExceeded";
    backend
        .refused("CreateRouteTable", input, code, &message)
        .await;
    let other = backend.vpc("10.0.0.0/16").await;
    backend.route_table(&other).await;
    let input = json!({"RouteTableId": table});
    backend.call("DeleteRouteTable", input).await;
    backend.route_table(&vpc).await;
}

#[tokio::test]
async fn a_vpc_with_another_table_stays() {
    let server = Server::new();
    let backend = server.ec2(BACKEND);
    let vpc = backend.vpc("10.0.0.0/16").await;
    let table = backend.route_table(&vpc).await;
    let message =
        format!("The vpc '{vpc}' has dependencies and cannot be deleted; delete {table} first.");
    let input = json!({"VpcId": vpc});
    let code = "DependencyViolation";
    backend
        .refused("DeleteVpc", input.clone(), code, &message)
        .await;
    let table = json!({"RouteTableId": table});
    backend.call("DeleteRouteTable", table).await;
    backend.call("DeleteVpc", input).await;
}
