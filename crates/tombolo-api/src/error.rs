//! Every way a request can fail, and the one table that gives each its code and HTTP status in
//! each service.
//!
//! Handlers say what happened ([`ErrorKind`]) and with which values (the message). What a client
//! sees is decided here and nowhere else: the same missing VPC is `NotFoundException` to a
//! GameLift client and `InvalidVpcID.NotFound` with EC2.

use std::error::Error;
use std::fmt;

use crate::model::ServiceName;

/// A kind of resource that an EC2 error code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
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
    /// Whatever else has an id.
    Other,
}

/// What went wrong, independent of protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    // The request cannot be read.
    /// No such operation in the service's model.
    UnknownOperation,
    /// The service has the operation, Tombolo does not serve it.
    NotServed,
    /// The body or query is not what the protocol prescribes.
    Serialization,
    /// The content type is not the protocol's.
    UnsupportedMediaType,
    /// The body is over the limit.
    RequestTooLarge,
    /// A member breaks a constraint of the model.
    Validation,
    /// A member that must be there is not.
    MissingParameter,

    // The caller cannot be believed.
    /// No signature at all.
    MissingAuthenticationToken,
    /// The access key id is not known.
    UnrecognizedClient,
    /// The session token is not the access key's: a temporary credential needs its own, and an
    /// access key has none.
    InvalidToken,
    /// The temporary credential's time is over.
    ExpiredToken,
    /// The signature is not the one that the secret key makes.
    SignatureMismatch,
    /// The signature lacks a part, or a part cannot be read.
    IncompleteSignature,
    /// The signature's time is too far from now.
    RequestExpired,
    /// The caller is who it says, and may not do this.
    AccessDenied,

    // The operation refuses.
    /// The request cannot be carried out as it stands.
    InvalidRequest,
    /// There is no such resource, or not for this caller.
    NotFound(ResourceKind),
    /// The text cannot be the id of such a resource.
    MalformedId(ResourceKind),
    /// A valid authorization is missing.
    Unauthorized,
    /// Another request changed the resource, or it already exists.
    Conflict,
    /// The fleet's status forbids the operation.
    InvalidFleetStatus,
    /// A resource that the operation needs is not ready.
    NotReady,
    /// An account's quota is used up.
    LimitExceeded,
    /// Tags could not be written.
    TaggingFailed,
    /// The Region or location is not one of this server's.
    UnsupportedRegion,

    // EC2's own.
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
    /// What came with another resource goes only with it.
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

    /// The network has no room for what the operation would add.
    NoRoom,
    /// Others kept changing the same resources; nothing is wrong with the request, and clients send
    /// it again by themselves.
    Busy,
    /// Ours. The client learns the request id only; the log has the chain.
    Internal,
}

/// An error code and the HTTP status it travels with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The code without namespace, such as `NotFoundException`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
}

/// Of the common errors of all AWS services, the one for a moment's trouble. botocore and the SDKs
/// for Rust and JavaScript retry every reply of status 503.
const BUSY: &str = "ServiceUnavailable";

const fn wire(code: &'static str, status: u16) -> Wire {
    Wire { code, status }
}

impl ErrorKind {
    /// The table. Sources: GameLift's model and its API reference (all of its exceptions are 400
    /// except `InternalServiceException`), EC2's "Error codes for the Amazon EC2 API", "Common
    /// error types" of STS.
    pub fn wire(self, service: ServiceName) -> Wire {
        match service {
            ServiceName::GameLift => self.gamelift(),
            ServiceName::Ec2 => self.ec2(),
            ServiceName::Sts => self.sts(),
        }
    }

    /// The table's column for Amazon S3, which has no model here: what can be wrong with a request
    /// before it is one of S3's operations. Source: S3's "Error responses".
    pub fn s3(self) -> Wire {
        use ErrorKind::*;
        match self {
            MissingAuthenticationToken | AccessDenied => wire("AccessDenied", 403),
            UnrecognizedClient => wire("InvalidAccessKeyId", 403),
            InvalidToken => wire("InvalidToken", 400),
            ExpiredToken => wire("ExpiredToken", 400),
            SignatureMismatch => wire("SignatureDoesNotMatch", 403),
            IncompleteSignature => wire("AuthorizationHeaderMalformed", 400),
            RequestExpired => wire("RequestTimeTooSkewed", 403),
            Busy => wire(BUSY, 503),
            Internal => wire("InternalError", 500),
            _ => wire("InvalidRequest", 400),
        }
    }

    fn gamelift(self) -> Wire {
        use ErrorKind::*;
        match self {
            UnknownOperation => wire("UnknownOperationException", 400),
            NotServed => wire("NotImplementedException", 501),
            Serialization => wire("SerializationException", 400),
            UnsupportedMediaType => wire("UnsupportedMediaTypeException", 415),
            RequestTooLarge => wire("RequestEntityTooLargeException", 413),
            MissingAuthenticationToken => wire("MissingAuthenticationTokenException", 400),
            UnrecognizedClient | InvalidToken => wire("UnrecognizedClientException", 400),
            ExpiredToken => wire("ExpiredTokenException", 400),
            SignatureMismatch | RequestExpired => wire("InvalidSignatureException", 400),
            IncompleteSignature => wire("IncompleteSignatureException", 400),
            AccessDenied => wire("AccessDeniedException", 400),
            NotFound(_) => wire("NotFoundException", 400),
            Unauthorized => wire("UnauthorizedException", 400),
            Conflict => wire("ConflictException", 400),
            InvalidFleetStatus => wire("InvalidFleetStatusException", 400),
            NotReady => wire("NotReadyException", 400),
            LimitExceeded => wire("LimitExceededException", 400),
            TaggingFailed | TagLimitExceeded => wire("TaggingFailedException", 400),
            UnsupportedRegion => wire("UnsupportedRegionException", 400),
            Busy => wire(BUSY, 503),
            Internal => wire("InternalServiceException", 500),
            Validation
            | MissingParameter
            | InvalidRequest
            | MalformedId(_)
            | InvalidParameterValue
            | InvalidParameterCombination
            | UnsupportedOperation
            | FilterLimitExceeded
            | IdempotentParameterMismatch
            | InvalidNextToken
            | InvalidVpcRange
            | InvalidSubnetRange
            | SubnetConflict
            | DependencyViolation
            | InvalidStateTransition
            | PeeringAlreadyExists
            | OutstandingPeeringLimitExceeded
            | PeeringsPerVpcLimitExceeded
            | DnsHostnamesDisabled
            | OperationNotPermitted
            | RouteAlreadyExists
            | AlreadyAssociated
            | RouteLimitExceeded
            | RouteTableLimitExceeded
            | CidrLimitExceeded
            | VpcIdNotSpecified
            | InvalidGroupDuplicate
            | CannotDelete
            | InvalidPermissionDuplicate
            | InvalidPermissionNotFound
            | InvalidPermissionMalformed
            | RulesPerSecurityGroupLimitExceeded
            | SecurityGroupsPerInterfaceLimitExceeded
            | SecurityGroupLimitExceeded
            | AddressInUse
            | InsufficientFreeAddresses
            | NetworkInterfaceInUse
            | InvalidId
            | NoRoom
            | DryRunOperation => wire("InvalidRequestException", 400),
        }
    }

    fn ec2(self) -> Wire {
        use ErrorKind::*;
        match self {
            UnknownOperation => wire("InvalidAction", 400),
            NotServed => wire("NotImplemented", 501),
            Serialization => wire("MalformedQueryString", 400),
            UnsupportedMediaType => wire("UnsupportedMediaType", 415),
            RequestTooLarge => wire("RequestEntityTooLarge", 413),
            MissingParameter => wire("MissingParameter", 400),
            MissingAuthenticationToken => wire("MissingAuthenticationToken", 403),
            UnrecognizedClient | InvalidToken => wire("AuthFailure", 401),
            ExpiredToken => wire("RequestExpired", 400),
            SignatureMismatch => wire("SignatureDoesNotMatch", 403),
            IncompleteSignature => wire("IncompleteSignature", 400),
            RequestExpired => wire("RequestExpired", 400),
            AccessDenied | Unauthorized => wire("UnauthorizedOperation", 403),
            InvalidRequest => wire("InvalidRequest", 400),
            NotFound(resource) => wire(resource.not_found(), 400),
            MalformedId(resource) => wire(resource.malformed(), 400),
            Conflict => wire("IncorrectState", 400),
            InvalidFleetStatus | NotReady => wire("IncorrectState", 400),
            LimitExceeded => wire("ResourceLimitExceeded", 400),
            TaggingFailed => wire("InvalidRequest", 400),
            UnsupportedRegion => wire("UnsupportedOperation", 400),
            Validation | InvalidParameterValue => wire("InvalidParameterValue", 400),
            InvalidParameterCombination => wire("InvalidParameterCombination", 400),
            UnsupportedOperation => wire("UnsupportedOperation", 400),
            FilterLimitExceeded => wire("FilterLimitExceeded", 400),
            IdempotentParameterMismatch => wire("IdempotentParameterMismatch", 400),
            InvalidNextToken => wire("InvalidNextToken", 400),
            InvalidVpcRange => wire("InvalidVpc.Range", 400),
            InvalidSubnetRange => wire("InvalidSubnet.Range", 400),
            SubnetConflict => wire("InvalidSubnet.Conflict", 400),
            DependencyViolation => wire("DependencyViolation", 400),
            InvalidStateTransition => wire("InvalidStateTransition", 400),
            PeeringAlreadyExists => wire("VpcPeeringConnectionAlreadyExists", 400),
            OutstandingPeeringLimitExceeded => {
                wire("OutstandingVpcPeeringConnectionLimitExceeded", 400)
            }
            PeeringsPerVpcLimitExceeded => wire("VpcPeeringConnectionsPerVpcLimitExceeded", 400),
            DnsHostnamesDisabled => {
                wire("InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", 400)
            }
            OperationNotPermitted => wire("OperationNotPermitted", 400),
            RouteAlreadyExists => wire("RouteAlreadyExists", 400),
            AlreadyAssociated => wire("Resource.AlreadyAssociated", 400),
            RouteLimitExceeded => wire("RouteLimitExceeded", 400),
            RouteTableLimitExceeded => wire("RouteTableLimitExceeded", 400),
            CidrLimitExceeded => wire("CidrLimitExceeded", 400),
            VpcIdNotSpecified => wire("VPCIdNotSpecified", 400),
            InvalidGroupDuplicate => wire("InvalidGroup.Duplicate", 400),
            CannotDelete => wire("CannotDelete", 400),
            InvalidPermissionDuplicate => wire("InvalidPermission.Duplicate", 400),
            InvalidPermissionNotFound => wire("InvalidPermission.NotFound", 400),
            InvalidPermissionMalformed => wire("InvalidPermission.Malformed", 400),
            RulesPerSecurityGroupLimitExceeded => wire("RulesPerSecurityGroupLimitExceeded", 400),
            SecurityGroupsPerInterfaceLimitExceeded => {
                wire("SecurityGroupsPerInterfaceLimitExceeded", 400)
            }
            SecurityGroupLimitExceeded => wire("SecurityGroupLimitExceeded", 400),
            AddressInUse => wire("InvalidIPAddress.InUse", 400),
            InsufficientFreeAddresses => wire("InsufficientFreeAddressesInSubnet", 400),
            NetworkInterfaceInUse => wire("InvalidNetworkInterface.InUse", 400),
            TagLimitExceeded => wire("TagLimitExceeded", 400),
            InvalidId => wire("InvalidID", 400),
            DryRunOperation => wire("DryRunOperation", 412),
            NoRoom => wire("ResourceLimitExceeded", 400),
            Busy => wire(BUSY, 503),
            Internal => wire("InternalError", 500),
        }
    }

    fn sts(self) -> Wire {
        use ErrorKind::*;
        match self {
            UnknownOperation => wire("InvalidAction", 400),
            NotServed => wire("NotImplemented", 501),
            Serialization => wire("MalformedQueryString", 400),
            UnsupportedMediaType => wire("UnsupportedMediaType", 415),
            RequestTooLarge => wire("RequestEntityTooLarge", 413),
            MissingAuthenticationToken => wire("MissingAuthenticationToken", 403),
            UnrecognizedClient | InvalidToken => wire("InvalidClientTokenId", 403),
            ExpiredToken => wire("ExpiredToken", 403),
            SignatureMismatch | RequestExpired => wire("SignatureDoesNotMatch", 403),
            IncompleteSignature => wire("IncompleteSignature", 400),
            AccessDenied | Unauthorized => wire("AccessDenied", 403),
            Busy => wire(BUSY, 503),
            Internal => wire("InternalFailure", 500),
            _ => wire("ValidationError", 400),
        }
    }
}

impl ResourceKind {
    // EC2 spells `ID` and `Id` differently from resource to resource; these are its spellings.
    fn not_found(self) -> &'static str {
        match self {
            ResourceKind::Vpc => "InvalidVpcID.NotFound",
            ResourceKind::Subnet => "InvalidSubnetID.NotFound",
            ResourceKind::NetworkInterface => "InvalidNetworkInterfaceID.NotFound",
            ResourceKind::RouteTable => "InvalidRouteTableID.NotFound",
            ResourceKind::RouteTableAssociation => "InvalidAssociationID.NotFound",
            ResourceKind::Route => "InvalidRoute.NotFound",
            ResourceKind::VpcCidrAssociation => "InvalidVpcCidrBlockAssociationID.NotFound",
            ResourceKind::NetworkAcl => "InvalidNetworkAclID.NotFound",
            ResourceKind::SecurityGroup => "InvalidGroup.NotFound",
            ResourceKind::SecurityGroupRule => "InvalidSecurityGroupRuleId.NotFound",
            ResourceKind::VpcPeeringConnection => "InvalidVpcPeeringConnectionID.NotFound",
            ResourceKind::Other => "InvalidID",
        }
    }

    fn malformed(self) -> &'static str {
        match self {
            ResourceKind::Vpc => "InvalidVpcID.Malformed",
            ResourceKind::Subnet => "InvalidSubnetID.Malformed",
            ResourceKind::NetworkInterface => "InvalidNetworkInterfaceId.Malformed",
            ResourceKind::RouteTable => "InvalidRouteTableId.Malformed",
            ResourceKind::RouteTableAssociation => "InvalidAssociationID.Malformed",
            ResourceKind::Route => "InvalidRoute.Malformed",
            ResourceKind::VpcCidrAssociation => "InvalidVpcCidrBlockAssociationID.Malformed",
            ResourceKind::NetworkAcl => "InvalidNetworkAclId.Malformed",
            ResourceKind::SecurityGroup => "InvalidGroupId.Malformed",
            ResourceKind::SecurityGroupRule => "InvalidSecurityGroupRuleId.Malformed",
            ResourceKind::VpcPeeringConnection => "InvalidVpcPeeringConnectionId.Malformed",
            ResourceKind::Other => "InvalidID",
        }
    }
}

/// A refused request: what happened, and the sentence that tells the caller.
#[derive(Debug)]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error whose message names the values and what to do about it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ApiError {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// A failure of the server's own. `doing` says what it was doing; the client sees neither it
    /// nor `source`, the log both.
    pub fn internal(
        doing: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        ApiError {
            kind: ErrorKind::Internal,
            message: doing.into(),
            source: Some(source.into()),
        }
    }

    /// [`ErrorKind::InvalidRequest`].
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// [`ErrorKind::NotFound`] for a resource that no EC2 code names: a fleet, a build.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound(ResourceKind::Other), message)
    }

    /// [`ErrorKind::NotFound`] in EC2's words: `The vpc ID 'vpc-0' does not exist`.
    pub fn no_such(resource: ResourceKind, id: impl fmt::Display) -> Self {
        let message = match resource {
            ResourceKind::Vpc => format!("The vpc ID '{id}' does not exist"),
            ResourceKind::Subnet => format!("The subnet ID '{id}' does not exist"),
            ResourceKind::NetworkInterface => {
                format!("The networkInterface ID '{id}' does not exist")
            }
            ResourceKind::RouteTable => format!("The routeTable ID '{id}' does not exist"),
            ResourceKind::RouteTableAssociation => {
                format!("The association ID '{id}' does not exist")
            }
            ResourceKind::Route => format!("The route to '{id}' does not exist"),
            ResourceKind::VpcCidrAssociation => {
                format!("The vpc CIDR block association ID '{id}' does not exist")
            }
            ResourceKind::NetworkAcl => format!("The networkAcl ID '{id}' does not exist"),
            ResourceKind::SecurityGroup => format!("The security group '{id}' does not exist"),
            ResourceKind::SecurityGroupRule => {
                format!("The security group rule ID '{id}' does not exist")
            }
            ResourceKind::VpcPeeringConnection => {
                format!("The vpcPeeringConnection ID '{id}' does not exist")
            }
            ResourceKind::Other => format!("The ID '{id}' is not valid"),
        };
        Self::new(ErrorKind::NotFound(resource), message)
    }

    /// [`ErrorKind::MalformedId`] in EC2's words: `Invalid id: "x" (expecting "vpc-...")`.
    pub fn malformed_id(resource: ResourceKind, id: impl fmt::Display, prefix: &str) -> Self {
        Self::new(
            ErrorKind::MalformedId(resource),
            format!("Invalid id: \"{id}\" (expecting \"{prefix}...\")"),
        )
    }

    /// [`ErrorKind::MissingParameter`] in EC2's words. `parameter` is spelled as EC2's messages
    /// have it: `vpcId`.
    pub fn missing_parameter(parameter: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::MissingParameter,
            format!("The request must contain the parameter {parameter}"),
        )
    }

    /// [`ErrorKind::Unauthorized`].
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthorized, message)
    }

    /// EC2's answer to a right request with `DryRun`.
    pub fn dry_run() -> Self {
        Self::new(
            ErrorKind::DryRunOperation,
            "Request would have succeeded, but DryRun flag is set.",
        )
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the client reads. An internal error keeps its reasons to the log and gives the request
    /// id, by which an operator finds them there.
    pub fn client_message(&self, request_id: &str) -> String {
        match self.kind {
            ErrorKind::Internal => format!(
                "An internal error occurred. The server's log has the cause under request id {request_id}."
            ),
            _ => self.message.clone(),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<tombolo_store::StoreError> for ApiError {
    fn from(error: tombolo_store::StoreError) -> Self {
        ApiError::internal("using the store", error)
    }
}

/// What of a caller's text a message shows: its first 64 characters.
pub(crate) fn excerpt(text: &str) -> &str {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
