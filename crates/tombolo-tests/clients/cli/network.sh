#!/bin/sh
# Two accounts' networks by the AWS CLI: made, peered, opened for one port, and taken away again,
# with packets through them.
#
# usage: network.sh, with $AWS the CLI, $TOMBOLO the command, $PYTHON and $TICKER a server to run,
# and STUDIO_ACCOUNT and BACKEND_ACCOUNT set
set -eu

port=9000
server_address=10.51.1.10
studio() { "$AWS" --profile studio --output text ec2 "$@"; }
backend() { "$AWS" --profile backend --output text ec2 "$@"; }

fail() {
    echo "$*" >&2
    exit 1
}

# is WANTED GOT: fails unless they are the same.
is() {
    [ "$1" = "$2" ] || fail "got '$2', not '$1'"
}

# until_prints WANTED COMMAND...: runs the command again and again until it prints WANTED.
until_prints() {
    wanted=$1
    shift
    for _ in $(seq 60); do
        got=$("$@")
        [ "$got" = "$wanted" ] && return
    done
    fail "$* printed '$got' and never '$wanted'"
}

# refused CODE COMMAND...: the command must fail with this error of EC2's.
refused() {
    code=$1
    shift
    if told=$("$@" 2>&1); then
        fail "$* was not refused"
    fi
    case $told in
    *"($code)"*) ;;
    *) fail "$* was refused by: $told" ;;
    esac
}

# A program in the studio's VPC connects and reads a line, or gives up after a second.
knock() {
    if "$TOMBOLO" run --account studio --vpc "$game" -- timeout 1 bash -c \
        "exec 3<>/dev/tcp/$server_address/$port && read -r line <&3" 2>/dev/null; then
        echo reached
    else
        echo silent
    fi
}

default_group() {
    "$1" describe-security-groups --query 'SecurityGroups[0].GroupId' \
        --filters "Name=vpc-id,Values=$2" Name=group-name,Values=default
}

main_table() {
    "$1" describe-route-tables --query 'RouteTables[0].RouteTableId' \
        --filters "Name=vpc-id,Values=$2" Name=association.main,Values=true
}

route_state() {
    studio describe-route-tables --route-table-ids "$table" \
        --query "RouteTables[0].Routes[?DestinationCidrBlock=='10.51.0.0/16'].State"
}

game=$(studio create-vpc --cidr-block 10.50.0.0/16 --query Vpc.VpcId)
data=$(backend create-vpc --cidr-block 10.51.0.0/16 --query Vpc.VpcId)
studio wait vpc-available --vpc-ids "$game"
backend wait vpc-exists --vpc-ids "$data"
game_subnet=$(studio create-subnet --vpc-id "$game" --cidr-block 10.50.1.0/24 --query Subnet.SubnetId)
data_subnet=$(backend create-subnet --vpc-id "$data" --cidr-block 10.51.1.0/24 --query Subnet.SubnetId)
studio wait subnet-available --subnet-ids "$game_subnet"

"$TOMBOLO" run --account backend --vpc "$data" --address "$server_address" -- \
    "$PYTHON" "$TICKER" "$port" >/dev/null 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT

pcx=$(studio create-vpc-peering-connection --vpc-id "$game" --peer-vpc-id "$data" \
    --peer-owner-id "$BACKEND_ACCOUNT" --query VpcPeeringConnection.VpcPeeringConnectionId)
backend wait vpc-peering-connection-exists --vpc-peering-connection-ids "$pcx"
table=$(studio create-route-table --vpc-id "$game" --query RouteTable.RouteTableId)
association=$(studio associate-route-table --route-table-id "$table" --subnet-id "$game_subnet" \
    --query AssociationId)
studio create-route --route-table-id "$table" --destination-cidr-block 10.51.0.0/16 \
    --vpc-peering-connection-id "$pcx" >/dev/null
until_prints blackhole route_state
until_prints pending-acceptance backend describe-vpc-peering-connections \
    --vpc-peering-connection-ids "$pcx" --query 'VpcPeeringConnections[0].Status.Code'
backend accept-vpc-peering-connection --vpc-peering-connection-id "$pcx" >/dev/null
until_prints active route_state
backend create-route --route-table-id "$(main_table backend "$data")" \
    --destination-cidr-block 10.50.0.0/16 --vpc-peering-connection-id "$pcx" >/dev/null

group=$(default_group backend "$data")
is silent "$(knock)"
backend authorize-security-group-ingress --group-id "$group" \
    --protocol tcp --port "$port" --cidr 10.50.0.0/16 >/dev/null
refused InvalidPermission.Duplicate backend authorize-security-group-ingress --group-id "$group" \
    --protocol tcp --port "$port" --cidr 10.50.0.0/16
until_prints reached knock
backend revoke-security-group-ingress --group-id "$group" \
    --protocol tcp --port "$port" --cidr 10.50.0.0/16 >/dev/null
until_prints silent knock

servers=$(backend create-security-group --vpc-id "$data" --group-name servers \
    --description 'what the game needs' --query GroupId)
backend wait security-group-exists --group-ids "$servers"
backend authorize-security-group-ingress --group-id "$servers" --protocol tcp --port "$port" \
    --source-group "$(default_group studio "$game")" --group-owner "$STUDIO_ACCOUNT" >/dev/null
interface=$(backend describe-network-interfaces --query 'NetworkInterfaces[0].NetworkInterfaceId' \
    --filters "Name=vpc-id,Values=$data" "Name=addresses.private-ip-address,Values=$server_address")
backend modify-network-interface-attribute --network-interface-id "$interface" --groups "$servers"
until_prints reached knock
refused DependencyViolation backend delete-security-group --group-id "$servers"

studio delete-vpc-peering-connection --vpc-peering-connection-id "$pcx" >/dev/null
backend wait vpc-peering-connection-deleted --vpc-peering-connection-ids "$pcx"
is blackhole "$(route_state)"
is silent "$(knock)"
is "$servers" "$(backend describe-stale-security-groups --vpc-id "$data" \
    --query 'StaleSecurityGroupSet[].GroupId')"

kill "$server"
wait "$server" || true
backend delete-security-group --group-id "$servers" >/dev/null
refused DependencyViolation studio delete-vpc --vpc-id "$game"
refused DependencyViolation studio delete-route-table --route-table-id "$table"
studio disassociate-route-table --association-id "$association" >/dev/null
studio delete-route-table --route-table-id "$table"
studio delete-subnet --subnet-id "$game_subnet"
backend delete-subnet --subnet-id "$data_subnet"
studio delete-vpc --vpc-id "$game"
backend delete-vpc --vpc-id "$data"
refused InvalidVpcID.NotFound studio describe-vpcs --vpc-ids "$game"
