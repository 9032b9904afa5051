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
        CreateVpc => vpc::create_vpc, writes on Vpc, fills ROUTES;
        DescribeVpcs => vpc::describe_vpcs, reads on Any;
        DeleteVpc => vpc::delete_vpc, writes on Vpc;
        AssociateVpcCidrBlock => vpc::associate_vpc_cidr_block, writes on Vpc, fills ROUTES;
        DisassociateVpcCidrBlock => vpc::disassociate_vpc_cidr_block, writes on Vpc;
        ModifyVpcAttribute => vpc::modify_vpc_attribute, writes on Vpc;
        DescribeVpcAttribute => vpc::describe_vpc_attribute, reads on Vpc;
        CreateSubnet => subnet::create_subnet, writes on Subnet;
        DescribeSubnets => subnet::describe_subnets, reads on Any;
        DeleteSubnet => subnet::delete_subnet, writes on Subnet;
        ModifySubnetAttribute => subnet::modify_subnet_attribute, writes on Subnet;
        DescribeNetworkAcls => network_acl::describe_network_acls, reads on Any;
    }

    section "interfaces", "" {
        CreateNetworkInterface =>
            interface::create_network_interface, writes on NetworkInterface, fills INTERFACE;
        DescribeNetworkInterfaces => interface::describe_network_interfaces, reads on Any;
        DeleteNetworkInterface => interface::delete_network_interface, writes on NetworkInterface;
        ModifyNetworkInterfaceAttribute =>
            interface::modify_network_interface_attribute, writes on NetworkInterface, fills RULES;
        DescribeNetworkInterfaceAttribute =>
            interface::describe_network_interface_attribute, reads on NetworkInterface;
    }

    section "route tables", "" {
        CreateRouteTable => route_table::create_route_table, writes on RouteTable, fills ROUTES;
        DescribeRouteTables => route_table::describe_route_tables, reads on Any;
        DeleteRouteTable => route_table::delete_route_table, writes on RouteTable;
        AssociateRouteTable =>
            route_table::associate_route_table, writes on RouteTable, fills ROUTES;
        DisassociateRouteTable => route_table::disassociate_route_table, writes on RouteTable;
        ReplaceRouteTableAssociation =>
            route_table::replace_route_table_association, writes on RouteTable;
        CreateRoute => route_table::create_route, writes on RouteTable, fills ROUTES;
        ReplaceRoute => route_table::replace_route, writes on RouteTable;
        DeleteRoute => route_table::delete_route, writes on RouteTable;
    }

    section "security groups", "" {
        CreateSecurityGroup =>
            security_group::create_security_group, writes on SecurityGroup, fills RULES;
        DescribeSecurityGroups => security_group::describe_security_groups, reads on Any;
        DeleteSecurityGroup => security_group::delete_security_group, writes on SecurityGroup;
        AuthorizeSecurityGroupIngress =>
            security_group::authorize_security_group_ingress, writes on SecurityGroup, fills RULES;
        AuthorizeSecurityGroupEgress =>
            security_group::authorize_security_group_egress, writes on SecurityGroup, fills RULES;
        RevokeSecurityGroupIngress =>
            security_group::revoke_security_group_ingress, writes on SecurityGroup;
        RevokeSecurityGroupEgress =>
            security_group::revoke_security_group_egress, writes on SecurityGroup;
        DescribeSecurityGroupRules => security_group::describe_security_group_rules, reads on Any;
        ModifySecurityGroupRules =>
            security_group::modify_security_group_rules, writes on SecurityGroup, fills RULES;
        UpdateSecurityGroupRuleDescriptionsIngress =>
            security_group::update_security_group_rule_descriptions_ingress,
                writes on SecurityGroup;
        UpdateSecurityGroupRuleDescriptionsEgress =>
            security_group::update_security_group_rule_descriptions_egress, writes on SecurityGroup;
        DescribeSecurityGroupReferences =>
            security_group::describe_security_group_references, reads on Any;
        DescribeStaleSecurityGroups => security_group::describe_stale_security_groups, reads on Any;
    }

    section "peering", "" {
        CreateVpcPeeringConnection =>
            peering::create_vpc_peering_connection, starts on VpcPeeringConnection, fills PEERING;
        AcceptVpcPeeringConnection =>
            peering::accept_vpc_peering_connection, starts on VpcPeeringConnection, fills PEERING;
        RejectVpcPeeringConnection =>
            peering::reject_vpc_peering_connection, starts on VpcPeeringConnection;
        DeleteVpcPeeringConnection =>
            peering::delete_vpc_peering_connection, starts on VpcPeeringConnection;
        DescribeVpcPeeringConnections => peering::describe_vpc_peering_connections, reads on Any;
        ModifyVpcPeeringConnectionOptions =>
            peering::modify_vpc_peering_connection_options, writes on VpcPeeringConnection;
    }

    section "places", "" {
        DescribeRegions => region::describe_regions, reads on Any;
        DescribeAvailabilityZones => region::describe_availability_zones, reads on Any;
        DescribeAccountAttributes => account_attribute::describe_account_attributes, reads on Any;
    }

    section "tags", "" {
        CreateTags => tag_operations::create_tags, writes on Tagged;
        DeleteTags => tag_operations::delete_tags, writes on Tagged;
        DescribeTags => tag_operations::describe_tags, reads on Any;
    }
};
