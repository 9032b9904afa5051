//! The whole key space.
//!
//! A key is text, `KIND/part/part/…`, so that a person can read a dump. [`Kind`] lists every kind
//! with its key, its value and how many there are. A value is one byte, the version of its
//! encoding, and then the record; version 1 is JSON.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tombolo_domain::account::{
    AccessKey, Account, AccountName, TemporaryCredential, User, UserName,
};
use tombolo_domain::fleet::{Build, Fleet, FleetEvent, Instance, ScalingPolicy, TransportProtocol};
use tombolo_domain::id::{
    AccessKeyId, AccountId, BlobId, BuildId, FleetId, InstanceId, NetworkInterfaceId, Region,
    RouteTableId, SecurityGroupId, SubnetId, UploadId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::object::{Bucket, BucketName, MultipartUpload, Object, UploadedPart};
use tombolo_domain::peering::{Asker, Authorization, Connection};
use tombolo_domain::repair::RepairRecord;
use tombolo_domain::tag::Tags;
use tombolo_domain::vpc::{NetworkInterface, RouteTable, SecurityGroup, Subnet, Vpc};
use tombolo_domain::{Scope, Timestamp};

use crate::{KeyRange, StoreError};

/// The kinds of keys, and so everything that the store can hold. `SCOPE` is `REGION/ACCOUNT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `account/ACCOUNT` → [`Account`]. A handful.
    Account,
    /// `account-name/NAME` → [`AccountId`]. One an account: it makes names unique.
    AccountName,
    /// `user/ACCOUNT/NAME` → [`User`]. A few an account.
    User,
    /// `access-key/KEY` → [`AccessKey`]. A few a user.
    AccessKey,
    /// `vpc/SCOPE/VPC` → [`Vpc`]. Thousands; a fleet's hidden one is among its account's.
    Vpc,
    /// `vpc-scope/VPC` → [`Scope`]. One a VPC: finds it without its owner.
    VpcScope,
    /// `subnet/SCOPE/VPC/SUBNET` → [`Subnet`]. A few a VPC.
    Subnet,
    /// `interface/SCOPE/VPC/INTERFACE` → [`NetworkInterface`]. One a workload.
    NetworkInterface,
    /// `route-table/SCOPE/VPC/TABLE` → [`RouteTable`]. A few a VPC.
    RouteTable,
    /// `security-group/SCOPE/VPC/GROUP` → [`SecurityGroup`]. A few a VPC.
    SecurityGroup,
    /// `located/SCOPE/RESOURCE` → [`VpcId`]. One a subnet, network interface, route table and
    /// security group: finds it by its id alone. Written and deleted together with the record.
    Located,
    /// `tags/SCOPE/RESOURCE` → [`Tags`]. At most one a resource; none if it has no tags.
    Tags,
    /// `authorization/REGION/PEER-ACCOUNT/VPC/FLEET-ACCOUNT` → [`Authorization`]. The latest of
    /// each (VPC, account).
    Authorization,
    /// `authorized/REGION/FLEET-ACCOUNT/PEER-ACCOUNT/VPC` → nothing. One an authorization: finds
    /// those that name an account.
    Authorized,
    /// `connection/REGION/ACCOUNT/ASKER/CONNECTION` → [`Connection`], under the fleet that asked
    /// for it, or the VPC when that is a person's own, and its account. Thousands.
    Connection,
    /// `peering/REGION/PEER-ACCOUNT/VPC/CONNECTION` → [`ConnectionAt`]. One a connection that has
    /// reached its accepter: finds those of a peer VPC.
    Peering,
    /// `fleet/SCOPE/FLEET` → [`Fleet`]. Hundreds.
    Fleet,
    /// `instance/SCOPE/FLEET/INSTANCE` → [`Instance`]. Up to 200 a fleet.
    Instance,
    /// `instance-number` → the last number that was given to an instance. One.
    InstanceNumber,
    /// `public-port/PROTOCOL/PORT` → [`InstanceAt`]. One a port of the public address that leads to
    /// an instance: it makes them unique.
    PublicPort,
    /// `scaling-policy/SCOPE/FLEET/NAME` → [`ScalingPolicy`]. A few a fleet.
    ScalingPolicy,
    /// `fleet-event/SCOPE/FLEET/TIME-EVENT` → [`FleetEvent`]. Hundreds a fleet; the newest first,
    /// since TIME counts down.
    FleetEvent,
    /// `repair/TIME-EVENT` → [`RepairRecord`]. The newest [`KEPT`](tombolo_domain::repair::KEPT);
    /// the newest first, since TIME counts down.
    Repair,
    /// `build/SCOPE/BUILD` → [`Build`]. Tens.
    Build,
    /// `temporary-credential/KEY` → [`TemporaryCredential`]. A few a build that is being uploaded;
    /// gone soon after they expired.
    TemporaryCredential,
    /// `bucket/SCOPE/NAME` → [`Bucket`]. A few an account.
    Bucket,
    /// `object/SCOPE/BUCKET/KEY` → [`Object`]. KEY in hexadecimal, which keeps S3's order.
    Object,
    /// `upload/SCOPE/BUCKET/UPLOAD` → [`MultipartUpload`]. One a multipart upload under way.
    MultipartUpload,
    /// `part/SCOPE/UPLOAD/NUMBER` → [`UploadedPart`]. Up to 10,000 a multipart upload under way.
    UploadedPart,
    /// `unused-blob/BLOB` → nothing. One a file that no record names any more, until it is removed.
    UnusedBlob,
    /// `vpc-number` → the last number that is reserved for VPCs, route tables and security groups;
    /// those up to it were given or never will be. One.
    VpcNumber,
    /// `fleet-block-choice` → how many fleets' blocks were chosen from the address plan. One: two
    /// choices made at once both change it, so that one sees what the other chose.
    FleetBlockChoice,
    /// `clock-offset` → how many seconds `tombolo clock advance` moved the clock. At most one.
    ClockOffset,
}

impl Kind {
    /// What its keys start with, before the first slash.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Account => "account",
            Kind::AccountName => "account-name",
            Kind::User => "user",
            Kind::AccessKey => "access-key",
            Kind::Vpc => "vpc",
            Kind::VpcScope => "vpc-scope",
            Kind::Subnet => "subnet",
            Kind::NetworkInterface => "interface",
            Kind::RouteTable => "route-table",
            Kind::SecurityGroup => "security-group",
            Kind::Located => "located",
            Kind::Tags => "tags",
            Kind::Authorization => "authorization",
            Kind::Authorized => "authorized",
            Kind::Connection => "connection",
            Kind::Peering => "peering",
            Kind::Fleet => "fleet",
            Kind::Instance => "instance",
            Kind::InstanceNumber => "instance-number",
            Kind::PublicPort => "public-port",
            Kind::ScalingPolicy => "scaling-policy",
            Kind::FleetEvent => "fleet-event",
            Kind::Repair => "repair",
            Kind::Build => "build",
            Kind::TemporaryCredential => "temporary-credential",
            Kind::Bucket => "bucket",
            Kind::Object => "object",
            Kind::MultipartUpload => "upload",
            Kind::UploadedPart => "part",
            Kind::UnusedBlob => "unused-blob",
            Kind::VpcNumber => "vpc-number",
            Kind::FleetBlockChoice => "fleet-block-choice",
            Kind::ClockOffset => "clock-offset",
        }
    }
}

/// Where a connection that is known from its peer VPC is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ConnectionAt {
    /// The account that asked for it.
    #[serde(alias = "fleet_account")]
    pub account: AccountId,
    /// What it asked for it with.
    #[serde(alias = "fleet")]
    pub asker: Asker,
}

impl ConnectionAt {
    /// Where `connection` is kept.
    pub fn of(connection: &Connection) -> Self {
        ConnectionAt {
            account: connection.requester.account,
            asker: connection.asker(),
        }
    }
}

/// Where the instance is kept that a public port leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct InstanceAt {
    /// The fleet's owner.
    pub scope: Scope,
    /// The fleet.
    pub fleet: FleetId,
    /// The instance.
    pub instance: InstanceId,
}

/// The key of one `T`.
pub struct Key<T> {
    pub(crate) bytes: Bytes,
    value: PhantomData<fn() -> T>,
}

/// The keys of all `T` that share a beginning.
pub struct Prefix<T> {
    text: String,
    value: PhantomData<fn() -> T>,
}

impl<T> Prefix<T> {
    /// The bytes that the keys start with.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The keys, as a range.
    pub fn range(&self) -> KeyRange {
        // A prefix ends in '/' or a digit; the byte after it bounds what starts with it.
        let mut end = self.text.clone().into_bytes();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        KeyRange {
            start: Bytes::copy_from_slice(self.bytes()),
            end: end.into(),
        }
    }

    /// The keys behind `after`, which is a key's own part behind the prefix, as
    /// [`Prefix::rest`] gives it.
    pub fn range_after(&self, after: &str) -> KeyRange {
        KeyRange {
            start: format!("{}{after}\0", self.text).into(),
            ..self.range()
        }
    }

    /// The part of `key` behind this prefix.
    pub fn rest<'k>(&self, key: &'k [u8]) -> Option<&'k str> {
        std::str::from_utf8(key.strip_prefix(self.bytes())?).ok()
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

/// The version byte of a value whose rest is JSON.
const JSON: u8 = 1;

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, StoreError> {
    let mut bytes = vec![JSON];
    serde_json::to_writer(&mut bytes, value).map_err(|source| StoreError::Failed {
        doing: "encoding a value",
        source: source.into(),
    })?;
    Ok(bytes.into())
}

/// Reads the value that a transaction wrote under `key`.
pub fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |reason| StoreError::Corrupt {
        key: key.escape_ascii().to_string(),
        reason,
    };
    match bytes.split_first() {
        Some((&JSON, json)) => {
            serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))
        }
        Some((version, _)) => Err(corrupt(format!(
            "its encoding is version {version}, and this Tombolo knows up to {JSON}; \
             use the version that wrote it"
        ))),
        None => Err(corrupt("it is empty".to_owned())),
    }
}

/// A record that knows its own key.
pub trait Stored: Serialize + DeserializeOwned + Send + Sync {
    /// Where it is kept.
    fn key(&self) -> Key<Self>
    where
        Self: Sized;

    /// Where it is, if it is kept under a VPC.
    fn place(&self) -> Option<Place<'_>> {
        None
    }

    /// The ids of what is kept within the record and may have tags of its own.
    fn parts(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Where a record is that is kept under a VPC, and so cannot be found by its id alone.
#[derive(Debug, Clone, Copy)]
pub struct Place<'r> {
    /// The VPC's owner.
    pub scope: &'r Scope,
    /// The VPC.
    pub vpc: &'r VpcId,
    /// The record's own id.
    pub id: &'r str,
}

/// `KIND/part/part`.
fn path(kind: Kind, parts: &[&dyn fmt::Display]) -> String {
    use fmt::Write;
    let mut text = String::with_capacity(96);
    text.push_str(kind.name());
    for part in parts {
        // Writing to a String cannot fail.
        let _ = write!(text, "/{part}");
    }
    text
}

/// A text that a person chose, as part of a key.
struct Hexadecimal<'t>(&'t str);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! key {
    ($kind:ident $(, $part:expr)*) => {
        Key { bytes: path(Kind::$kind, &[$(&$part),*]).into(), value: PhantomData }
    };
}

macro_rules! prefix {
    ($kind:ident $(, $part:expr)*) => {
        Prefix { text: path(Kind::$kind, &[$(&$part),*]) + "/", value: PhantomData }
    };
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $value:ty = $kind:ident $(, $part:expr)*;)*) => {
        $($(#[$doc])* pub fn $name($($arg: $type),*) -> Key<$value> { key!($kind $(, $part)*) })*
    };
}

macro_rules! prefixes {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $value:ty = $kind:ident $(, $part:expr)*;)*) => {
        $($(#[$doc])* pub fn $name($($arg: $type),*) -> Prefix<$value> { prefix!($kind $(, $part)*) })*
    };
}

keys! {
    /// An account.
    account(account: AccountId) -> Account = Account, account;
    /// The account that has a name.
    account_name(name: &AccountName) -> AccountId = AccountName, name;
    /// A user.
    user(account: AccountId, name: &UserName) -> User = User, account, name;
    /// An access key.
    access_key(key: &AccessKeyId) -> AccessKey = AccessKey, key;
    /// A VPC.
    vpc(scope: &Scope, vpc: &VpcId) -> Vpc = Vpc, scope.region, scope.account, vpc;
    /// Who has a VPC.
    vpc_scope(vpc: &VpcId) -> Scope = VpcScope, vpc;
    /// A subnet.
    subnet(scope: &Scope, vpc: &VpcId, subnet: &SubnetId) -> Subnet = Subnet, scope.region, scope.account, vpc, subnet;
    /// A network interface.
    interface(scope: &Scope, vpc: &VpcId, interface: &NetworkInterfaceId) -> NetworkInterface = NetworkInterface, scope.region, scope.account, vpc, interface;
    /// A route table.
    route_table(scope: &Scope, vpc: &VpcId, table: &RouteTableId) -> RouteTable = RouteTable, scope.region, scope.account, vpc, table;
    /// A security group.
    security_group(scope: &Scope, vpc: &VpcId, group: &SecurityGroupId) -> SecurityGroup = SecurityGroup, scope.region, scope.account, vpc, group;
    /// The VPC of what is kept under it.
    located(scope: &Scope, resource: &str) -> VpcId = Located, scope.region, scope.account, resource;
    /// The tags of a resource.
    tags(scope: &Scope, resource: &str) -> Tags = Tags, scope.region, scope.account, resource;
    /// The latest authorization of `peer_vpc` for an account.
    authorization(region: &Region, peer_account: AccountId, peer_vpc: &VpcId, fleet_account: AccountId) -> Authorization = Authorization, region, peer_account, peer_vpc, fleet_account;
    /// Its entry among those that name the account.
    authorized(region: &Region, fleet_account: AccountId, peer_account: AccountId, peer_vpc: &VpcId) -> () = Authorized, region, fleet_account, peer_account, peer_vpc;
    /// A connection.
    connection(region: &Region, account: AccountId, asker: &Asker, connection: &VpcPeeringConnectionId) -> Connection = Connection, region, account, asker, connection;
    /// Its entry among those of the peer VPC.
    peering(region: &Region, peer_account: AccountId, peer_vpc: &VpcId, connection: &VpcPeeringConnectionId) -> ConnectionAt = Peering, region, peer_account, peer_vpc, connection;
    /// A fleet.
    fleet(scope: &Scope, fleet: &FleetId) -> Fleet = Fleet, scope.region, scope.account, fleet;
    /// An instance.
    instance(scope: &Scope, fleet: &FleetId, instance: &InstanceId) -> Instance = Instance, scope.region, scope.account, fleet, instance;
    /// The last number that was given to an instance.
    instance_number() -> u32 = InstanceNumber;
    /// Where a port of the public address leads.
    public_port(protocol: TransportProtocol, port: u16) -> InstanceAt = PublicPort, protocol, format_args!("{port:05}");
    /// A scaling policy. Its name may hold anything, so it is in the key by its bytes.
    scaling_policy(scope: &Scope, fleet: &FleetId, name: &str) -> ScalingPolicy = ScalingPolicy, scope.region, scope.account, fleet, Hexadecimal(name);
    /// A build.
    build(scope: &Scope, build: &BuildId) -> Build = Build, scope.region, scope.account, build;
    /// A temporary credential.
    temporary_credential(key: &AccessKeyId) -> TemporaryCredential = TemporaryCredential, key;
    /// A bucket.
    bucket(scope: &Scope, bucket: &BucketName) -> Bucket = Bucket, scope.region, scope.account, bucket;
    /// An object.
    object(scope: &Scope, bucket: &BucketName, key: &str) -> Object = Object, scope.region, scope.account, bucket, Hexadecimal(key);
    /// A multipart upload.
    upload(scope: &Scope, bucket: &BucketName, upload: &UploadId) -> MultipartUpload = MultipartUpload, scope.region, scope.account, bucket, upload;
    /// A part of a multipart upload.
    part(scope: &Scope, upload: &UploadId, number: u16) -> UploadedPart = UploadedPart, scope.region, scope.account, upload, format_args!("{number:05}");
    /// A blob that no record names any more.
    unused_blob(blob: &BlobId) -> () = UnusedBlob, blob;
    /// The last number that is reserved for VPCs, route tables and security groups.
    vpc_number() -> u32 = VpcNumber;
    /// How many fleets' blocks were chosen.
    fleet_block_choice() -> u64 = FleetBlockChoice;
    /// How many seconds the clock was moved.
    clock_offset() -> i64 = ClockOffset;
}

/// An event of a fleet. `(u64::MAX - nanoseconds)` makes the newest the first.
fn fleet_event(event: &FleetEvent) -> Key<FleetEvent> {
    let FleetEvent {
        scope,
        fleet,
        id,
        at,
        ..
    } = event;
    let time = countdown(*at);
    key!(
        FleetEvent,
        scope.region,
        scope.account,
        fleet,
        format_args!("{time:016x}-{id}")
    )
}

/// A repair, kept as a fleet's events are: the newest first.
fn repair(record: &RepairRecord) -> Key<RepairRecord> {
    let RepairRecord { id, at, .. } = record;
    let time = countdown(*at);
    key!(Repair, format_args!("{time:016x}-{id}"))
}

/// Where the events of time `at` start, behind the prefix of [`fleet_events`].
pub fn fleet_events_at(at: Timestamp) -> String {
    format!("{:016x}", countdown(at))
}

/// Times before 1970 and after 2554 count as those years' ends.
fn countdown(at: Timestamp) -> u64 {
    u64::MAX - at.as_nanosecond().clamp(0, u64::MAX.into()) as u64
}

prefixes! {
    /// Every account.
    accounts() -> Account = Account;
    /// The users of an account.
    users(account: AccountId) -> User = User, account;
    /// Every access key.
    access_keys() -> AccessKey = AccessKey;
    /// Every VPC of every account and Region.
    all_vpcs() -> Vpc = Vpc;
    /// The VPCs of an account in a Region.
    vpcs(scope: &Scope) -> Vpc = Vpc, scope.region, scope.account;
    /// Every subnet of every account.
    all_subnets() -> Subnet = Subnet;
    /// The subnets of an account in a Region.
    subnets(scope: &Scope) -> Subnet = Subnet, scope.region, scope.account;
    /// The subnets of a VPC.
    subnets_of(scope: &Scope, vpc: &VpcId) -> Subnet = Subnet, scope.region, scope.account, vpc;
    /// Every network interface of every account.
    all_interfaces() -> NetworkInterface = NetworkInterface;
    /// The network interfaces of an account in a Region.
    interfaces(scope: &Scope) -> NetworkInterface = NetworkInterface, scope.region, scope.account;
    /// The network interfaces of a VPC.
    interfaces_of(scope: &Scope, vpc: &VpcId) -> NetworkInterface = NetworkInterface, scope.region, scope.account, vpc;
    /// Every route table of every account.
    all_route_tables() -> RouteTable = RouteTable;
    /// The route tables of an account in a Region.
    route_tables(scope: &Scope) -> RouteTable = RouteTable, scope.region, scope.account;
    /// The route tables of a VPC.
    route_tables_of(scope: &Scope, vpc: &VpcId) -> RouteTable = RouteTable, scope.region, scope.account, vpc;
    /// Every security group of every account.
    all_security_groups() -> SecurityGroup = SecurityGroup;
    /// The security groups of an account in a Region.
    security_groups(scope: &Scope) -> SecurityGroup = SecurityGroup, scope.region, scope.account;
    /// The security groups of a VPC.
    security_groups_of(scope: &Scope, vpc: &VpcId) -> SecurityGroup = SecurityGroup, scope.region, scope.account, vpc;
    /// The tags of an account's resources in a Region.
    all_tags(scope: &Scope) -> Tags = Tags, scope.region, scope.account;
    /// Every authorization.
    all_authorizations() -> Authorization = Authorization;
    /// The authorizations that an account gave in a Region.
    authorizations_from(scope: &Scope) -> Authorization = Authorization, scope.region, scope.account;
    /// The authorizations of a VPC.
    authorizations_of(scope: &Scope, vpc: &VpcId) -> Authorization = Authorization, scope.region, scope.account, vpc;
    /// The entries of the authorizations that name an account in a Region; the rest of each key is
    /// `PEER-ACCOUNT/VPC`.
    authorizations_for(scope: &Scope) -> () = Authorized, scope.region, scope.account;
    /// Every connection.
    all_connections() -> Connection = Connection;
    /// The connections that an account asked for in a Region.
    connections(scope: &Scope) -> Connection = Connection, scope.region, scope.account;
    /// The connections that a fleet or a VPC asked for.
    connections_of(scope: &Scope, asker: &Asker) -> Connection = Connection, scope.region, scope.account, asker;
    /// The connections of a fleet.
    connections_of_fleet(scope: &Scope, fleet: &FleetId) -> Connection = Connection, scope.region, scope.account, fleet;
    /// The entries of the connections of an account's VPCs in a Region; the rest of each key is
    /// `VPC/CONNECTION`.
    peerings(scope: &Scope) -> ConnectionAt = Peering, scope.region, scope.account;
    /// The entries of the connections of a peer VPC; the rest of each key is `CONNECTION`.
    peerings_of(scope: &Scope, vpc: &VpcId) -> ConnectionAt = Peering, scope.region, scope.account, vpc;
    /// Every fleet.
    all_fleets() -> Fleet = Fleet;
    /// The fleets of an account in a Region.
    fleets(scope: &Scope) -> Fleet = Fleet, scope.region, scope.account;
    /// Every instance.
    all_instances() -> Instance = Instance;
    /// The instances of a fleet.
    instances_of(scope: &Scope, fleet: &FleetId) -> Instance = Instance, scope.region, scope.account, fleet;
    /// The ports of the public address that lead somewhere, of one protocol; the rest of each key is
    /// the port in five digits.
    public_ports(protocol: TransportProtocol) -> InstanceAt = PublicPort, protocol;
    /// The scaling policies of a fleet.
    scaling_policies(scope: &Scope, fleet: &FleetId) -> ScalingPolicy = ScalingPolicy, scope.region, scope.account, fleet;
    /// Every scaling policy.
    all_scaling_policies() -> ScalingPolicy = ScalingPolicy;
    /// The events of a fleet, the newest first.
    fleet_events(scope: &Scope, fleet: &FleetId) -> FleetEvent = FleetEvent, scope.region, scope.account, fleet;
    /// The repairs, the newest first.
    repairs() -> RepairRecord = Repair;
    /// Every build.
    all_builds() -> Build = Build;
    /// The builds of an account in a Region.
    builds(scope: &Scope) -> Build = Build, scope.region, scope.account;
    /// Every temporary credential.
    all_temporary_credentials() -> TemporaryCredential = TemporaryCredential;
    /// The buckets of an account in a Region.
    buckets(scope: &Scope) -> Bucket = Bucket, scope.region, scope.account;
    /// Every object.
    all_objects() -> Object = Object;
    /// The objects of a bucket; the rest of each key is the object's in hexadecimal.
    objects_of(scope: &Scope, bucket: &BucketName) -> Object = Object, scope.region, scope.account, bucket;
    /// Every multipart upload.
    all_uploads() -> MultipartUpload = MultipartUpload;
    /// The multipart uploads of an account in a Region.
    uploads(scope: &Scope) -> MultipartUpload = MultipartUpload, scope.region, scope.account;
    /// The multipart uploads to a bucket.
    uploads_to(scope: &Scope, bucket: &BucketName) -> MultipartUpload = MultipartUpload, scope.region, scope.account, bucket;
    /// Every part.
    all_parts() -> UploadedPart = UploadedPart;
    /// The parts of a multipart upload, by their numbers.
    parts_of(scope: &Scope, upload: &UploadId) -> UploadedPart = UploadedPart, scope.region, scope.account, upload;
    /// The blobs that no record names any more; the rest of each key is the blob.
    unused_blobs() -> () = UnusedBlob;
}

/// The objects of a bucket whose keys start with `start`; the rest of each key is what follows in
/// hexadecimal.
pub fn objects_that_start(scope: &Scope, bucket: &BucketName, start: &str) -> Prefix<Object> {
    let mut objects = objects_of(scope, bucket);
    objects.text.push_str(&Hexadecimal(start).to_string());
    objects
}

/// What sorts behind every key that starts with `start`, as [`Transaction::page`]'s `after` for the
/// objects of a bucket.
///
/// [`Transaction::page`]: crate::typed::Transaction::page
pub fn behind_all_that_start(start: &str) -> String {
    format!("{}~", Hexadecimal(start))
}

/// The key of an object as [`Transaction::page`]'s `after` for the objects of a bucket.
///
/// [`Transaction::page`]: crate::typed::Transaction::page
pub fn behind(key: &str) -> String {
    Hexadecimal(key).to_string()
}

macro_rules! stored {
    ($($type:ty => |$record:ident| $key:expr;)*) => {
        $(impl Stored for $type {
            fn key(&self) -> Key<Self> {
                let $record = self;
                $key
            }
        })*
    };
}

macro_rules! stored_in_vpc {
    ($($type:ty => $key:path $(, |$record:ident| $parts:expr)?;)*) => {
        $(impl Stored for $type {
            fn key(&self) -> Key<Self> {
                $key(&self.scope, &self.vpc, &self.id)
            }

            $(fn parts(&self) -> Vec<&str> {
                let $record = self;
                $parts
            })?

            fn place(&self) -> Option<Place<'_>> {
                Some(Place { scope: &self.scope, vpc: &self.vpc, id: self.id.as_str() })
            }
        })*
    };
}

stored! {
    Account => |a| account(a.id);
    User => |u| user(u.account, &u.name);
    AccessKey => |k| access_key(&k.id);
    Vpc => |v| vpc(&v.scope, &v.id);
    Tags => |t| tags(&t.scope, &t.resource);
    Authorization => |a| authorization(&a.region, a.peer_account, &a.peer_vpc, a.fleet_account);
    Connection => |c| connection(&c.region, c.requester.account, &c.asker(), &c.id);
    Fleet => |f| fleet(&f.scope, &f.id);
    Instance => |i| instance(&i.scope, &i.fleet, &i.id);
    FleetEvent => |e| fleet_event(e);
    ScalingPolicy => |p| scaling_policy(&p.scope, &p.fleet, &p.name);
    RepairRecord => |r| repair(r);
    Build => |b| build(&b.scope, &b.id);
    TemporaryCredential => |c| temporary_credential(&c.id);
    Bucket => |b| bucket(&b.scope, &b.name);
    Object => |o| object(&o.scope, &o.bucket, &o.key);
    MultipartUpload => |u| upload(&u.scope, &u.bucket, &u.id);
    UploadedPart => |p| part(&p.scope, &p.upload, p.number);
}

stored_in_vpc! {
    Subnet => subnet;
    NetworkInterface => interface;
    RouteTable => route_table;
    SecurityGroup => security_group, |g| g.rules.iter().map(|rule| rule.id.as_str()).collect();
}
