//! CreateFleet's input, and what of it can be judged without the store.

use serde::Deserialize;
use serde_json::Value;
use tombolo_domain::fleet::{
    InboundPermission, ResourceCreationLimit, RuntimeConfiguration, ServerProcess, ShownAttributes,
    log_paths,
};
use tombolo_domain::id::AccountId;

use super::lookup::home;
use super::port::{self, IpPermission};
use super::runtime::{RuntimeShape, runtime};
use super::view::{AnywhereConfiguration, CertificateConfiguration, ResourceCreationLimitPolicy};
use crate::gamelift::connection::parse_account;
use crate::gamelift::error::{Error, Result};
use crate::gamelift::tag::Tag;
use crate::operation::Call;
use crate::operation::format::shorten;

/// The tag of CreateFleet that forces a fleet's CIDR block, to rehearse what the address plan
/// avoids: overlapping CIDRs. This is Tombolo's own; AWS knows no such tag.
pub(crate) const FORCED_BLOCK_TAG: &str = "tombolo:fleet-cidr";

/// The tag of CreateFleet that lets instances open connections to addresses outside of every
/// VPC. This is Tombolo's own; on AWS they always may.
pub(crate) const INTERNET_TAG: &str = "tombolo:internet";

/// The only value of [`INTERNET_TAG`].
const INTERNET_ALLOWED: &str = "allowed";

/// The members of CreateFleetInput that mean something here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateFleetInput {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) compute_type: Option<ComputeType>,
    pub(super) build_id: Option<String>,
    pub(super) tags: Option<Vec<Tag>>,
    script_id: Option<String>,
    server_launch_path: Option<String>,
    server_launch_parameters: Option<String>,
    log_paths: Option<Vec<String>>,
    #[serde(rename = "EC2InstanceType")]
    ec2_instance_type: Option<String>,
    #[serde(rename = "EC2InboundPermissions")]
    ec2_inbound_permissions: Option<Vec<IpPermission>>,
    new_game_session_protection_policy: Option<String>,
    runtime_configuration: Option<RuntimeShape>,
    resource_creation_limit_policy: Option<ResourceCreationLimitPolicy>,
    metric_groups: Option<Vec<String>>,
    peer_vpc_aws_account_id: Option<String>,
    peer_vpc_id: Option<String>,
    fleet_type: Option<String>,
    instance_role_arn: Option<String>,
    instance_role_credentials_provider: Option<String>,
    certificate_configuration: Option<CertificateConfiguration>,
    locations: Option<Vec<LocationConfiguration>>,
    anywhere_configuration: Option<AnywhereConfiguration>,
    player_gateway_mode: Option<String>,
    player_gateway_configuration: Option<Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ComputeType {
    #[default]
    Ec2,
    Anywhere,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LocationConfiguration {
    location: String,
}

impl CreateFleetInput {
    /// Refuses what would be silently missing later.
    pub(super) fn refuse_unserved(&self) -> Result<()> {
        const LEAVE_OUT: &str = "leave it out";
        const OR_DISABLED: &str = "leave it out or give DISABLED";
        let certificate = self.certificate_configuration.as_ref();
        let unserved = [
            (
                self.script_id.is_some(),
                "ScriptId: Realtime scripts",
                LEAVE_OUT,
            ),
            (
                self.instance_role_arn.is_some()
                    || self.instance_role_credentials_provider.is_some(),
                "InstanceRoleArn: credentials of IAM roles on instances",
                LEAVE_OUT,
            ),
            (
                certificate.is_some_and(|asked| asked.certificate_type != "DISABLED"),
                "CertificateConfiguration: generated TLS certificates",
                OR_DISABLED,
            ),
            (
                self.player_gateway_mode.as_deref().unwrap_or("DISABLED") != "DISABLED",
                "PlayerGatewayMode: player gateways",
                OR_DISABLED,
            ),
            (
                self.player_gateway_configuration.is_some(),
                "PlayerGatewayConfiguration: player gateways",
                LEAVE_OUT,
            ),
        ];
        match unserved.into_iter().find(|(asked, ..)| *asked) {
            None => Ok(()),
            Some((_, what, instead)) => Err(Error::invalid_request(format!(
                "{what} are not served by Tombolo; {instead}."
            ))),
        }
    }

    /// The owner and the id of the VPC to peer with, which are given together or not at all.
    pub(super) fn peer(&self) -> Result<Option<(AccountId, &str)>> {
        match (&self.peer_vpc_aws_account_id, &self.peer_vpc_id) {
            (None, None) => Ok(None),
            (Some(owner), Some(vpc)) => {
                Ok(Some((parse_account("peerVpcAwsAccountId", owner)?, vpc)))
            }
            (Some(_), None) => Err(together("PeerVpcAwsAccountId", "PeerVpcId")),
            (None, Some(_)) => Err(together("PeerVpcId", "PeerVpcAwsAccountId")),
        }
    }

    /// The value of the tag that forces the fleet's block of addresses, if it is there.
    pub(super) fn forced_block(&self) -> Option<&str> {
        self.tag(FORCED_BLOCK_TAG)
    }

    /// Whether [`INTERNET_TAG`] lets instances reach the internet.
    pub(super) fn internet(&self) -> Result<bool> {
        match self.tag(INTERNET_TAG) {
            None => Ok(false),
            Some(INTERNET_ALLOWED) => Ok(true),
            Some(other) => Err(Error::invalid_request(format!(
                "The tag {INTERNET_TAG} has the value '{}'; give {INTERNET_ALLOWED}, or leave it \
                 out of a fleet whose instances are not to reach the internet.",
                shorten(other)
            ))),
        }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        let mut tags = self.tags.iter().flatten();
        let tag = tags.find(|tag| tag.key == key)?;
        Some(&tag.value)
    }

    /// EC2InstanceType, which an EC2 fleet must have.
    pub(super) fn instance_type(&self) -> Result<String> {
        self.ec2_instance_type
            .clone()
            .ok_or_else(|| missing("EC2InstanceType"))
    }

    /// BuildId, which an EC2 fleet must have.
    pub(super) fn build(&self) -> Result<&str> {
        self.build_id.as_deref().ok_or_else(|| missing("BuildId"))
    }

    /// The server processes of an EC2 fleet's instances, in their newer or their older form.
    pub(super) fn runtime(&self) -> Result<RuntimeConfiguration> {
        if self.server_launch_parameters.is_some() && self.server_launch_path.is_none() {
            return Err(Error::invalid_request(
                "ServerLaunchParameters are the arguments of ServerLaunchPath, which is missing; \
                 arguments of ServerProcesses are their Parameters.",
            ));
        }
        let asked = self.runtime_configuration.as_ref();
        let processes = asked.and_then(|asked| asked.server_processes.as_ref());
        let processes: Vec<ServerProcess> = match (processes, &self.server_launch_path) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid_request(
                    "ServerLaunchPath is the older form of RuntimeConfiguration; give one of them.",
                ));
            }
            (Some(processes), None) => processes.iter().map(Into::into).collect(),
            (None, Some(path)) => vec![ServerProcess {
                launch_path: path.clone(),
                parameters: self.server_launch_parameters.clone(),
                concurrent_executions: 1,
            }],
            (None, None) => {
                return Err(missing(
                    "RuntimeConfiguration with at least one of ServerProcesses",
                ));
            }
        };
        runtime(processes)
    }

    /// What an EC2 fleet gives back as it was asked for.
    pub(super) fn shown_of_managed(&self) -> Result<ShownAttributes> {
        let or = |asked: &Option<String>, default: &str| {
            Some(asked.clone().unwrap_or_else(|| default.to_owned()))
        };
        let log_paths = self.log_paths.clone().unwrap_or_default();
        log_paths::check(&log_paths)
            .map_err(|error| Error::invalid_request(format!("LogPaths: {error}.")))?;
        Ok(ShownAttributes {
            log_paths,
            fleet_type: or(&self.fleet_type, "ON_DEMAND"),
            new_game_session_protection_policy: or(
                &self.new_game_session_protection_policy,
                "NoProtection",
            ),
            server_launch_path: self.server_launch_path.clone(),
            server_launch_parameters: self.server_launch_parameters.clone(),
            ..self.shown()
        })
    }

    /// Which players reach which ports of an EC2 fleet's instances.
    pub(super) fn inbound_permissions(&self) -> Result<Vec<InboundPermission>> {
        const MEMBER: &str = "EC2InboundPermissions";
        let asked = self.ec2_inbound_permissions.as_deref().unwrap_or_default();
        let permissions = port::permissions(MEMBER, asked)?;
        port::refuse_too_many(MEMBER, &permissions)?;
        Ok(permissions)
    }

    /// What an ANYWHERE fleet gives back as it was asked for.
    pub(super) fn shown_of_anywhere(&self) -> Result<ShownAttributes> {
        let anywhere = self.anywhere_configuration.as_ref();
        Ok(ShownAttributes {
            locations: self.custom_locations()?,
            anywhere_cost: anywhere.map(|anywhere| anywhere.cost.clone()),
            new_game_session_protection_policy: self.new_game_session_protection_policy.clone(),
            ..self.shown()
        })
    }

    fn shown(&self) -> ShownAttributes {
        let limit = self.resource_creation_limit_policy.as_ref();
        let runtime = self.runtime_configuration.as_ref();
        ShownAttributes {
            metric_groups: metric_groups(self.metric_groups.clone()),
            resource_creation_limit: limit.map(ResourceCreationLimit::from),
            concurrent_activations: runtime
                .and_then(|asked| asked.max_concurrent_game_session_activations),
            activation_timeout_seconds: runtime
                .and_then(|asked| asked.game_session_activation_timeout_seconds),
            certificate_type: Some("DISABLED".to_owned()),
            ..ShownAttributes::default()
        }
    }

    /// An EC2 fleet has instances in its home Region only.
    pub(super) fn refuse_remote_locations(&self, call: &Call<'_>) -> Result<()> {
        let mut locations = self.locations.iter().flatten();
        locations.try_for_each(|asked| home(call, Some(&asked.location)).map(drop))
    }

    /// The custom locations that an ANYWHERE fleet must have.
    fn custom_locations(&self) -> Result<Vec<String>> {
        let Some(asked) = &self.locations else {
            return Err(Error::invalid_request(
                "A fleet of compute type ANYWHERE needs Locations with at least one custom \
                 location, such as custom-office.",
            ));
        };
        let names = asked.iter().map(|asked| &asked.location);
        if let Some(other) = names.clone().find(|name| !name.starts_with("custom-")) {
            return Err(Error::invalid_request(format!(
                "Location {other} is not a custom location: the name of one starts with custom-."
            )));
        }
        Ok(names.cloned().collect())
    }

    /// Refuses members that belong to the other compute type.
    pub(super) fn refuse_members_of_other(&self, compute: ComputeType) -> Result<()> {
        let members: &[(&str, bool)] = match compute {
            ComputeType::Ec2 => &[(
                "AnywhereConfiguration",
                self.anywhere_configuration.is_some(),
            )],
            ComputeType::Anywhere => &[
                ("BuildId", self.build_id.is_some()),
                ("EC2InstanceType", self.ec2_instance_type.is_some()),
                (
                    "EC2InboundPermissions",
                    self.ec2_inbound_permissions.is_some(),
                ),
                ("FleetType", self.fleet_type.is_some()),
                ("RuntimeConfiguration", self.runtime_configuration.is_some()),
                ("ServerLaunchPath", self.server_launch_path.is_some()),
                (
                    "ServerLaunchParameters",
                    self.server_launch_parameters.is_some(),
                ),
                (
                    "PeerVpcAwsAccountId",
                    self.peer_vpc_aws_account_id.is_some(),
                ),
                ("PeerVpcId", self.peer_vpc_id.is_some()),
                ("LogPaths", self.log_paths.is_some()),
                (FORCED_BLOCK_TAG, self.forced_block().is_some()),
                (INTERNET_TAG, self.tag(INTERNET_TAG).is_some()),
            ],
        };
        let (this, other) = match compute {
            ComputeType::Ec2 => ("EC2", "ANYWHERE"),
            ComputeType::Anywhere => ("ANYWHERE", "EC2"),
        };
        match members.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((member, _)) => Err(Error::invalid_request(format!(
                "{member} works with fleets of compute type {other}; this fleet is to have compute \
                 type {this}."
            ))),
        }
    }
}

/// MetricGroups, which a fleet always has.
pub(super) fn metric_groups(asked: Option<Vec<String>>) -> Vec<String> {
    let groups = asked.filter(|groups| !groups.is_empty());
    groups.unwrap_or_else(|| vec!["default".to_owned()])
}

fn missing(member: &str) -> Error {
    Error::invalid_request(format!("A fleet of compute type EC2 needs {member}."))
}

fn together(given: &str, lacking: &str) -> Error {
    Error::invalid_request(format!(
        "{given} needs {lacking} too: a VPC is named by its owner and its id."
    ))
}
