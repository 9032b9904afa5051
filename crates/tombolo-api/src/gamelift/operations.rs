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
        CreateVpcPeeringAuthorization => authorization::create_vpc_peering_authorization, on Any;
        DescribeVpcPeeringAuthorizations =>
            authorization::describe_vpc_peering_authorizations, on Any;
        DeleteVpcPeeringAuthorization => authorization::delete_vpc_peering_authorization, on Any;
        CreateVpcPeeringConnection =>
            connection::create_vpc_peering_connection, on Fleet, fills PEERING;
        DescribeVpcPeeringConnections => connection::describe_vpc_peering_connections, on Any;
        DeleteVpcPeeringConnection => connection::delete_vpc_peering_connection, on Fleet;
    }

    section "builds",
        "files come by `aws gamelift upload-build`, from an object of the account's own, or by \
         `tombolo build import`"
    {
        CreateBuild => build::create_build, on Build;
        DescribeBuild => build::describe_build, on Build;
        ListBuilds => build::list_builds, on Any;
        UpdateBuild => build::update_build, on Build;
        DeleteBuild => build::delete_build, on Build;
        RequestUploadCredentials => build::request_upload_credentials, on Build;
    }

    section "fleets", "" {
        CreateFleet =>
            fleet::create_fleet, on Fleet, fills FLEET, raises LimitExceeded, shows only [
                "RuntimeConfiguration.GameSessionActivationTimeoutSeconds",
                "RuntimeConfiguration.MaxConcurrentGameSessionActivations",
            ];
        DescribeFleetAttributes => fleet::describe_fleet_attributes, on Fleet;
        UpdateFleetAttributes => fleet::update_fleet_attributes, on Fleet, raises LimitExceeded;
        ListFleets => fleet::list_fleets, on Any;
        DescribeFleetEvents => fleet::describe_fleet_events, on Fleet;
        DeleteFleet => fleet::delete_fleet, on Fleet;
        DescribeFleetLocationAttributes => fleet::describe_fleet_location_attributes, on Fleet;
    }

    section "instances", "" {
        DescribeInstances => fleet::describe_instances, on Fleet;
        UpdateFleetCapacity => fleet::update_fleet_capacity, on Fleet, fills INTERFACE, raises LimitExceeded;
        DescribeFleetCapacity => fleet::describe_fleet_capacity, on Fleet;
        DescribeFleetLocationCapacity => fleet::describe_fleet_location_capacity, on Fleet;
        DescribeFleetUtilization => fleet::describe_fleet_utilization, on Fleet;
        DescribeFleetLocationUtilization => fleet::describe_fleet_location_utilization, on Fleet;
        DescribeRuntimeConfiguration => fleet::describe_runtime_configuration, on Fleet;
        UpdateRuntimeConfiguration =>
            fleet::update_runtime_configuration, on Fleet, raises LimitExceeded, shows only [
                "RuntimeConfiguration.GameSessionActivationTimeoutSeconds",
                "RuntimeConfiguration.MaxConcurrentGameSessionActivations",
            ];
        DescribeFleetPortSettings => fleet::describe_fleet_port_settings, on Fleet;
        UpdateFleetPortSettings =>
            fleet::update_fleet_port_settings, on Fleet, fills RULES, raises LimitExceeded;
    }

    section "scaling", "" {
        PutScalingPolicy => fleet::put_scaling_policy, on Fleet;
        DescribeScalingPolicies => fleet::describe_scaling_policies, on Fleet;
        DeleteScalingPolicy => fleet::delete_scaling_policy, on Fleet;
        StopFleetActions => fleet::stop_fleet_actions, on Fleet;
        StartFleetActions => fleet::start_fleet_actions, on Fleet;
    }

    section "tags", "" {
        ListTagsForResource => tag::list_tags_for_resource, on Tagged;
        TagResource => tag::tag_resource, on Tagged;
        UntagResource => tag::untag_resource, on Tagged;
    }
};
