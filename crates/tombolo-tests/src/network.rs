//! Routes, security groups and EC2's own peering, in the words of the API.

use crate::aws::Client;
use crate::wait;

/// Lets everything into the VPC's default security group, so that nothing but the network itself
/// keeps packets out.
#[track_caller]
pub fn allow_all(owner: &Client, vpc: &str) {
    let group = default_group(owner, vpc);
    let rule = [
        ("GroupId", &*group),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    let made = owner.ec2("AuthorizeSecurityGroupIngress", &rule);
    made.expect("AuthorizeSecurityGroupIngress");
}

/// The VPC's default security group.
#[track_caller]
pub fn default_group(owner: &Client, vpc: &str) -> String {
    let filters = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", vpc),
        ("Filter.2.Name", "group-name"),
        ("Filter.2.Value.1", "default"),
    ];
    let found = owner.ec2("DescribeSecurityGroups", &filters);
    found.expect("DescribeSecurityGroups").text("groupId")
}

/// Adds a route to the VPC's main table.
#[track_caller]
pub fn route(owner: &Client, vpc: &str, destination: &str, connection: &str) {
    let filters = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", vpc),
        ("Filter.2.Name", "association.main"),
        ("Filter.2.Value.1", "true"),
    ];
    let found = owner.ec2("DescribeRouteTables", &filters);
    let table = found.expect("DescribeRouteTables").text("routeTableId");
    let route = [
        ("RouteTableId", &*table),
        ("DestinationCidrBlock", destination),
        ("VpcPeeringConnectionId", connection),
    ];
    owner.ec2("CreateRoute", &route).expect("CreateRoute");
}

/// One end of a peering connection: the VPC, its block and who owns it.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The owner.
    pub owner: &'a Client,
    /// The VPC.
    pub vpc: &'a str,
    /// Its block.
    pub cidr: &'a str,
}

/// Peers two VPCs, each with a route to the other's block, and waits until the connection is
/// active. Gives its id.
#[track_caller]
pub fn peer(requester: End<'_>, accepter: End<'_>) -> String {
    let request = [
        ("VpcId", requester.vpc),
        ("PeerVpcId", accepter.vpc),
        ("PeerOwnerId", &*accepter.owner.account),
    ];
    let made = requester.owner.ec2("CreateVpcPeeringConnection", &request);
    let made = made.expect("CreateVpcPeeringConnection");
    let connection = made.text("vpcPeeringConnectionId");
    peering_is(accepter.owner, &connection, "pending-acceptance");
    let accept = [("VpcPeeringConnectionId", &*connection)];
    let accepted = accepter.owner.ec2("AcceptVpcPeeringConnection", &accept);
    accepted.expect("AcceptVpcPeeringConnection");
    peering_is(requester.owner, &connection, "active");
    for (near, far) in [(requester, accepter), (accepter, requester)] {
        route(near.owner, near.vpc, far.cidr, &connection);
    }
    connection
}

/// Deletes a peering connection, and waits until it is deleted. Its owners' routes stay.
#[track_caller]
pub fn part(owner: &Client, connection: &str) {
    let delete = [("VpcPeeringConnectionId", connection)];
    let deleted = owner.ec2("DeleteVpcPeeringConnection", &delete);
    deleted.expect("DeleteVpcPeeringConnection");
    peering_is(owner, connection, "deleted");
}

/// Waits until a peering connection has this status.
#[track_caller]
pub fn peering_is(viewer: &Client, connection: &str, code: &str) {
    let asked = [("VpcPeeringConnectionId.1", connection)];
    wait::until(&format!("{connection} to be {code}"), || {
        // Whom it is asked of may see it a moment later than who made it.
        let found = viewer.ec2("DescribeVpcPeeringConnections", &asked).ok()?;
        (found.text("code") == code).then_some(())
    });
}
