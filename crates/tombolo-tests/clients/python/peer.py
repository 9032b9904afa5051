"""Makes a VPC and a fleet, and joins them. Prints their ids as JSON.

usage: peer.py BUILD CIDR LAUNCH_PATH PARAMETERS
"""

import json
import sys

from tombolo import account, client, until

build, cidr, launch_path, parameters = sys.argv[1:]
studio, backend = account("studio"), account("backend")
fleets, ec2 = client("studio", "gamelift"), client("backend", "ec2")

vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)
process = {"LaunchPath": launch_path, "Parameters": parameters, "ConcurrentExecutions": 1}
fleet = fleets.create_fleet(
    Name="arena",
    BuildId=build,
    EC2InstanceType="c5.large",
    FleetType="ON_DEMAND",
    RuntimeConfiguration={"ServerProcesses": [process]},
)["FleetAttributes"]["FleetId"]


def is_active():
    (found,) = fleets.describe_fleet_attributes(FleetIds=[fleet])["FleetAttributes"]
    return found["Status"] == "ACTIVE"


def is_connected():
    found = fleets.describe_vpc_peering_connections(FleetId=fleet)["VpcPeeringConnections"]
    return [connection["Status"]["Code"] for connection in found] == ["active"]


until("the fleet to be ACTIVE", is_active)
client("backend", "gamelift").create_vpc_peering_authorization(
    GameLiftAwsAccountId=studio, PeerVpcId=vpc
)
fleets.create_vpc_peering_connection(FleetId=fleet, PeerVpcAwsAccountId=backend, PeerVpcId=vpc)
until("the connection to be active", is_connected)
print(json.dumps({"fleet": fleet, "vpc": vpc}))
