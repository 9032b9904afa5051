//! EC2's operations: its table.

use super::error::Ec2Error;
use super::parameter::dry_run;
use super::{
    account_attribute, interface, network_acl, peering, region, route_table, security_group,
    subnet, tag_operations, vpc,
};
use crate::operation::Operation;
use crate::operation::capacity::{INTERFACE, PEERING, ROUTES, RULES};
use crate::operation::definition::operations;

/// Every operation of the service that is served, in the order of the user docs.
pub static OPERATIONS: &[Operation] = operations! {
    Ec2 "ec2", errors Ec2Error, commits unless dry_run;

    section "VPCs", "" {
        CreateVpc => vpc::create_vpc, on Vpc, fills ROUTES;
        DescribeVpcs => vpc::describe_vpcs, on Any;
        DeleteVpc => vpc::delete_vpc, on Vpc;
        AssociateVpcCidrBlock => vpc::associate_vpc_cidr_block, on Vpc, fills ROUTES;
        DisassociateVpcCidrBlock => vpc::disassociate_vpc_cidr_block, on Vpc;
        ModifyVpcAttribute => vpc::modify_vpc_attribute, on Vpc;
        DescribeVpcAttribute => vpc::describe_vpc_attribute, on Vpc;
        CreateSubnet => subnet::create_subnet, on Subnet;
        DescribeSubnets => subnet::describe_subnets, on Any;
        DeleteSubnet => subnet::delete_subnet, on Subnet;
        ModifySubnetAttribute => subnet::modify_subnet_attribute, on Subnet;
        DescribeNetworkAcls => network_acl::describe_network_acls, on Any;
    }

    section "interfaces", "" {
        CreateNetworkInterface =>
            interface::create_network_interface, on NetworkInterface, fills INTERFACE;
        DescribeNetworkInterfaces => interface::describe_network_interfaces, on Any;
        DeleteNetworkInterface => interface::delete_network_interface, on NetworkInterface;
        ModifyNetworkInterfaceAttribute =>
            interface::modify_network_interface_attribute, on NetworkInterface, fills RULES;
        DescribeNetworkInterfaceAttribute =>
            interface::describe_network_interface_attribute, on NetworkInterface;
    }

    section "route tables", "" {
        CreateRouteTable => route_table::create_route_table, on RouteTable, fills ROUTES;
        DescribeRouteTables => route_table::describe_route_tables, on Any;
        DeleteRouteTable => route_table::delete_route_table, on RouteTable;
        AssociateRouteTable => route_table::associate_route_table, on RouteTable, fills ROUTES;
        DisassociateRouteTable => route_table::disassociate_route_table, on RouteTable;
        ReplaceRouteTableAssociation => route_table::replace_route_table_association, on RouteTable;
        CreateRoute => route_table::create_route, on RouteTable, fills ROUTES;
        ReplaceRoute => route_table::replace_route, on RouteTable;
        DeleteRoute => route_table::delete_route, on RouteTable;
    }

    section "security groups", "" {
        CreateSecurityGroup => security_group::create_security_group, on SecurityGroup, fills RULES;
        DescribeSecurityGroups => security_group::describe_security_groups, on Any;
        DeleteSecurityGroup => security_group::delete_security_group, on SecurityGroup;
        AuthorizeSecurityGroupIngress =>
            security_group::authorize_security_group_ingress, on SecurityGroup, fills RULES;
        AuthorizeSecurityGroupEgress =>
            security_group::authorize_security_group_egress, on SecurityGroup, fills RULES;
        RevokeSecurityGroupIngress =>
            security_group::revoke_security_group_ingress, on SecurityGroup;
        RevokeSecurityGroupEgress => security_group::revoke_security_group_egress, on SecurityGroup;
        DescribeSecurityGroupRules => security_group::describe_security_group_rules, on Any;
        ModifySecurityGroupRules =>
            security_group::modify_security_group_rules, on SecurityGroup, fills RULES;
        UpdateSecurityGroupRuleDescriptionsIngress =>
            security_group::update_security_group_rule_descriptions_ingress, on SecurityGroup;
        UpdateSecurityGroupRuleDescriptionsEgress =>
            security_group::update_security_group_rule_descriptions_egress, on SecurityGroup;
        DescribeSecurityGroupReferences =>
            security_group::describe_security_group_references, on Any;
        DescribeStaleSecurityGroups => security_group::describe_stale_security_groups, on Any;
    }

    section "peering", "" {
        CreateVpcPeeringConnection =>
            peering::create_vpc_peering_connection, on VpcPeeringConnection, fills PEERING;
        AcceptVpcPeeringConnection =>
            peering::accept_vpc_peering_connection, on VpcPeeringConnection, fills PEERING;
        RejectVpcPeeringConnection =>
            peering::reject_vpc_peering_connection, on VpcPeeringConnection;
        DeleteVpcPeeringConnection =>
            peering::delete_vpc_peering_connection, on VpcPeeringConnection;
        DescribeVpcPeeringConnections => peering::describe_vpc_peering_connections, on Any;
        ModifyVpcPeeringConnectionOptions =>
            peering::modify_vpc_peering_connection_options, on VpcPeeringConnection;
    }

    section "places", "" {
        DescribeRegions => region::describe_regions, on Any;
        DescribeAvailabilityZones => region::describe_availability_zones, on Any;
        DescribeAccountAttributes => account_attribute::describe_account_attributes, on Any;
    }

    section "tags", "" {
        CreateTags => tag_operations::create_tags, on Tagged;
        DeleteTags => tag_operations::delete_tags, on Tagged;
        DescribeTags => tag_operations::describe_tags, on Any;
    }
};
