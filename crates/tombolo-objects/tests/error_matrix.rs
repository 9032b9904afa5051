//! The error matrix: what a client of each service reads, in each protocol, for every kind of error.
//!
//! `error_matrix.txt` is the committed answer. A line that changes is a code or a status that some
//! client's `except` no longer catches.

#![allow(clippy::panic, reason = "tests fail by panic")]

use std::fmt::Write;

use tombolo_api::error::{ApiError, ErrorKind, ResourceKind};
use tombolo_api::model::ServiceName;
use tombolo_api::protocol::{self, Protocol};

const RESOURCES: &[ResourceKind] = &[
    ResourceKind::Vpc,
    ResourceKind::Subnet,
    ResourceKind::NetworkInterface,
    ResourceKind::RouteTable,
    ResourceKind::RouteTableAssociation,
    ResourceKind::Route,
    ResourceKind::VpcCidrAssociation,
    ResourceKind::NetworkAcl,
    ResourceKind::SecurityGroup,
    ResourceKind::SecurityGroupRule,
    ResourceKind::VpcPeeringConnection,
    ResourceKind::Other,
];

const KINDS: &[ErrorKind] = &[
    ErrorKind::UnknownOperation,
    ErrorKind::NotServed,
    ErrorKind::Serialization,
    ErrorKind::UnsupportedMediaType,
    ErrorKind::RequestTooLarge,
    ErrorKind::Validation,
    ErrorKind::MissingParameter,
    ErrorKind::MissingAuthenticationToken,
    ErrorKind::UnrecognizedClient,
    ErrorKind::InvalidToken,
    ErrorKind::ExpiredToken,
    ErrorKind::SignatureMismatch,
    ErrorKind::IncompleteSignature,
    ErrorKind::RequestExpired,
    ErrorKind::AccessDenied,
    ErrorKind::InvalidRequest,
    ErrorKind::Unauthorized,
    ErrorKind::Conflict,
    ErrorKind::InvalidFleetStatus,
    ErrorKind::NotReady,
    ErrorKind::LimitExceeded,
    ErrorKind::TaggingFailed,
    ErrorKind::UnsupportedRegion,
    ErrorKind::InvalidParameterValue,
    ErrorKind::InvalidParameterCombination,
    ErrorKind::UnsupportedOperation,
    ErrorKind::FilterLimitExceeded,
    ErrorKind::IdempotentParameterMismatch,
    ErrorKind::InvalidNextToken,
    ErrorKind::InvalidVpcRange,
    ErrorKind::InvalidSubnetRange,
    ErrorKind::SubnetConflict,
    ErrorKind::DependencyViolation,
    ErrorKind::InvalidStateTransition,
    ErrorKind::PeeringAlreadyExists,
    ErrorKind::OutstandingPeeringLimitExceeded,
    ErrorKind::PeeringsPerVpcLimitExceeded,
    ErrorKind::DnsHostnamesDisabled,
    ErrorKind::OperationNotPermitted,
    ErrorKind::RouteAlreadyExists,
    ErrorKind::AlreadyAssociated,
    ErrorKind::RouteLimitExceeded,
    ErrorKind::RouteTableLimitExceeded,
    ErrorKind::CidrLimitExceeded,
    ErrorKind::VpcIdNotSpecified,
    ErrorKind::InvalidGroupDuplicate,
    ErrorKind::CannotDelete,
    ErrorKind::InvalidPermissionDuplicate,
    ErrorKind::InvalidPermissionNotFound,
    ErrorKind::InvalidPermissionMalformed,
    ErrorKind::RulesPerSecurityGroupLimitExceeded,
    ErrorKind::SecurityGroupsPerInterfaceLimitExceeded,
    ErrorKind::SecurityGroupLimitExceeded,
    ErrorKind::AddressInUse,
    ErrorKind::InsufficientFreeAddresses,
    ErrorKind::NetworkInterfaceInUse,
    ErrorKind::TagLimitExceeded,
    ErrorKind::InvalidId,
    ErrorKind::DryRunOperation,
    ErrorKind::NoRoom,
    ErrorKind::Busy,
    ErrorKind::Internal,
];

const SPOKEN: &[(ServiceName, Protocol)] = &[
    (ServiceName::GameLift, Protocol::AwsJson),
    (ServiceName::GameLift, Protocol::RpcCbor),
    (ServiceName::Ec2, Protocol::Ec2Query),
    (ServiceName::Sts, Protocol::AwsQuery),
];

fn kinds() -> Vec<ErrorKind> {
    let mut kinds = KINDS.to_vec();
    kinds.extend(RESOURCES.iter().map(|&kind| ErrorKind::NotFound(kind)));
    kinds.extend(RESOURCES.iter().map(|&kind| ErrorKind::MalformedId(kind)));
    kinds
}

fn matrix() -> String {
    let mut lines = Vec::new();
    for &(service, protocol) in SPOKEN {
        for kind in kinds() {
            let error = ApiError::new(kind, "why");
            let (wire, encoded) = protocol::error(protocol, service, &error, "request-id");
            let body = String::from_utf8_lossy(&encoded.body);
            assert!(body.contains(wire.code), "{kind:?} in {protocol:?}: {body}");
            lines.push(format!(
                "{:<8}  {:<8}  {:<39}  {}  {}",
                service.as_str(),
                format!("{protocol:?}"),
                format!("{kind:?}"),
                wire.status,
                wire.code
            ));
        }
    }
    for kind in kinds() {
        let wire = kind.s3();
        lines.push(format!(
            "{:<8}  {:<8}  {:<39}  {}  {}",
            "s3",
            "RestXml",
            format!("{kind:?}"),
            wire.status,
            wire.code
        ));
    }
    lines.sort();
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[test]
fn no_client_reads_another_code_or_status_than_yesterday() {
    let matrix = matrix();
    let committed = include_str!("error_matrix.txt");
    if matrix != committed {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error_matrix.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, matrix).unwrap_or_else(|error| panic!("{path}: {error}"));
            return;
        }
        let differing = matrix
            .lines()
            .filter(|line| !committed.lines().any(|known| known == *line));
        let differing: Vec<_> = differing.collect();
        panic!(
            "not as committed (UPDATE_GOLDEN=1 writes it anew):\n{}",
            differing.join("\n")
        );
    }
}
