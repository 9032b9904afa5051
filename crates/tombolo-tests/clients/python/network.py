"""Two accounts' networks by boto3, as an infrastructure tool makes, joins and takes them away, with
packets through them after each step.

usage: network.py, with $TOMBOLO the command
"""

from contextlib import ExitStack

from botocore.exceptions import ClientError
from tombolo import account, client, refused, until
from workload import Workload

DATABASE, OTHER_PORT = 5432, 5433
# What boto3 waits between two looks, it waits for AWS.
QUICKLY = {"Delay": 1, "MaxAttempts": 60}


class Network:
    """One account's VPC."""

    def __init__(self, owner, cidr):
        self.owner, self.cidr = owner, cidr
        self.account, self.ec2 = account(owner), client(owner, "ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        self.wait("vpc_exists", VpcIds=[self.vpc])
        self.wait("vpc_available", VpcIds=[self.vpc])
        (group,) = self.groups(Name="group-name", Values=["default"])
        self.default_group = group["GroupId"]
        (table,) = self.tables()
        self.main_table = table["RouteTableId"]

    def wait(self, name, **what):
        self.ec2.get_waiter(name).wait(WaiterConfig=QUICKLY, **what)

    def subnet(self, cidr):
        made = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]
        self.wait("subnet_available", SubnetIds=[made])
        return made

    def group(self, name):
        made = self.ec2.create_security_group(
            VpcId=self.vpc, GroupName=name, Description=f"the {name}"
        )["GroupId"]
        self.wait("security_group_exists", GroupIds=[made])
        return made

    def groups(self, **filter):
        filters = [{"Name": "vpc-id", "Values": [self.vpc]}, filter]
        return self.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]

    def stale_groups(self):
        found = self.ec2.describe_stale_security_groups(VpcId=self.vpc)
        return found["StaleSecurityGroupSet"]

    def tables(self, **filter):
        filters = [{"Name": "vpc-id", "Values": [self.vpc]}] + ([filter] if filter else [])
        return self.ec2.describe_route_tables(Filters=filters)["RouteTables"]

    def route_state(self, table, destination):
        (found,) = self.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        (route,) = [one for one in found["Routes"] if one["DestinationCidrBlock"] == destination]
        return route["State"]

    def route(self, table, destination, connection):
        self.ec2.create_route(
            RouteTableId=table,
            DestinationCidrBlock=destination,
            VpcPeeringConnectionId=connection,
        )

    def workload(self, subnet, address):
        return Workload(self.owner, self.ec2, self.vpc, subnet, address)


def tcp(port, **source):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}


def from_group(network, group):
    return {"UserIdGroupPairs": [{"UserId": network.account, "GroupId": group}]}


def from_block(cidr):
    return {"IpRanges": [{"CidrIp": cidr}]}


def peer(requester, accepter):
    """Asks, and has the other owner say yes."""
    connection = requester.ec2.create_vpc_peering_connection(
        VpcId=requester.vpc, PeerVpcId=accepter.vpc, PeerOwnerId=accepter.account
    )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    for side in (requester, accepter):
        side.wait("vpc_peering_connection_exists", VpcPeeringConnectionIds=[connection])
    until("the request to be seen", lambda: status(accepter, connection) == "pending-acceptance")
    return connection


def accept(requester, accepter, connection):
    error = refused(
        ClientError,
        requester.ec2.accept_vpc_peering_connection,
        VpcPeeringConnectionId=connection,
    )
    assert error["Code"] == "OperationNotPermitted", error
    accepter.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
    for side in (requester, accepter):
        until("the connection to be active", lambda: status(side, connection) == "active")


def status(network, connection):
    found = network.ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[connection])
    (found,) = found["VpcPeeringConnections"]
    return found["Status"]["Code"]


def part(network, connection):
    network.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=connection)
    network.wait("vpc_peering_connection_deleted", VpcPeeringConnectionIds=[connection])


def violates(call, **arguments):
    error = refused(ClientError, call, **arguments)
    assert error["Code"] == "DependencyViolation", error


def the_default_group_lets_its_own_in(game, subnet):
    """And nobody else."""
    with ExitStack() as ends:
        one, other = (
            ended(ends, game.workload(subnet, f"10.10.1.{last}")) for last in (20, 21)
        )
        other.listen(DATABASE)
        one.reaches(other, DATABASE)
        one.reaches(other, DATABASE, "udp")
        loners = game.group("loners")
        one.join(loners)
        one.does_not_reach(other, DATABASE)
        one.join(loners, game.default_group)
        one.reaches(other, DATABASE)
    game.ec2.delete_security_group(GroupId=loners)


def ended(ends, workload):
    ends.callback(workload.end)
    return workload


def a_route_is_a_black_hole_until_the_peering_is_active(game, data):
    """The connection, and the table of the game's subnets, which does not lead to all of it."""
    connection = peer(game, data)
    table = game.ec2.create_route_table(VpcId=game.vpc)["RouteTable"]["RouteTableId"]
    game.route(table, "10.20.1.0/24", connection)
    assert game.route_state(table, "10.20.1.0/24") == "blackhole"
    accept(game, data, connection)
    assert game.route_state(table, "10.20.1.0/24") == "active"
    data.route(data.main_table, game.cidr, connection)
    data.route(data.main_table, "10.11.0.0/16", connection)
    return connection, table


def the_subnets_table_decides(game, table, subnet, client_, server, port):
    """The main table, which it has no longer, led nowhere."""
    client_.does_not_reach(server, port)
    made = game.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    client_.reaches(server, port)
    return made


def a_rule_for_the_peers_group_lets_it_in(game, data, servers, databases, client_, server):
    """By one port; its replies need no rule."""
    client_.does_not_reach(server, DATABASE)
    rule = tcp(DATABASE, **from_group(game, servers))
    made = data.ec2.authorize_security_group_ingress(GroupId=databases, IpPermissions=[rule])
    (made,) = made["SecurityGroupRules"]
    assert made["ReferencedGroupInfo"]["GroupId"] == servers, made
    assert made["ReferencedGroupInfo"]["UserId"] == game.account, made
    client_.reaches(server, DATABASE)
    client_.does_not_reach(server, OTHER_PORT)
    client_.does_not_reach(server, DATABASE, "udp")
    server.does_not_reach(client_, DATABASE)
    (seen,) = data.ec2.describe_security_groups(GroupIds=[databases])["SecurityGroups"]
    (pair,) = seen["IpPermissions"][0]["UserIdGroupPairs"]
    assert pair["GroupId"] == servers and pair["UserId"] == game.account, seen
    (reference,) = game.ec2.describe_security_group_references(GroupId=[servers])[
        "SecurityGroupReferenceSet"
    ]
    assert reference["ReferencingVpcId"] == data.vpc, reference
    return rule


def a_change_of_rules_reaches_a_live_flow(data, databases, rule, client_, server):
    assert client_.tell("hold", server.address, DATABASE) == "reached"
    until("the first line", lambda: client_.tell("say") == "heard")
    data.ec2.revoke_security_group_ingress(GroupId=databases, IpPermissions=[rule])
    until("silence", lambda: client_.tell("say") == "silent")
    data.ec2.authorize_security_group_ingress(GroupId=databases, IpPermissions=[rule])
    until("the flow to go on", lambda: client_.tell("say") == "heard")


def a_change_of_groups_reaches_a_live_flow(data, databases, client_, server):
    assert client_.tell("hold", server.address, DATABASE) == "reached"
    until("the first line", lambda: client_.tell("say") == "heard")
    server.join(data.default_group)
    until("silence", lambda: client_.tell("say") == "silent")
    server.join(databases, data.default_group)
    until("the flow to go on", lambda: client_.tell("say") == "heard")
    server.join(databases)


def a_block_that_a_peered_vpc_gets_later_is_let_in(game, data, table, servers, server):
    """As soon as somebody writes the route back."""
    block, later = second_block(game, "10.12.0.0/16"), game.subnet("10.12.1.0/24")
    association = game.ec2.associate_route_table(RouteTableId=table, SubnetId=later)
    with ExitStack() as ends:
        client_ = ended(ends, game.workload(later, "10.12.1.10"))
        client_.join(servers)
        client_.does_not_reach(server, DATABASE)
        (back,) = data.tables(Name="association.main", Values=["true"])
        connection = next(
            route["VpcPeeringConnectionId"]
            for route in back["Routes"]
            if route["DestinationCidrBlock"] == game.cidr
        )
        data.route(data.main_table, "10.12.0.0/16", connection)
        client_.reaches(server, DATABASE)
    data.ec2.delete_route(RouteTableId=data.main_table, DestinationCidrBlock="10.12.0.0/16")
    violates(game.ec2.disassociate_vpc_cidr_block, AssociationId=block)
    game.ec2.disassociate_route_table(AssociationId=association["AssociationId"])
    game.ec2.delete_subnet(SubnetId=later)
    game.ec2.disassociate_vpc_cidr_block(AssociationId=block)


def egress_is_a_rule_as_well(game, servers, client_, server):
    anywhere = {"IpProtocol": "-1", **from_block("0.0.0.0/0")}
    game.ec2.revoke_security_group_egress(GroupId=servers, IpPermissions=[anywhere])
    client_.does_not_reach(server, DATABASE)
    only = tcp(DATABASE, **from_block("10.20.1.0/24"))
    game.ec2.authorize_security_group_egress(GroupId=servers, IpPermissions=[only])
    client_.reaches(server, DATABASE)
    game.ec2.revoke_security_group_egress(GroupId=servers, IpPermissions=[only])
    game.ec2.authorize_security_group_egress(GroupId=servers, IpPermissions=[anywhere])


def the_longest_prefix_wins(game, old, table, connection, client_, server):
    """Also when it leads to the wrong place, and when it leads nowhere any more."""
    client_.does_not_reach(server, DATABASE)
    game.route(table, "10.20.0.0/16", connection)
    client_.reaches(server, DATABASE)

    astray = peer(game, old)
    accept(game, old, astray)
    game.route(table, "10.20.2.0/24", astray)
    client_.does_not_reach(server, DATABASE)
    part(old, astray)
    assert game.route_state(table, "10.20.2.0/24") == "blackhole"
    assert client_.tell("tcp", server.address, DATABASE) == "silent"
    game.ec2.replace_route(
        RouteTableId=table,
        DestinationCidrBlock="10.20.2.0/24",
        VpcPeeringConnectionId=connection,
    )
    client_.reaches(server, DATABASE)


def what_refers_to_a_parted_peer_is_stale(game, data, servers, databases, connection, table, pair):
    """And is good again with the next connection."""
    client_, server = pair
    part(data, connection)
    client_.does_not_reach(server, DATABASE)
    assert game.route_state(table, "10.20.1.0/24") == "blackhole"
    (stale,) = data.stale_groups()
    assert stale["GroupId"] == databases, stale
    (rule,) = stale["StaleIpPermissions"]
    (reference,) = rule["UserIdGroupPairs"]
    assert reference["GroupId"] == servers, stale

    again = peer(game, data)
    accept(game, data, again)
    assert data.stale_groups() == []
    for side, its_table, destination in (
        (game, table, "10.20.1.0/24"),
        (data, data.main_table, game.cidr),
    ):
        side.ec2.replace_route(
            RouteTableId=its_table,
            DestinationCidrBlock=destination,
            VpcPeeringConnectionId=again,
        )
    client_.reaches(server, DATABASE)
    return again


def everything_goes_in_order(game, data, old, made):
    """What something else needs stays until that is gone."""
    game_ec2, data_ec2 = game.ec2, data.ec2
    violates(game_ec2.delete_route_table, RouteTableId=made["table"])
    violates(game_ec2.delete_vpc, VpcId=game.vpc)
    unattached = game_ec2.create_network_interface(SubnetId=made["subnet"])
    unattached = unattached["NetworkInterface"]["NetworkInterfaceId"]
    game.wait("network_interface_available", NetworkInterfaceIds=[unattached])
    violates(game_ec2.delete_subnet, SubnetId=made["subnet"])
    game_ec2.modify_network_interface_attribute(
        NetworkInterfaceId=unattached, Groups=[made["servers"]]
    )
    violates(game_ec2.delete_security_group, GroupId=made["servers"])
    game_ec2.delete_network_interface(NetworkInterfaceId=unattached)

    # A rule of its own VPC holds it; the other account's, which cannot, becomes stale.
    rule = tcp(DATABASE, **from_group(game, made["servers"]))
    game_ec2.authorize_security_group_ingress(GroupId=game.default_group, IpPermissions=[rule])
    violates(game_ec2.delete_security_group, GroupId=made["servers"])
    game_ec2.revoke_security_group_ingress(GroupId=game.default_group, IpPermissions=[rule])
    assert data.stale_groups() == []
    game_ec2.delete_security_group(GroupId=made["servers"])
    assert [stale["GroupId"] for stale in data.stale_groups()] == [made["databases"]]
    data_ec2.delete_security_group(GroupId=made["databases"])

    part(game, made["connection"])
    for association in made["associations"]:
        game_ec2.disassociate_route_table(AssociationId=association)
    game_ec2.delete_route_table(RouteTableId=made["table"])
    for subnet in (made["subnet"], made["second_subnet"]):
        game_ec2.delete_subnet(SubnetId=subnet)
    game_ec2.disassociate_vpc_cidr_block(AssociationId=made["second_block"])
    for subnet in made["data_subnets"]:
        data_ec2.delete_subnet(SubnetId=subnet)
    for network in (game, data, old):
        network.ec2.delete_vpc(VpcId=network.vpc)
        error = refused(ClientError, network.ec2.describe_vpcs, VpcIds=[network.vpc])
        assert error["Code"] == "InvalidVpcID.NotFound", error


def second_block(network, cidr):
    made = network.ec2.associate_vpc_cidr_block(VpcId=network.vpc, CidrBlock=cidr)
    made = made["CidrBlockAssociation"]
    assert made["CidrBlock"] == cidr, made
    return made["AssociationId"]


def main():
    game, data = Network("studio", "10.10.0.0/16"), Network("backend", "10.20.0.0/16")
    old = Network("backend", "10.30.0.0/16")
    block = second_block(game, "10.11.0.0/16")
    subnet, second_subnet = game.subnet("10.10.1.0/24"), game.subnet("10.11.1.0/24")
    data_subnets = [data.subnet(cidr) for cidr in ("10.20.1.0/24", "10.20.2.0/24")]
    the_default_group_lets_its_own_in(game, subnet)

    servers, databases = game.group("servers"), data.group("databases")
    connection, table = a_route_is_a_black_hole_until_the_peering_is_active(game, data)
    with ExitStack() as ends:
        client_ = ended(ends, game.workload(subnet, "10.10.1.10")).listen(DATABASE)
        second = ended(ends, game.workload(second_subnet, "10.11.1.10"))
        server = ended(ends, data.workload(data_subnets[0], "10.20.1.10"))
        far = ended(ends, data.workload(data_subnets[1], "10.20.2.10"))
        for workload, group in (
            (client_, servers),
            (second, servers),
            (server, databases),
            (far, databases),
        ):
            workload.join(group)
        for one in (server, far):
            one.listen(DATABASE).listen(OTHER_PORT)

        association = game.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        associations = [association["AssociationId"]]
        rule = a_rule_for_the_peers_group_lets_it_in(
            game, data, servers, databases, client_, server
        )
        associations.append(
            the_subnets_table_decides(game, table, second_subnet, second, server, DATABASE)
        )
        a_change_of_rules_reaches_a_live_flow(data, databases, rule, client_, server)
        a_change_of_groups_reaches_a_live_flow(data, databases, client_, server)
        a_block_that_a_peered_vpc_gets_later_is_let_in(game, data, table, servers, server)
        egress_is_a_rule_as_well(game, servers, client_, server)
        the_longest_prefix_wins(game, old, table, connection, client_, far)
        connection = what_refers_to_a_parted_peer_is_stale(
            game, data, servers, databases, connection, table, (client_, server)
        )
        violates(data.ec2.delete_security_group, GroupId=databases)
    everything_goes_in_order(
        game,
        data,
        old,
        {
            "connection": connection,
            "table": table,
            "associations": associations,
            "subnet": subnet,
            "second_subnet": second_subnet,
            "second_block": block,
            "data_subnets": data_subnets,
            "servers": servers,
            "databases": databases,
        },
    )


main()
