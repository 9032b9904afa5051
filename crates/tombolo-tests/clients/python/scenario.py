"""The whole scenario by boto3: a fleet of one account reaches a VPC of another.

usage: scenario.py BUILD_ID
"""

import math
import sys

from botocore.exceptions import ClientError
from tombolo import account, client, refused, until

studio, backend = account("studio"), account("backend")
fleets, ec2 = client("studio", "gamelift"), client("backend", "ec2")
consent = client("backend", "gamelift")


def a_vpc_with_a_subnet():
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]
    assert vpc["CidrBlock"] == "10.20.0.0/16" and vpc["OwnerId"] == backend, vpc
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.20.1.0/24")["Subnet"]
    assert subnet["VpcId"] == vpc["VpcId"], subnet
    return vpc["VpcId"], subnet["SubnetId"]


def an_active_fleet(build):
    assert fleets.describe_build(BuildId=build)["Build"]["Status"] == "READY"
    made = fleets.create_fleet(
        Name="arena",
        BuildId=build,
        EC2InstanceType="c5.large",
        FleetType="ON_DEMAND",
        RuntimeConfiguration={
            "ServerProcesses": [{"LaunchPath": "/local/game/server", "ConcurrentExecutions": 1}]
        },
    )["FleetAttributes"]
    assert made["Status"] == "NEW" and made["BuildId"] == build, made
    fleet = made["FleetId"]
    until("the fleet to be ACTIVE", lambda: attributes(fleet)["Status"] == "ACTIVE")
    assert fleet in fleets.list_fleets()["FleetIds"]
    return fleet, made["FleetArn"]


def attributes(fleet):
    found = fleets.describe_fleet_attributes(FleetIds=[fleet])["FleetAttributes"]
    assert len(found) == 1, found
    return found[0]


def events(fleet):
    return [event["EventCode"] for event in fleets.describe_fleet_events(FleetId=fleet)["Events"]]


def no_consent_no_connection(fleet, vpc):
    error = refused(
        fleets.exceptions.UnauthorizedException,
        fleets.create_vpc_peering_connection,
        FleetId=fleet,
        PeerVpcAwsAccountId=backend,
        PeerVpcId=vpc,
    )
    assert vpc in error["Message"], error
    assert fleets.describe_vpc_peering_connections(FleetId=fleet)["VpcPeeringConnections"] == []


def authorize(vpc):
    issued = consent.create_vpc_peering_authorization(
        GameLiftAwsAccountId=studio, PeerVpcId=vpc
    )["VpcPeeringAuthorization"]
    assert issued["GameLiftAwsAccountId"] == studio, issued
    assert issued["PeerVpcAwsAccountId"] == backend, issued
    assert issued["PeerVpcId"] == vpc, issued
    created, expires = issued["CreationTime"].timestamp(), issued["ExpirationTime"].timestamp()
    assert expires == math.floor(created) + 86_400, issued
    for side in (consent, fleets):
        seen = side.describe_vpc_peering_authorizations()["VpcPeeringAuthorizations"]
        assert seen == [issued], (seen, issued)


def connect(fleet, arn, vpc):
    fleets.create_vpc_peering_connection(FleetId=fleet, PeerVpcAwsAccountId=backend, PeerVpcId=vpc)
    connection = until("the connection to be active", lambda: connection_that_is(fleet, "active"))
    assert connection["FleetId"] == fleet and connection["FleetArn"] == arn, connection
    assert connection["PeerVpcId"] == vpc, connection
    assert connection["VpcPeeringConnectionId"].startswith("pcx-"), connection
    assert connection["GameLiftVpcId"].startswith("vpc-"), connection
    assert set(connection) == {
        "FleetId",
        "FleetArn",
        "IpV4CidrBlock",
        "VpcPeeringConnectionId",
        "Status",
        "PeerVpcId",
        "GameLiftVpcId",
    }
    assert fleets.describe_vpc_peering_connections()["VpcPeeringConnections"] == [connection]
    assert consent.describe_vpc_peering_connections()["VpcPeeringConnections"] == []
    until("the event", lambda: "FLEET_VPC_PEERING_SUCCEEDED" in events(fleet))
    return connection


def connection_that_is(fleet, code):
    found = fleets.describe_vpc_peering_connections(FleetId=fleet)["VpcPeeringConnections"]
    return next((one for one in found if one["Status"]["Code"] == code), None)


def the_owner_sees_it_in_ec2(connection, vpc):
    id = connection["VpcPeeringConnectionId"]
    seen = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[id])
    (seen,) = seen["VpcPeeringConnections"]
    assert seen["Status"]["Code"] == "active", seen
    assert seen["AccepterVpcInfo"]["VpcId"] == vpc, seen
    assert seen["AccepterVpcInfo"]["OwnerId"] == backend, seen
    assert seen["RequesterVpcInfo"]["VpcId"] == connection["GameLiftVpcId"], seen
    assert seen["RequesterVpcInfo"]["CidrBlock"] == connection["IpV4CidrBlock"], seen
    assert route_to(connection, vpc)["VpcPeeringConnectionId"] == id
    assert connection["IpV4CidrBlock"] in allowed_sources(vpc)


def route_to(connection, vpc):
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    routes = [route for table in tables for route in table["Routes"]]
    cidr = connection["IpV4CidrBlock"]
    return next((route for route in routes if route["DestinationCidrBlock"] == cidr), None)


def allowed_sources(vpc):
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    groups = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    permissions = [permission for group in groups for permission in group["IpPermissions"]]
    return [one["CidrIp"] for permission in permissions for one in permission["IpRanges"]]


def disconnect(connection, vpc):
    fleet = connection["FleetId"]
    fleets.delete_vpc_peering_connection(
        FleetId=fleet, VpcPeeringConnectionId=connection["VpcPeeringConnectionId"]
    )
    until("the connection to be deleted", lambda: connection_that_is(fleet, "deleted"))
    until("the event", lambda: "FLEET_VPC_PEERING_DELETED" in events(fleet))
    assert route_to(connection, vpc) is None
    assert connection["IpV4CidrBlock"] not in allowed_sources(vpc)


def withdraw(fleet, vpc):
    consent.delete_vpc_peering_authorization(GameLiftAwsAccountId=studio, PeerVpcId=vpc)
    for side in (consent, fleets):
        assert side.describe_vpc_peering_authorizations()["VpcPeeringAuthorizations"] == []
    refused(
        fleets.exceptions.UnauthorizedException,
        fleets.create_vpc_peering_connection,
        FleetId=fleet,
        PeerVpcAwsAccountId=backend,
        PeerVpcId=vpc,
    )


def clean_up(fleet, build, vpc, subnet):
    fleets.delete_fleet(FleetId=fleet)
    until("the fleet to be gone", lambda: fleet not in fleets.list_fleets()["FleetIds"])
    fleets.delete_build(BuildId=build)
    refused(fleets.exceptions.NotFoundException, fleets.describe_build, BuildId=build)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    error = refused(ClientError, ec2.describe_vpcs, VpcIds=[vpc])
    assert error["Code"] == "InvalidVpcID.NotFound", error


def main():
    build = sys.argv[1]
    vpc, subnet = a_vpc_with_a_subnet()
    fleet, arn = an_active_fleet(build)
    no_consent_no_connection(fleet, vpc)
    authorize(vpc)
    connection = connect(fleet, arn, vpc)
    the_owner_sees_it_in_ec2(connection, vpc)
    disconnect(connection, vpc)
    withdraw(fleet, vpc)
    clean_up(fleet, build, vpc, subnet)


main()
