//! What can be asked by the admin socket, and what is answered. Each request is `POST`ed to its
//! path; the reply is its answer with status 200, or a [`Refusal`] with any other.

mod fleet;
mod log;
mod network;
mod quota;
mod task;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tombolo_domain::account::{AccountName, UserName};
use tombolo_domain::fleet::{Build, BuildLabel, OperatingSystem};
use tombolo_domain::id::{
    AccessKeyId, AccountId, BuildId, HostId, InstanceId, NetworkInterfaceId, Region,
    SecurityGroupId, SubnetId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::peering::{Authorization, Connection};
use tombolo_domain::repair::RepairRecord;
use tombolo_network::EngineKind;

pub use fleet::{
    DescribeFleet, FleetDescription, FleetEventDescription, FleetPeeringDescription,
    InstanceDescription, ManagedFleetDescription,
};
pub use log::{FollowLogs, LogLines, LogPart, LogSource};
pub use network::{
    FlowLine, FollowFlows, InterfaceDescription, ListRepairs, Outcome, PeeringDescription,
    ReadTraffic, Sender, TracePath, TracedPath, TrafficReading,
};
pub use quota::{ExcessDescription, ListExcesses, ListQuotas, QuotaDescription, SetQuota};
pub use task::{LastRunDescription, ListTasks, TaskDescription, TaskList};

use crate::hint::Hinted;
use crate::process::ProcessIdentity;

/// A request that is answered once.
pub trait Request: Serialize + DeserializeOwned + Send + 'static {
    /// Where it is posted to.
    const PATH: &'static str;
    /// What is answered.
    type Response: Serialize + DeserializeOwned + Send + 'static;
}

/// A request that is answered by a stream: a line of JSON for each thing that happens, until the
/// client goes away or the server stops.
pub trait StreamRequest: Serialize + DeserializeOwned + Send + 'static {
    /// Where it is posted to.
    const PATH: &'static str;
    /// One thing that happened.
    type Item: Serialize + DeserializeOwned + Send + 'static;
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What happened, with the values.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A failure with all its causes: the operator may know everything.
impl From<&anyhow::Error> for Refusal {
    fn from(error: &anyhow::Error) -> Self {
        Refusal {
            message: format!("{error:#}"),
            hint: error
                .downcast_ref::<Hinted>()
                .map(|hinted| hinted.hint.clone()),
        }
    }
}

macro_rules! requests {
    ($($path:literal: $request:ty => $response:ty;)*) => {
        $(impl Request for $request {
            const PATH: &'static str = $path;
            type Response = $response;
        })*
    };
}

requests! {
    "/server": DescribeServer => ServerDescription;
    "/account/create": CreateAccount => AccountDescription;
    "/account/list": ListAccounts => Vec<AccountDescription>;
    "/account/quota/list": ListQuotas => Vec<QuotaDescription>;
    "/account/quota/set": SetQuota => QuotaDescription;
    "/account/quota/excesses": ListExcesses => Vec<ExcessDescription>;
    "/access-key/create": CreateAccessKey => NewAccessKey;
    "/access-key/list": ListAccessKeys => Vec<AccessKeyDescription>;
    "/access-key/delete": DeleteAccessKey => ();
    "/build/import": ImportBuild => ImportedBuild;
    "/build/list": ListBuilds => Vec<Build>;
    "/program/attach": AttachProgram => AttachedProgram;
    "/program/detach": DetachProgram => ();
    "/fleet/read": DescribeFleet => FleetDescription;
    "/peering/list": ListPeerings => Peerings;
    "/network/trace": TracePath => TracedPath;
    "/network/traffic": ReadTraffic => TrafficReading;
    "/network/repairs": ListRepairs => Vec<RepairRecord>;
    "/clock": MoveClock => ClockReading;
    "/task/list": ListTasks => TaskList;
    "/instance/misplaced": ListMisplacedInstances => Vec<MisplacedInstance>;
}

macro_rules! stream_requests {
    ($($path:literal: $request:ty => $item:ty;)*) => {
        $(impl StreamRequest for $request {
            const PATH: &'static str = $path;
            type Item = $item;
        })*
    };
}

stream_requests! {
    "/fleet/logs": FollowLogs => LogPart;
    "/network/flows": FollowFlows => FlowLine;
}

/// Which server is this?
#[derive(Debug, Serialize, Deserialize)]
pub struct DescribeServer {}

/// A server.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerDescription {
    /// Where its API is.
    pub endpoint: String,
    /// What started it.
    pub mode: Mode,
    /// Whether packets flow.
    pub network: EngineKind,
    /// Its Regions.
    pub regions: Vec<Region>,
}

/// What started a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// `tombolo dev`
    Dev,
    /// `tombolo serve`
    Serve,
}

/// Makes an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct CreateAccount {
    /// Its name on this server.
    pub name: AccountName,
}

/// Lists the accounts.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListAccounts {}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountDescription {
    /// Its 12 digits.
    pub id: AccountId,
    /// Its name on this server.
    pub name: AccountName,
    /// When it was made.
    pub created: Timestamp,
}

/// Makes an access key.
#[derive(Debug, Serialize, Deserialize)]
pub struct CreateAccessKey {
    /// The account, by name or id.
    pub account: String,
    /// The user, made if the account has none of that name.
    pub user: UserName,
}

/// A new access key, the only answer that has a secret in it.
#[derive(Serialize, Deserialize)]
pub struct NewAccessKey {
    /// The account.
    pub account: AccountId,
    /// The user.
    pub user: UserName,
    /// The public half.
    pub access_key_id: AccessKeyId,
    /// The secret half.
    pub secret_access_key: String,
    /// When it was made.
    pub created: Timestamp,
}

/// Lists an account's access keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListAccessKeys {
    /// The account, by name or id.
    pub account: String,
}

/// An access key.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessKeyDescription {
    /// The public half.
    pub access_key_id: AccessKeyId,
    /// The user.
    pub user: UserName,
    /// When it was made.
    pub created: Timestamp,
}

/// Deletes an access key.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeleteAccessKey {
    /// The public half.
    pub access_key_id: AccessKeyId,
}

/// Makes a READY build from a directory of this machine.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportBuild {
    /// The account, by name or id.
    pub account: String,
    /// The Region; the server's first if none is named.
    pub region: Option<Region>,
    /// The build's name.
    pub name: BuildLabel,
    /// The build's version.
    pub version: BuildLabel,
    /// What it was built for.
    pub operating_system: OperatingSystem,
    /// The directory, absolute.
    pub root: PathBuf,
}

/// Lists an account's builds, in all Regions.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListBuilds {
    /// The account, by name or id.
    pub account: String,
    /// Only this one.
    pub build: Option<BuildId>,
}

/// A build that was imported.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportedBuild {
    /// The id.
    pub build_id: BuildId,
    /// The ARN.
    pub build_arn: String,
    /// How many files it has.
    pub files: u64,
    /// Their size, in bytes.
    pub size_on_disk: u64,
}

/// Makes a network interface for a program.
#[derive(Debug, Serialize, Deserialize)]
pub struct AttachProgram {
    /// The account, by name or id.
    pub account: String,
    /// The VPC.
    pub vpc: VpcId,
    /// The subnet; the VPC's first if none is named.
    pub subnet: Option<SubnetId>,
    /// The address; the first free one if none is named.
    pub address: Option<Ipv4Addr>,
    /// The security groups; the VPC's default one if none is named.
    pub security_groups: Vec<SecurityGroupId>,
    /// The interface's MTU; the server's if none is named.
    pub mtu: Option<u16>,
    /// The process that the interface lives as long as.
    pub process: ProcessIdentity,
    /// What it runs, for the interface's description.
    pub command: String,
}

/// A network interface that is ready.
#[derive(Debug, Serialize, Deserialize)]
pub struct AttachedProgram {
    /// The interface.
    pub interface: NetworkInterfaceId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its address.
    pub address: Ipv4Addr,
    /// The network namespace that has it as `eth0`.
    pub namespace: PathBuf,
}

/// Takes the network interface of a program away.
#[derive(Debug, Serialize, Deserialize)]
pub struct DetachProgram {
    /// The interface.
    pub interface: NetworkInterfaceId,
    /// The VPC.
    pub vpc: VpcId,
    /// The process that it was made for.
    pub process: ProcessIdentity,
}

/// Lists the instances in the server's data directory that are recorded as another host's. The server
/// leaves them as they are: players may be in one, and which host is right a person has to say.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListMisplacedInstances {}

/// An instance whose files are here and whose record is another host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MisplacedInstance {
    /// The instance.
    pub instance: InstanceId,
    /// The host of its record.
    pub host: HostId,
    /// What that host is called, if it has reported.
    pub label: Option<String>,
}

/// Lists peering connections and authorizations.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListPeerings {
    /// The account, by name or id.
    pub account: String,
    /// Only this connection.
    pub connection: Option<VpcPeeringConnectionId>,
}

/// An account's peerings, in all Regions, as long as there are records of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Peerings {
    /// The connections in which the account has an end.
    pub connections: Vec<Connection>,
    /// The authorizations that the account gave, or that name it.
    pub authorizations: Vec<Authorization>,
    /// The server's time, by which an authorization is valid or not.
    pub now: Timestamp,
}

/// Shows the clock, and moves it first if asked to.
#[derive(Debug, Serialize, Deserialize)]
pub struct MoveClock {
    /// How far forward, in seconds; 0 only shows it.
    pub advance_seconds: i64,
}

/// A server's time.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClockReading {
    /// Its time.
    pub now: Timestamp,
    /// How far it is ahead of the real time, in seconds.
    pub offset_seconds: i64,
}
