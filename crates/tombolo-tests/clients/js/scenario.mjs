// The whole scenario by the AWS SDK for JavaScript: a fleet of one account reaches a VPC of another.
//
// usage: scenario.mjs BUILD_ID

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import * as ec2 from "@aws-sdk/client-ec2";
import * as gamelift from "@aws-sdk/client-gamelift";

const PATIENCE = 60_000;
const ACCOUNTS = { studio: process.env.STUDIO_ACCOUNT, backend: process.env.BACKEND_ACCOUNT };

const fleets = new gamelift.GameLiftClient({ profile: "studio", maxAttempts: 1 });
const consent = new gamelift.GameLiftClient({ profile: "backend", maxAttempts: 1 });
const networks = new ec2.EC2Client({ profile: "backend", maxAttempts: 1 });

async function until(what, look) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `waited ${PATIENCE} ms for ${what}`);
    await pause(20);
  }
}

async function aVpcWithASubnet() {
  const { Vpc } = await networks.send(new ec2.CreateVpcCommand({ CidrBlock: "10.30.0.0/16" }));
  const { Subnet } = await networks.send(
    new ec2.CreateSubnetCommand({ VpcId: Vpc.VpcId, CidrBlock: "10.30.1.0/24" }),
  );
  return [Vpc.VpcId, Subnet.SubnetId];
}

async function anActiveFleet(build) {
  const { FleetAttributes: made } = await fleets.send(
    new gamelift.CreateFleetCommand({
      Name: "arena",
      BuildId: build,
      EC2InstanceType: "c5.large",
      FleetType: "ON_DEMAND",
      RuntimeConfiguration: {
        ServerProcesses: [{ LaunchPath: "/local/game/server", ConcurrentExecutions: 1 }],
      },
    }),
  );
  assert.equal(made.Status, "NEW");
  assert.ok(made.CreationTime instanceof Date);
  const fleet = made.FleetId;
  await until("the fleet to be ACTIVE", async () => {
    const { FleetAttributes: found } = await fleets.send(
      new gamelift.DescribeFleetAttributesCommand({ FleetIds: [fleet] }),
    );
    return found[0].Status === "ACTIVE";
  });
  return fleet;
}

function connecting(fleet, vpc) {
  return new gamelift.CreateVpcPeeringConnectionCommand({
    FleetId: fleet,
    PeerVpcAwsAccountId: ACCOUNTS.backend,
    PeerVpcId: vpc,
  });
}

async function authorize(vpc) {
  const { VpcPeeringAuthorization: issued } = await consent.send(
    new gamelift.CreateVpcPeeringAuthorizationCommand({
      GameLiftAwsAccountId: ACCOUNTS.studio,
      PeerVpcId: vpc,
    }),
  );
  assert.equal(issued.PeerVpcAwsAccountId, ACCOUNTS.backend);
  const created = Math.floor(issued.CreationTime.getTime() / 1000);
  assert.equal(issued.ExpirationTime.getTime() / 1000, created + 86_400);
  for (const side of [consent, fleets]) {
    const { VpcPeeringAuthorizations: seen } = await side.send(
      new gamelift.DescribeVpcPeeringAuthorizationsCommand({}),
    );
    assert.deepEqual(seen, [issued]);
  }
}

async function connectionThatIs(fleet, code) {
  const { VpcPeeringConnections: found } = await fleets.send(
    new gamelift.DescribeVpcPeeringConnectionsCommand({ FleetId: fleet }),
  );
  return found.find((connection) => connection.Status.Code === code);
}

async function hasEvent(fleet, code) {
  const { Events } = await fleets.send(new gamelift.DescribeFleetEventsCommand({ FleetId: fleet }));
  return Events.some((event) => event.EventCode === code);
}

async function connect(fleet, vpc) {
  await fleets.send(connecting(fleet, vpc));
  const connection = await until("the connection to be active", () =>
    connectionThatIs(fleet, "active"),
  );
  assert.equal(connection.PeerVpcId, vpc);
  await until("the event", () => hasEvent(fleet, "FLEET_VPC_PEERING_SUCCEEDED"));

  const { VpcPeeringConnections: seen } = await networks.send(
    new ec2.DescribeVpcPeeringConnectionsCommand({
      VpcPeeringConnectionIds: [connection.VpcPeeringConnectionId],
    }),
  );
  assert.equal(seen.length, 1);
  assert.equal(seen[0].Status.Code, "active");
  assert.equal(seen[0].AccepterVpcInfo.VpcId, vpc);
  assert.equal(seen[0].RequesterVpcInfo.CidrBlock, connection.IpV4CidrBlock);
  return connection;
}

async function disconnect(connection) {
  const { FleetId, VpcPeeringConnectionId } = connection;
  await fleets.send(
    new gamelift.DeleteVpcPeeringConnectionCommand({ FleetId, VpcPeeringConnectionId }),
  );
  await until("the connection to be deleted", () => connectionThatIs(FleetId, "deleted"));
  await until("the event", () => hasEvent(FleetId, "FLEET_VPC_PEERING_DELETED"));
}

async function cleanUp(fleet, vpc, subnet) {
  await fleets.send(new gamelift.DeleteFleetCommand({ FleetId: fleet }));
  await until("the fleet to be gone", async () => {
    const { FleetIds } = await fleets.send(new gamelift.ListFleetsCommand({}));
    return !FleetIds.includes(fleet);
  });
  await networks.send(new ec2.DeleteSubnetCommand({ SubnetId: subnet }));
  await networks.send(new ec2.DeleteVpcCommand({ VpcId: vpc }));
}

const [vpc, subnet] = await aVpcWithASubnet();
const fleet = await anActiveFleet(process.argv[2]);
await assert.rejects(fleets.send(connecting(fleet, vpc)), gamelift.UnauthorizedException);
await authorize(vpc);
const connection = await connect(fleet, vpc);
await disconnect(connection);
await cleanUp(fleet, vpc, subnet);
