"""Makes a VPC of the backend's with one subnet of all its addresses. Prints its id.

usage: vpc.py CIDR
"""

import sys

from tombolo import client

(cidr,) = sys.argv[1:]
ec2 = client("backend", "ec2")
vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)
print(vpc)
