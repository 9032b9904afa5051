//! GameLift's operations: its table.

use super::error::GameLiftError;
use super::{authorization, build, connection, fleet, tag};
use crate::operation::Operation;
use crate::operation::capacity::{FLEET, INTERFACE, PEERING, RULES};
use crate::operation::definition::operations;

/// Every operation of the service that is served, in the order of the user docs.
pub static OPERATIONS: &[Operation] = operations! {
    GameLift "gamelift", errors GameLiftError, commits always;

    section "peering", "" {
        CreateVpcPeeringAuthorization =>
            authorization::create_vpc_peering_authorization, writes on Any;
        DescribeVpcPeeringAuthorizations =>
            authorization::describe_vpc_peering_authorizations, reads on Any;
        DeleteVpcPeeringAuthorization =>
            authorization::delete_vpc_peering_authorization, writes on Any;
        CreateVpcPeeringConnection =>
            connection::create_vpc_peering_connection, starts on Fleet, fills PEERING;
        DescribeVpcPeeringConnections => connection::describe_vpc_peering_connections, reads on Any;
        DeleteVpcPeeringConnection => connection::delete_vpc_peering_connection, starts on Fleet;
    }

    section "builds",
        "files come by `aws gamelift upload-build`, from an object of the account's own, or by \
         `tombolo build import`"
    {
        CreateBuild => build::create_build, writes on Build;
        DescribeBuild => build::describe_build, reads on Build;
        ListBuilds => build::list_builds, reads on Any;
        UpdateBuild => build::update_build, writes on Build;
        DeleteBuild => build::delete_build, writes on Build;
        RequestUploadCredentials => build::request_upload_credentials, writes on Build;
    }

    section "fleets", "" {
        CreateFleet =>
            fleet::create_fleet, starts on Fleet, fills FLEET, raises LimitExceeded, shows only [
                "RuntimeConfiguration.GameSessionActivationTimeoutSeconds",
                "RuntimeConfiguration.MaxConcurrentGameSessionActivations",
            ];
        DescribeFleetAttributes => fleet::describe_fleet_attributes, reads on Fleet;
        UpdateFleetAttributes =>
            fleet::update_fleet_attributes, writes on Fleet, raises LimitExceeded;
        ListFleets => fleet::list_fleets, reads on Any;
        DescribeFleetEvents => fleet::describe_fleet_events, reads on Fleet;
        DeleteFleet => fleet::delete_fleet, starts on Fleet;
        DescribeFleetLocationAttributes =>
            fleet::describe_fleet_location_attributes, reads on Fleet;
    }

    section "instances", "" {
        DescribeInstances => fleet::describe_instances, reads on Fleet;
        UpdateFleetCapacity =>
            fleet::update_fleet_capacity, starts on Fleet, fills INTERFACE, raises LimitExceeded;
        DescribeFleetCapacity => fleet::describe_fleet_capacity, reads on Fleet;
        DescribeFleetLocationCapacity => fleet::describe_fleet_location_capacity, reads on Fleet;
        DescribeFleetUtilization => fleet::describe_fleet_utilization, reads on Fleet;
        DescribeFleetLocationUtilization =>
            fleet::describe_fleet_location_utilization, reads on Fleet;
        DescribeRuntimeConfiguration => fleet::describe_runtime_configuration, reads on Fleet;
        UpdateRuntimeConfiguration =>
            fleet::update_runtime_configuration, writes on Fleet, raises LimitExceeded, shows only [
                "RuntimeConfiguration.GameSessionActivationTimeoutSeconds",
                "RuntimeConfiguration.MaxConcurrentGameSessionActivations",
            ];
        DescribeFleetPortSettings => fleet::describe_fleet_port_settings, reads on Fleet;
        UpdateFleetPortSettings =>
            fleet::update_fleet_port_settings, writes on Fleet, fills RULES, raises LimitExceeded;
    }

    section "scaling", "" {
        PutScalingPolicy => fleet::put_scaling_policy, starts on Fleet;
        DescribeScalingPolicies => fleet::describe_scaling_policies, reads on Fleet;
        DeleteScalingPolicy => fleet::delete_scaling_policy, writes on Fleet;
        StopFleetActions => fleet::stop_fleet_actions, writes on Fleet;
        StartFleetActions => fleet::start_fleet_actions, writes on Fleet;
    }

    section "tags", "" {
        ListTagsForResource => tag::list_tags_for_resource, reads on Tagged;
        TagResource => tag::tag_resource, writes on Tagged;
        UntagResource => tag::untag_resource, writes on Tagged;
    }
};
