"""Workloads inside VPCs, by `tombolo run`, that do what a client tells them."""

import os
import subprocess
import sys
from pathlib import Path

from tombolo import until

AGENT = Path(__file__).with_name("agent.py")


class Workload:
    """One agent at an address of a VPC, there until `end`."""

    def __init__(self, account, ec2, vpc, subnet, address):
        self.ec2, self.vpc, self.address = ec2, vpc, address
        place = ["--account", account, "--vpc", vpc, "--subnet", subnet, "--address", address]
        self.process = subprocess.Popen(
            [os.environ["TOMBOLO"], "run", *place, "--", sys.executable, AGENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._read() == "ready", f"no agent at {address} of {vpc}"

    def tell(self, *words):
        """What the agent answers."""
        print(*words, file=self.process.stdin, flush=True)
        return self._read()

    def listen(self, port):
        assert self.tell("listen", port) == "listening"
        return self

    def reaches(self, other, port, protocol="tcp"):
        """Tries until it is so: a change takes a moment to reach the packets."""
        what = f"{self.address} to reach {other.address}:{port} by {protocol}"
        until(what, lambda: self.tell(protocol, other.address, port) == "reached")

    def does_not_reach(self, other, port, protocol="tcp"):
        """Tries until nothing comes back, not even a refusal."""
        what = f"{self.address} not to reach {other.address}:{port} by {protocol}"
        until(what, lambda: self.tell(protocol, other.address, port) == "silent")

    def interface(self):
        """Its network interface, as EC2 shows it."""
        found = self.ec2.describe_network_interfaces(
            Filters=[
                {"Name": "vpc-id", "Values": [self.vpc]},
                {"Name": "addresses.private-ip-address", "Values": [self.address]},
            ]
        )
        (interface,) = found["NetworkInterfaces"]
        return interface

    def join(self, *groups):
        """Takes these security groups instead of those it has."""
        id = self.interface()["NetworkInterfaceId"]
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=id, Groups=list(groups))
        assert {group["GroupId"] for group in self.interface()["Groups"]} == set(groups)

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0

    def _read(self):
        return self.process.stdout.readline().strip()
