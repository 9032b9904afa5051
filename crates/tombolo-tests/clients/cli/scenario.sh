#!/bin/sh
# The whole scenario by the AWS CLI: a fleet of one account reaches a VPC of another.
#
# usage: scenario.sh BUILD_ID, with $AWS the CLI, and STUDIO_ACCOUNT and BACKEND_ACCOUNT set
set -eu

build=$1
studio() { "$AWS" --profile studio --output text "$@"; }
backend() { "$AWS" --profile backend --output text "$@"; }

fail() {
    echo "$*" >&2
    exit 1
}

# until WANTED COMMAND...: runs the command again and again until it prints WANTED. The CLI itself
# takes most of a second, so that 60 times are a minute.
until_prints() {
    wanted=$1
    shift
    for _ in $(seq 60); do
        got=$("$@")
        [ "$got" = "$wanted" ] && return
    done
    fail "$* printed '$got' and never '$wanted'"
}

fleet_status() {
    studio gamelift describe-fleet-attributes --fleet-ids "$fleet" --query 'FleetAttributes[0].Status'
}

connection() {
    studio gamelift describe-vpc-peering-connections --fleet-id "$fleet" \
        --query "VpcPeeringConnections[0].$1"
}

events() {
    studio gamelift describe-fleet-events --fleet-id "$fleet" \
        --query "length(Events[?EventCode=='$1'])"
}

connect() {
    studio gamelift create-vpc-peering-connection --fleet-id "$fleet" \
        --peer-vpc-aws-account-id "$BACKEND_ACCOUNT" --peer-vpc-id "$vpc"
}

[ "$(studio sts get-caller-identity --query Account)" = "$STUDIO_ACCOUNT" ] ||
    fail "the profile studio is another account's"

vpc=$(backend ec2 create-vpc --cidr-block 10.40.0.0/16 --query Vpc.VpcId)
subnet=$(backend ec2 create-subnet --vpc-id "$vpc" --cidr-block 10.40.1.0/24 --query Subnet.SubnetId)

fleet=$(studio gamelift create-fleet --name arena --build-id "$build" \
    --ec2-instance-type c5.large --fleet-type ON_DEMAND \
    --runtime-configuration 'ServerProcesses=[{LaunchPath=/local/game/server,ConcurrentExecutions=1}]' \
    --query FleetAttributes.FleetId)
until_prints ACTIVE fleet_status

instances() {
    studio gamelift describe-instances --fleet-id "$fleet" \
        --query 'length(Instances[?Status==`ACTIVE`])'
}
studio gamelift update-fleet-capacity --fleet-id "$fleet" --max-size 2 --desired-instances 2 >/dev/null
until_prints 2 instances
until_prints '2	2	2' studio gamelift describe-fleet-capacity --fleet-ids "$fleet" \
    --query 'FleetCapacity[0].InstanceCounts.[DESIRED,MAXIMUM,ACTIVE]'

if refusal=$(connect 2>&1); then
    fail "connected without an authorization"
fi
case $refusal in
*UnauthorizedException*) ;;
*) fail "refused by: $refusal" ;;
esac

issued=$(backend gamelift create-vpc-peering-authorization \
    --game-lift-aws-account-id "$STUDIO_ACCOUNT" --peer-vpc-id "$vpc" \
    --query 'VpcPeeringAuthorization.[PeerVpcAwsAccountId,PeerVpcId]')
[ "$issued" = "$BACKEND_ACCOUNT	$vpc" ] || fail "issued $issued"
for side in studio backend; do
    seen=$($side gamelift describe-vpc-peering-authorizations \
        --query 'VpcPeeringAuthorizations[].PeerVpcId')
    [ "$seen" = "$vpc" ] || fail "$side sees the authorizations '$seen'"
done

connect
until_prints active connection Status.Code
until_prints 1 events FLEET_VPC_PEERING_SUCCEEDED
pcx=$(connection VpcPeeringConnectionId)
seen=$(backend ec2 describe-vpc-peering-connections --vpc-peering-connection-ids "$pcx" \
    --query 'VpcPeeringConnections[0].[Status.Code,AccepterVpcInfo.VpcId]')
[ "$seen" = "active	$vpc" ] || fail "EC2 shows $seen"

studio gamelift delete-vpc-peering-connection --fleet-id "$fleet" --vpc-peering-connection-id "$pcx"
until_prints deleted connection Status.Code
until_prints 1 events FLEET_VPC_PEERING_DELETED

studio gamelift delete-fleet --fleet-id "$fleet"
until_prints None studio gamelift list-fleets --query 'FleetIds[0]'
backend ec2 delete-subnet --subnet-id "$subnet"
backend ec2 delete-vpc --vpc-id "$vpc"
