//! EC2's errors, with EC2's codes and, where several operations use them, in EC2's words.
//!
//! Source: "Error codes for the Amazon EC2 API",
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.

use std::fmt;

use tombolo_store::keys::Kind;
use tombolo_store::typed::OverBound;

use crate::error::{ApiError, CommonError, ServiceError, UNAVAILABLE, Wire, kinds, wire};

/// An EC2 request that failed.
pub(crate) type Error = ApiError<Ec2Error>;

/// What EC2's operations answer.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

kinds! {
    /// A kind of resource that an EC2 error code names.
    pub enum Resource {
        /// `vpc-…`
        Vpc,
        /// `subnet-…`
        Subnet,
        /// `eni-…`
        NetworkInterface,
        /// `rtb-…`
        RouteTable,
        /// `rtbassoc-…`
        RouteTableAssociation,
        /// A route, named by its destination.
        Route,
        /// `vpc-cidr-assoc-…`
        VpcCidrAssociation,
        /// `acl-…`
        NetworkAcl,
        /// `sg-…`
        SecurityGroup,
        /// `sgr-…`
        SecurityGroupRule,
        /// `pcx-…`
        VpcPeeringConnection,
    }
}

kinds! {
    /// Why EC2 refuses.
    pub enum Ec2Error {
        /// Nothing of EC2's own.
        Common(CommonError),
        /// There is no such resource, or not for this caller.
        NotFound(Resource),
        /// The text cannot be the id of such a resource.
        MalformedId(Resource),
        /// Another request changed the resource, or it already exists.
        Conflict,
        /// A value makes no sense where it stands.
        InvalidParameterValue,
        /// Parameters that exclude each other.
        InvalidParameterCombination,
        /// A parameter or a value of EC2's that Tombolo does not have.
        UnsupportedOperation,
        /// More filter values than one request may have.
        FilterLimitExceeded,
        /// A client token that another request, with other parameters, has used.
        IdempotentParameterMismatch,
        /// A page token that this server did not issue for this request.
        InvalidNextToken,
        /// A VPC's CIDR block is not between /16 and /28.
        InvalidVpcRange,
        /// A subnet's CIDR block is not within its VPC's, or has a size EC2 refuses.
        InvalidSubnetRange,
        /// A subnet's CIDR block overlaps another subnet's.
        SubnetConflict,
        /// Something still uses the resource.
        DependencyViolation,
        /// The resource is not in a state from which the operation leads on.
        InvalidStateTransition,
        /// The two VPCs have a peering connection already.
        PeeringAlreadyExists,
        /// An account has made as many requests for peering connections as may be unanswered.
        OutstandingPeeringLimitExceeded,
        /// A VPC has as many active peering connections as it may have.
        PeeringsPerVpcLimitExceeded,
        /// Both VPCs of a peering connection need DNS hostnames.
        DnsHostnamesDisabled,
        /// The resource is of a kind that the operation leaves alone, or the caller is not the owner
        /// who may.
        OperationNotPermitted,
        /// The route table has a route to the destination.
        RouteAlreadyExists,
        /// The subnet has a route table of its own.
        AlreadyAssociated,
        /// A route table has as many routes as it may have.
        RouteLimitExceeded,
        /// A VPC has as many route tables as it may have.
        RouteTableLimitExceeded,
        /// A VPC has as many CIDR blocks as it may have.
        CidrLimitExceeded,
        /// A VPC was not named, and there is no default one.
        VpcIdNotSpecified,
        /// The VPC has a security group of that name.
        InvalidGroupDuplicate,
        /// A resource that was made with another is deleted only with it.
        CannotDelete,
        /// The security group has such a rule.
        InvalidPermissionDuplicate,
        /// The security group has no such rule.
        InvalidPermissionNotFound,
        /// A rule that does not say whom it lets through.
        InvalidPermissionMalformed,
        /// A security group has as many rules as it may have.
        RulesPerSecurityGroupLimitExceeded,
        /// More security groups than a network interface may carry.
        SecurityGroupsPerInterfaceLimitExceeded,
        /// An account has as many security groups as it may have in a Region.
        SecurityGroupLimitExceeded,
        /// An account has as many VPCs as it may have in a Region.
        VpcLimitExceeded,
        /// A VPC has as many subnets as it may have.
        SubnetLimitExceeded,
        /// An account has as many network interfaces as it may have in a Region.
        NetworkInterfaceLimitExceeded,
        /// An account has as many as it may have of something for which EC2 has no code of its own.
        ResourceLimitExceeded,
        /// The private address is taken.
        AddressInUse,
        /// The subnet has no free address.
        InsufficientFreeAddresses,
        /// The network interface is attached.
        NetworkInterfaceInUse,
        /// More tags than a resource may carry.
        TagLimitExceeded,
        /// An id of no kind that can be tagged.
        InvalidId,
        /// The request was right, and `DryRun` asked not to carry it out.
        DryRunOperation,
    }
}

impl ServiceError for Ec2Error {
    fn wire(self) -> Wire {
        match self {
            Ec2Error::Common(kind) => common(kind),
            Ec2Error::NotFound(resource) => wire(resource.not_found(), 400),
            Ec2Error::MalformedId(resource) => wire(resource.malformed(), 400),
            Ec2Error::Conflict => wire("IncorrectState", 400),
            Ec2Error::InvalidParameterValue => wire("InvalidParameterValue", 400),
            Ec2Error::InvalidParameterCombination => wire("InvalidParameterCombination", 400),
            Ec2Error::UnsupportedOperation => wire("UnsupportedOperation", 400),
            Ec2Error::FilterLimitExceeded => wire("FilterLimitExceeded", 400),
            Ec2Error::IdempotentParameterMismatch => wire("IdempotentParameterMismatch", 400),
            Ec2Error::InvalidNextToken => wire("InvalidNextToken", 400),
            Ec2Error::InvalidVpcRange => wire("InvalidVpc.Range", 400),
            Ec2Error::InvalidSubnetRange => wire("InvalidSubnet.Range", 400),
            Ec2Error::SubnetConflict => wire("InvalidSubnet.Conflict", 400),
            Ec2Error::DependencyViolation => wire("DependencyViolation", 400),
            Ec2Error::InvalidStateTransition => wire("InvalidStateTransition", 400),
            Ec2Error::PeeringAlreadyExists => wire("VpcPeeringConnectionAlreadyExists", 400),
            Ec2Error::OutstandingPeeringLimitExceeded => {
                wire("OutstandingVpcPeeringConnectionLimitExceeded", 400)
            }
            Ec2Error::PeeringsPerVpcLimitExceeded => {
                wire("VpcPeeringConnectionsPerVpcLimitExceeded", 400)
            }
            Ec2Error::DnsHostnamesDisabled => {
                wire("InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", 400)
            }
            Ec2Error::OperationNotPermitted => wire("OperationNotPermitted", 400),
            Ec2Error::RouteAlreadyExists => wire("RouteAlreadyExists", 400),
            Ec2Error::AlreadyAssociated => wire("Resource.AlreadyAssociated", 400),
            Ec2Error::RouteLimitExceeded => wire("RouteLimitExceeded", 400),
            Ec2Error::RouteTableLimitExceeded => wire("RouteTableLimitExceeded", 400),
            Ec2Error::CidrLimitExceeded => wire("CidrLimitExceeded", 400),
            Ec2Error::VpcIdNotSpecified => wire("VPCIdNotSpecified", 400),
            Ec2Error::InvalidGroupDuplicate => wire("InvalidGroup.Duplicate", 400),
            Ec2Error::CannotDelete => wire("CannotDelete", 400),
            Ec2Error::InvalidPermissionDuplicate => wire("InvalidPermission.Duplicate", 400),
            Ec2Error::InvalidPermissionNotFound => wire("InvalidPermission.NotFound", 400),
            Ec2Error::InvalidPermissionMalformed => wire("InvalidPermission.Malformed", 400),
            Ec2Error::RulesPerSecurityGroupLimitExceeded => {
                wire("RulesPerSecurityGroupLimitExceeded", 400)
            }
            Ec2Error::SecurityGroupsPerInterfaceLimitExceeded => {
                wire("SecurityGroupsPerInterfaceLimitExceeded", 400)
            }
            Ec2Error::SecurityGroupLimitExceeded => wire("SecurityGroupLimitExceeded", 400),
            Ec2Error::VpcLimitExceeded => wire("VpcLimitExceeded", 400),
            Ec2Error::SubnetLimitExceeded => wire("SubnetLimitExceeded", 400),
            Ec2Error::NetworkInterfaceLimitExceeded => wire("NetworkInterfaceLimitExceeded", 400),
            Ec2Error::ResourceLimitExceeded => wire("ResourceLimitExceeded", 400),
            Ec2Error::AddressInUse => wire("InvalidIPAddress.InUse", 400),
            Ec2Error::InsufficientFreeAddresses => wire("InsufficientFreeAddressesInSubnet", 400),
            Ec2Error::NetworkInterfaceInUse => wire("InvalidNetworkInterface.InUse", 400),
            Ec2Error::TagLimitExceeded => wire("TagLimitExceeded", 400),
            Ec2Error::InvalidId => wire("InvalidID", 400),
            Ec2Error::DryRunOperation => wire("DryRunOperation", 412),
        }
    }

    fn over_bound(over: &OverBound, _: bool) -> Self {
        match over.kind {
            Kind::Vpc => Ec2Error::VpcLimitExceeded,
            Kind::Subnet => Ec2Error::SubnetLimitExceeded,
            Kind::NetworkInterface => Ec2Error::NetworkInterfaceLimitExceeded,
            Kind::RouteTable => Ec2Error::RouteTableLimitExceeded,
            Kind::SecurityGroup => Ec2Error::SecurityGroupLimitExceeded,
            // EC2 has a code for peering connections of one VPC only; this is its general one.
            _ => Ec2Error::ResourceLimitExceeded,
        }
    }
}

fn common(kind: CommonError) -> Wire {
    match kind {
        CommonError::UnknownOperation => wire("InvalidAction", 400),
        CommonError::NotServed => wire("NotImplemented", 501),
        CommonError::Serialization => wire("MalformedQueryString", 400),
        CommonError::UnsupportedMediaType => wire("UnsupportedMediaType", 415),
        CommonError::RequestTooLarge => wire("RequestEntityTooLarge", 413),
        CommonError::Validation => wire("InvalidParameterValue", 400),
        CommonError::MissingParameter => wire("MissingParameter", 400),
        CommonError::MissingAuthenticationToken => wire("MissingAuthenticationToken", 403),
        CommonError::UnrecognizedClient => wire("AuthFailure", 401),
        CommonError::InvalidToken => wire("AuthFailure", 401),
        CommonError::ExpiredToken => wire("RequestExpired", 400),
        CommonError::SignatureMismatch => wire("SignatureDoesNotMatch", 403),
        CommonError::IncompleteSignature => wire("IncompleteSignature", 400),
        CommonError::RequestExpired => wire("RequestExpired", 400),
        CommonError::AccessDenied => wire("UnauthorizedOperation", 403),
        CommonError::InsufficientCapacity => wire("ResourceLimitExceeded", 400),
        CommonError::Throttling => wire("RequestLimitExceeded", 503),
        CommonError::Busy => UNAVAILABLE,
        CommonError::Internal => wire("InternalError", 500),
    }
}

impl From<CommonError> for Ec2Error {
    fn from(kind: CommonError) -> Self {
        Ec2Error::Common(kind)
    }
}

impl Resource {
    // EC2 spells `ID` and `Id` differently from resource to resource; these are its spellings.
    fn not_found(self) -> &'static str {
        match self {
            Resource::Vpc => "InvalidVpcID.NotFound",
            Resource::Subnet => "InvalidSubnetID.NotFound",
            Resource::NetworkInterface => "InvalidNetworkInterfaceID.NotFound",
            Resource::RouteTable => "InvalidRouteTableID.NotFound",
            Resource::RouteTableAssociation => "InvalidAssociationID.NotFound",
            Resource::Route => "InvalidRoute.NotFound",
            Resource::VpcCidrAssociation => "InvalidVpcCidrBlockAssociationID.NotFound",
            Resource::NetworkAcl => "InvalidNetworkAclID.NotFound",
            Resource::SecurityGroup => "InvalidGroup.NotFound",
            Resource::SecurityGroupRule => "InvalidSecurityGroupRuleId.NotFound",
            Resource::VpcPeeringConnection => "InvalidVpcPeeringConnectionID.NotFound",
        }
    }

    fn malformed(self) -> &'static str {
        match self {
            Resource::Vpc => "InvalidVpcID.Malformed",
            Resource::Subnet => "InvalidSubnetID.Malformed",
            Resource::NetworkInterface => "InvalidNetworkInterfaceId.Malformed",
            Resource::RouteTable => "InvalidRouteTableId.Malformed",
            Resource::RouteTableAssociation => "InvalidAssociationID.Malformed",
            Resource::Route => "InvalidRoute.Malformed",
            Resource::VpcCidrAssociation => "InvalidVpcCidrBlockAssociationID.Malformed",
            Resource::NetworkAcl => "InvalidNetworkAclId.Malformed",
            Resource::SecurityGroup => "InvalidGroupId.Malformed",
            Resource::SecurityGroupRule => "InvalidSecurityGroupRuleId.Malformed",
            Resource::VpcPeeringConnection => "InvalidVpcPeeringConnectionId.Malformed",
        }
    }
}

impl Error {
    /// [`Ec2Error::NotFound`] in EC2's words: `The vpc ID 'vpc-0' does not exist`.
    pub(crate) fn no_such(resource: Resource, id: impl fmt::Display) -> Self {
        let message = match resource {
            Resource::Vpc => format!("The vpc ID '{id}' does not exist"),
            Resource::Subnet => format!("The subnet ID '{id}' does not exist"),
            Resource::NetworkInterface => {
                format!("The networkInterface ID '{id}' does not exist")
            }
            Resource::RouteTable => format!("The routeTable ID '{id}' does not exist"),
            Resource::RouteTableAssociation => {
                format!("The association ID '{id}' does not exist")
            }
            Resource::Route => format!("The route to '{id}' does not exist"),
            Resource::VpcCidrAssociation => {
                format!("The vpc CIDR block association ID '{id}' does not exist")
            }
            Resource::NetworkAcl => format!("The networkAcl ID '{id}' does not exist"),
            Resource::SecurityGroup => format!("The security group '{id}' does not exist"),
            Resource::SecurityGroupRule => {
                format!("The security group rule ID '{id}' does not exist")
            }
            Resource::VpcPeeringConnection => {
                format!("The vpcPeeringConnection ID '{id}' does not exist")
            }
        };
        Self::new(Ec2Error::NotFound(resource), message)
    }

    /// [`Ec2Error::MalformedId`] in EC2's words: `Invalid id: "x" (expecting "vpc-...")`.
    pub(crate) fn malformed_id(resource: Resource, id: impl fmt::Display, prefix: &str) -> Self {
        Self::new(
            Ec2Error::MalformedId(resource),
            format!("Invalid id: \"{id}\" (expecting \"{prefix}...\")"),
        )
    }

    /// EC2's answer to a right request with `DryRun`.
    pub(crate) fn dry_run() -> Self {
        Self::new(
            Ec2Error::DryRunOperation,
            "Request would have succeeded, but DryRun flag is set.",
        )
    }
}
