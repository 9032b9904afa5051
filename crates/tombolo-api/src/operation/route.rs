//! From an operation's name to its handler.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tombolo_store::typed::Transaction;

use super::Call;
use crate::ec2::Ec2Error;
use crate::error::{ApiError, CommonError, Refusal, ServiceError};
use crate::gamelift::GameLiftError;
use crate::model::{Document, ServiceName};
use crate::sts::StsError;
use crate::{ec2, gamelift, sts};

/// Matches `operation` against names; each handler's input and output are typed, and its errors are
/// its service's.
macro_rules! serve {
    ($error:ident; $operation:ident, $tx:ident, $call:ident, $input:ident; $($name:literal => $handler:path,)*) => {
        match $operation {
            $($name => {
                let output = $handler($tx, $call, typed::<_, $error>($input)?).await?;
                written::<_, $error>(output)?
            })*
            other => {
                let message = format!("{other} is not served by Tombolo");
                let error = ApiError::<$error>::new(CommonError::NotServed.into(), message);
                return Err(error.into());
            }
        }
    };
}

/// Runs the handler of `operation`.
pub(super) async fn route(
    service: ServiceName,
    operation: &str,
    tx: &mut Transaction,
    call: &Call<'_>,
    input: &Document,
) -> Result<Document, Refusal> {
    let output = match service {
        ServiceName::GameLift => serve! { GameLiftError; operation, tx, call, input;
            "CreateVpcPeeringAuthorization" => gamelift::create_vpc_peering_authorization,
            "DescribeVpcPeeringAuthorizations" => gamelift::describe_vpc_peering_authorizations,
            "DeleteVpcPeeringAuthorization" => gamelift::delete_vpc_peering_authorization,
            "CreateVpcPeeringConnection" => gamelift::create_vpc_peering_connection,
            "DescribeVpcPeeringConnections" => gamelift::describe_vpc_peering_connections,
            "DeleteVpcPeeringConnection" => gamelift::delete_vpc_peering_connection,
            "CreateBuild" => gamelift::create_build,
            "DescribeBuild" => gamelift::describe_build,
            "ListBuilds" => gamelift::list_builds,
            "UpdateBuild" => gamelift::update_build,
            "DeleteBuild" => gamelift::delete_build,
            "RequestUploadCredentials" => gamelift::request_upload_credentials,
            "CreateFleet" => gamelift::create_fleet,
            "DescribeFleetAttributes" => gamelift::describe_fleet_attributes,
            "ListFleets" => gamelift::list_fleets,
            "DescribeFleetEvents" => gamelift::describe_fleet_events,
            "DeleteFleet" => gamelift::delete_fleet,
            "UpdateFleetAttributes" => gamelift::update_fleet_attributes,
            "UpdateFleetCapacity" => gamelift::update_fleet_capacity,
            "DescribeFleetCapacity" => gamelift::describe_fleet_capacity,
            "DescribeFleetUtilization" => gamelift::describe_fleet_utilization,
            "DescribeFleetLocationAttributes" => gamelift::describe_fleet_location_attributes,
            "DescribeFleetLocationCapacity" => gamelift::describe_fleet_location_capacity,
            "DescribeFleetLocationUtilization" => gamelift::describe_fleet_location_utilization,
            "DescribeInstances" => gamelift::describe_instances,
            "DescribeFleetPortSettings" => gamelift::describe_fleet_port_settings,
            "UpdateFleetPortSettings" => gamelift::update_fleet_port_settings,
            "DescribeRuntimeConfiguration" => gamelift::describe_runtime_configuration,
            "UpdateRuntimeConfiguration" => gamelift::update_runtime_configuration,
            "StopFleetActions" => gamelift::stop_fleet_actions,
            "StartFleetActions" => gamelift::start_fleet_actions,
            "PutScalingPolicy" => gamelift::put_scaling_policy,
            "DescribeScalingPolicies" => gamelift::describe_scaling_policies,
            "DeleteScalingPolicy" => gamelift::delete_scaling_policy,
            "ListTagsForResource" => gamelift::list_tags_for_resource,
            "TagResource" => gamelift::tag_resource,
            "UntagResource" => gamelift::untag_resource,
        },
        ServiceName::Ec2 => serve! { Ec2Error; operation, tx, call, input;
            "CreateVpc" => ec2::create_vpc,
            "DescribeVpcs" => ec2::describe_vpcs,
            "DeleteVpc" => ec2::delete_vpc,
            "ModifyVpcAttribute" => ec2::modify_vpc_attribute,
            "DescribeVpcAttribute" => ec2::describe_vpc_attribute,
            "AssociateVpcCidrBlock" => ec2::associate_vpc_cidr_block,
            "DisassociateVpcCidrBlock" => ec2::disassociate_vpc_cidr_block,
            "CreateSubnet" => ec2::create_subnet,
            "DescribeSubnets" => ec2::describe_subnets,
            "DeleteSubnet" => ec2::delete_subnet,
            "ModifySubnetAttribute" => ec2::modify_subnet_attribute,
            "CreateNetworkInterface" => ec2::create_network_interface,
            "DescribeNetworkInterfaces" => ec2::describe_network_interfaces,
            "DeleteNetworkInterface" => ec2::delete_network_interface,
            "ModifyNetworkInterfaceAttribute" => ec2::modify_network_interface_attribute,
            "DescribeNetworkInterfaceAttribute" => ec2::describe_network_interface_attribute,
            "CreateRouteTable" => ec2::create_route_table,
            "DescribeRouteTables" => ec2::describe_route_tables,
            "DeleteRouteTable" => ec2::delete_route_table,
            "AssociateRouteTable" => ec2::associate_route_table,
            "DisassociateRouteTable" => ec2::disassociate_route_table,
            "ReplaceRouteTableAssociation" => ec2::replace_route_table_association,
            "CreateRoute" => ec2::create_route,
            "ReplaceRoute" => ec2::replace_route,
            "DeleteRoute" => ec2::delete_route,
            "DescribeNetworkAcls" => ec2::describe_network_acls,
            "CreateSecurityGroup" => ec2::create_security_group,
            "DescribeSecurityGroups" => ec2::describe_security_groups,
            "DeleteSecurityGroup" => ec2::delete_security_group,
            "AuthorizeSecurityGroupIngress" => ec2::authorize_security_group_ingress,
            "AuthorizeSecurityGroupEgress" => ec2::authorize_security_group_egress,
            "RevokeSecurityGroupIngress" => ec2::revoke_security_group_ingress,
            "RevokeSecurityGroupEgress" => ec2::revoke_security_group_egress,
            "DescribeSecurityGroupRules" => ec2::describe_security_group_rules,
            "ModifySecurityGroupRules" => ec2::modify_security_group_rules,
            "UpdateSecurityGroupRuleDescriptionsIngress" => ec2::update_security_group_rule_descriptions_ingress,
            "UpdateSecurityGroupRuleDescriptionsEgress" => ec2::update_security_group_rule_descriptions_egress,
            "DescribeSecurityGroupReferences" => ec2::describe_security_group_references,
            "DescribeStaleSecurityGroups" => ec2::describe_stale_security_groups,
            "CreateVpcPeeringConnection" => ec2::create_vpc_peering_connection,
            "AcceptVpcPeeringConnection" => ec2::accept_vpc_peering_connection,
            "RejectVpcPeeringConnection" => ec2::reject_vpc_peering_connection,
            "DescribeVpcPeeringConnections" => ec2::describe_vpc_peering_connections,
            "ModifyVpcPeeringConnectionOptions" => ec2::modify_vpc_peering_connection_options,
            "DeleteVpcPeeringConnection" => ec2::delete_vpc_peering_connection,
            "CreateTags" => ec2::create_tags,
            "DeleteTags" => ec2::delete_tags,
            "DescribeTags" => ec2::describe_tags,
            "DescribeAvailabilityZones" => ec2::describe_availability_zones,
            "DescribeRegions" => ec2::describe_regions,
            "DescribeAccountAttributes" => ec2::describe_account_attributes,
        },
        ServiceName::Sts => serve! { StsError; operation, tx, call, input;
            "GetCallerIdentity" => sts::get_caller_identity,
        },
    };
    if service == ServiceName::Ec2 && ec2::is_dry_run(input) {
        return Err(ApiError::dry_run().into());
    }
    Ok(output)
}

fn typed<T: DeserializeOwned, E: ServiceError>(input: &Document) -> Result<T, ApiError<E>> {
    // The model has checked the input, so what fails here is a handler whose input type does not
    // fit the model; the conformance test finds such a one first.
    T::deserialize(input).map_err(|error| ApiError::internal("reading a validated input", error))
}

fn written<T: Serialize, E: ServiceError>(output: T) -> Result<Document, ApiError<E>> {
    serde_json::to_value(output).map_err(|error| ApiError::internal("writing an output", error))
}
