//! Amazon EC2's operations: the part that VPC peering needs.
