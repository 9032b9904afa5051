//! The whole key space.
//!
//! A key is text, `KIND/part/part/…`, so that a person can read a dump. The table has one row a kind:
//! its name, its parts, the prefixes that are read, its value, and what bounds how many there are.
//!
//! Each row makes a variant of [`Kind`] and of [`AnyKey`]; a type with the parts, such as
//! [`SubnetKey`], that a key is parsed into; a function that makes the key, such as [`subnet`]; one a
//! prefix, such as [`subnets_of`]; and, for a value that is kept under one key only, what finds that
//! key in it ([`Entity`]).
//!
//! **To add a kind**, add a row, and a sample of the value to `tests/records/samples.rs`.
//!
//! **Invariant:** no other place knows what a key looks like. Whoever has a key and wants something of
//! it parses it ([`KeyParts::parse`], [`AnyKey::parse`], [`Key::parts`]).

mod bound;
mod key;
mod part;
#[macro_use]
mod table;

use bytes::Bytes;
use tombolo_domain::account::{
    AccessKey, Account, AccountName, TemporaryCredential, User, UserName,
};
use tombolo_domain::fleet::{
    Build, Fleet, FleetEvent, Instance, MAX_ENDED_FLEETS, MAX_FLEET_EVENTS, MAX_INSTANCES,
    ScalingPolicy, TransportProtocol,
};
use tombolo_domain::id::{
    AccessKeyId, AccountId, BlobId, BuildId, FleetId, HostId, InstanceId, NetworkInterfaceId,
    Region, RouteTableId, SecurityGroupId, SubnetId, UploadId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::object::{Bucket, BucketName, MultipartUpload, Object, UploadedPart};
use tombolo_domain::peering::{
    Authorization, Connection, MAX_ENDED_AUTHORIZATIONS, MAX_ENDED_CONNECTIONS, Requester,
};
use tombolo_domain::quota::{AccountQuotas, MAX_ACCOUNTS, Quota};
use tombolo_domain::repair::{MAX_REPAIRS, RepairRecord};
use tombolo_domain::reported::{
    ReportedBuild, ReportedFleet, ReportedHost, ReportedInstance, ReportedNetwork,
};
use tombolo_domain::tag::Tags;
use tombolo_domain::vpc::{NetworkInterface, RouteTable, SecurityGroup, Subnet, Vpc};
use tombolo_domain::{Scope, Timestamp};

use crate::StoreError;
use crate::record::{
    self, account, build, fleet, instance, network, object, peering, repair, reported, scope,
    security_group, tag,
};
pub use crate::reference::{ConnectionRef, InstanceRef};
pub use bound::{Bound, Most, Within};
pub use key::{Cursor, Key, KeyError, KeyParts, Prefix};
pub use part::{HexText, KeyPart, NewestFirst, Segments};

kinds! {
    /// An owner of resources.
    Account, AccountKey = "account" {
        /// Every account.
        prefix accounts,
        id: AccountId,
    } -> Account as account::v1::Account, key account of |a| (a.id),
        Bound::fixed(MAX_ACCOUNTS, Within::Server);

    /// The account that has a name: it makes names unique.
    AccountName, AccountNameKey = "account-name" {
        name: AccountName,
    } -> AccountId as AccountId, key account_name,
        Bound::With(&[Kind::Account]);

    /// The quotas that an account has instead of the configuration's.
    AccountQuotas, AccountQuotasKey = "account-quotas" {
        /// Of every account that has any.
        prefix all_account_quotas,
        account: AccountId,
    } -> AccountQuotas as account::v1::AccountQuotas, key account_quotas of |q| (q.account),
        Bound::With(&[Kind::Account]);

    /// Somebody, or some program, of an account.
    User, UserKey = "user" {
        account: AccountId,
        /// The users of an account.
        prefix users,
        name: UserName,
    } -> User as account::v1::User, key user of |u| (u.account, &u.name),
        Bound::quota(Quota::UsersPerAccount, Within::Account);

    /// An access key and its secret.
    AccessKey, AccessKeyKey = "access-key" {
        /// Every access key.
        prefix access_keys,
        id: AccessKeyId,
    } -> AccessKey as account::v1::AccessKey, key access_key of |k| (&k.id),
        Bound::quota(Quota::AccessKeysPerAccount, Within::Owner);

    /// A VPC; a fleet's hidden one is among its account's.
    Vpc, VpcKey = "vpc" {
        /// Every VPC of every account and Region.
        prefix all_vpcs,
        scope: Scope,
        /// The VPCs of an account in a Region.
        prefix vpcs,
        vpc: VpcId,
    } -> Vpc as network::v1::Vpc, key vpc of |v| (&v.scope, &v.id),
        Bound::quota(Quota::VpcsPerRegion, Within::Region);

    /// Who has a VPC: finds it without its owner.
    VpcScope, VpcScopeKey = "vpc-scope" {
        vpc: VpcId,
    } -> Scope as scope::v1::Scope, key vpc_scope,
        Bound::With(&[Kind::Vpc]);

    /// A subnet.
    Subnet, SubnetKey = "subnet" {
        /// Every subnet of every account.
        prefix all_subnets,
        scope: Scope,
        /// The subnets of an account in a Region.
        prefix subnets,
        vpc: VpcId,
        /// The subnets of a VPC.
        prefix subnets_of,
        subnet: SubnetId,
    } -> Subnet as network::v1::Subnet, key subnet of |s| (&s.scope, &s.vpc, &s.id) in vpc,
        Bound::quota(Quota::SubnetsPerVpc, Within::Parent);

    /// A network interface.
    NetworkInterface, InterfaceKey = "interface" {
        /// Every network interface of every account.
        prefix all_interfaces,
        scope: Scope,
        /// The network interfaces of an account in a Region.
        prefix interfaces,
        vpc: VpcId,
        /// The network interfaces of a VPC.
        prefix interfaces_of,
        interface: NetworkInterfaceId,
    } -> NetworkInterface as network::v2::NetworkInterface, key interface of |i| (&i.scope, &i.vpc, &i.id) in vpc,
        Bound::quota(Quota::InterfacesPerRegion, Within::Region);

    /// A route table.
    RouteTable, RouteTableKey = "route-table" {
        /// Every route table of every account.
        prefix all_route_tables,
        scope: Scope,
        /// The route tables of an account in a Region.
        prefix route_tables,
        vpc: VpcId,
        /// The route tables of a VPC.
        prefix route_tables_of,
        table: RouteTableId,
    } -> RouteTable as network::v1::RouteTable, key route_table of |t| (&t.scope, &t.vpc, &t.id) in vpc,
        Bound::quota(Quota::RouteTablesPerVpc, Within::Parent);

    /// A security group.
    SecurityGroup, SecurityGroupKey = "security-group" {
        /// Every security group of every account.
        prefix all_security_groups,
        scope: Scope,
        /// The security groups of an account in a Region.
        prefix security_groups,
        vpc: VpcId,
        /// The security groups of a VPC.
        prefix security_groups_of,
        group: SecurityGroupId,
    } -> SecurityGroup as security_group::v1::SecurityGroup, key security_group of |g| (&g.scope, &g.vpc, &g.id)
        in vpc with |g| g.rules.iter().map(|rule| rule.id.as_str()).collect(),
        Bound::quota(Quota::SecurityGroupsPerRegion, Within::Region);

    /// The VPC of a subnet, network interface, route table or security group: finds it by its id
    /// alone. Written and deleted together with it.
    Located, LocatedKey = "located" {
        scope: Scope,
        resource: String,
    } -> VpcId as VpcId, key located,
        Bound::With(&[Kind::Subnet, Kind::NetworkInterface, Kind::RouteTable, Kind::SecurityGroup]);

    /// The tags of a resource.
    Tags, TagsKey = "tags" {
        scope: Scope,
        /// The tags of an account's resources in a Region.
        prefix all_tags,
        resource: String,
    } -> Tags as tag::v1::Tags, key tags of |t| (&t.scope, &t.resource),
        Bound::With(&[
            Kind::Vpc, Kind::Subnet, Kind::NetworkInterface, Kind::RouteTable, Kind::SecurityGroup,
            Kind::Connection, Kind::Fleet, Kind::Build,
        ]);

    /// The latest authorization of a VPC, given by its owner, for an account's fleets.
    Authorization, AuthorizationKey = "authorization" {
        /// Every authorization.
        prefix all_authorizations,
        owner: Scope,
        /// The authorizations that an account gave in a Region.
        prefix authorizations_from,
        vpc: VpcId,
        /// The authorizations of a VPC.
        prefix authorizations_of,
        fleet_account: AccountId,
    } -> Authorization as peering::v1::Authorization, key authorization of |a| (&a.owner(), &a.peer_vpc, a.fleet_account),
        Bound::quota(Quota::AuthorizationsPerRegion, Within::Region).and_ended(MAX_ENDED_AUTHORIZATIONS);

    /// An authorization, by the account that it names.
    Authorized, AuthorizedKey = "authorized" {
        fleets: Scope,
        /// The authorizations that name an account in a Region.
        prefix authorizations_for,
        peer_account: AccountId,
        vpc: VpcId,
    } -> () as (), key authorized,
        Bound::With(&[Kind::Authorization]);

    /// A peering connection, under the account and the fleet that asked for it, or the VPC when
    /// that is a person's own.
    Connection, ConnectionKey = "connection" {
        /// Every connection.
        prefix all_connections,
        scope: Scope,
        /// The connections that an account asked for in a Region.
        prefix connections,
        requester: Requester,
        /// The connections that a fleet or a VPC asked for.
        prefix connections_of,
        connection: VpcPeeringConnectionId,
    } -> Connection as peering::v1::Connection, key connection of |c| (&c.requester_scope(), &c.requested_by(), &c.id),
        Bound::quota(Quota::LivePeeringsPerRegion, Within::Region).and_ended(MAX_ENDED_CONNECTIONS);

    /// Where a connection is that has reached its accepter: finds those of a peer VPC.
    Peering, PeeringKey = "peering" {
        scope: Scope,
        /// Those of an account's VPCs in a Region.
        prefix peerings,
        vpc: VpcId,
        /// Those of a peer VPC.
        prefix peerings_of,
        connection: VpcPeeringConnectionId,
    } -> ConnectionRef as peering::v1::ConnectionRef, key peering,
        Bound::With(&[Kind::Connection]);

    /// A fleet.
    Fleet, FleetKey = "fleet" {
        /// Every fleet.
        prefix all_fleets,
        scope: Scope,
        /// The fleets of an account in a Region.
        prefix fleets,
        fleet: FleetId,
    } -> Fleet as fleet::v1::Fleet, key fleet of |f| (&f.scope, &f.id),
        Bound::quota(Quota::FleetsPerRegion, Within::Region).and_ended(MAX_ENDED_FLEETS);

    /// An instance.
    Instance, InstanceKey = "instance" {
        /// Every instance.
        prefix all_instances,
        scope: Scope,
        fleet: FleetId,
        /// The instances of a fleet.
        prefix instances_of,
        instance: InstanceId,
    } -> Instance as instance::v2::Instance, key instance of |i| (&i.scope, &i.fleet, &i.id),
        Bound::Made { most: MAX_INSTANCES as usize, within: Within::Parent };

    /// The last number that was given to an instance.
    InstanceNumber, InstanceNumberKey = "instance-number" {} -> u32 as u32, key instance_number,
        Bound::One;

    /// Where a port of the public address leads: it makes them unique. There are as many as the address
    /// has ports.
    PublicPort, PublicPortKey = "public-port" {
        protocol: TransportProtocol,
        /// The ports of one protocol that lead somewhere.
        prefix public_ports,
        port: u16,
    } -> InstanceRef as instance::v1::InstanceRef, key public_port,
        Bound::Made { most: 2 * u16::MAX as usize, within: Within::Server };

    /// A scaling policy.
    ScalingPolicy, ScalingPolicyKey = "scaling-policy" {
        /// Every scaling policy.
        prefix all_scaling_policies,
        scope: Scope,
        fleet: FleetId,
        /// The scaling policies of a fleet.
        prefix scaling_policies,
        name: HexText,
    } -> ScalingPolicy as fleet::v1::ScalingPolicy, key scaling_policy of |p| (&p.scope, &p.fleet, &p.name),
        Bound::With(&[Kind::Fleet]);

    /// An event of a fleet.
    FleetEvent, FleetEventKey = "fleet-event" {
        scope: Scope,
        fleet: FleetId,
        /// The events of a fleet, the newest first.
        prefix fleet_events,
        event: NewestFirst,
    } -> FleetEvent as fleet::v1::FleetEvent, key fleet_event of |e| (&e.scope, &e.fleet, (e.at, &e.id)),
        Bound::ring(MAX_FLEET_EVENTS, Within::Parent);

    /// A repair of the network.
    Repair, RepairKey = "repair" {
        /// The repairs, the newest first.
        prefix repairs,
        repair: NewestFirst,
    } -> RepairRecord as repair::v2::RepairRecord, key repair of |r| ((r.at, &r.id)),
        Bound::ring(MAX_REPAIRS, Within::Server);

    /// A build.
    Build, BuildKey = "build" {
        /// Every build.
        prefix all_builds,
        scope: Scope,
        /// The builds of an account in a Region.
        prefix builds,
        build: BuildId,
    } -> Build as build::v1::Build, key build of |b| (&b.scope, &b.id),
        Bound::quota(Quota::BuildsPerRegion, Within::Region);

    /// What a host reported of itself.
    ReportedHost, ReportedHostKey = "reported-host" {
        /// Every host that has reported.
        prefix reported_hosts,
        host: HostId,
    } -> ReportedHost as reported::v1::ReportedHost, key reported_host of |r| (&r.id),
        Bound::Hosts;

    /// What a host reported of its network.
    ReportedNetwork, ReportedNetworkKey = "reported-network" {
        host: HostId,
    } -> ReportedNetwork as reported::v1::ReportedNetwork, key reported_network of |r| (&r.host),
        Bound::With(&[Kind::ReportedHost]);

    /// What a host reported of a fleet; gone when the fleet is TERMINATED.
    ReportedFleet, ReportedFleetKey = "reported-fleet" {
        scope: Scope,
        fleet: FleetId,
        /// What hosts reported of a fleet.
        prefix reports_of_fleet,
        host: HostId,
    } -> ReportedFleet as reported::v1::ReportedFleet, key reported_fleet of |r| (&r.scope, &r.fleet, &r.host),
        Bound::OnEachHost(Kind::Fleet);

    /// What its host reported of an instance; gone with the instance.
    ReportedInstance, ReportedInstanceKey = "reported-instance" {
        scope: Scope,
        fleet: FleetId,
        instance: InstanceId,
    } -> ReportedInstance as reported::v1::ReportedInstance, key reported_instance of |r| (&r.scope, &r.fleet, &r.instance),
        Bound::With(&[Kind::Instance]);

    /// What a host reported of a build's archive; gone with the build.
    ReportedBuild, ReportedBuildKey = "reported-build" {
        scope: Scope,
        build: BuildId,
        /// What hosts reported of a build.
        prefix reports_of_build,
        host: HostId,
    } -> ReportedBuild as reported::v1::ReportedBuild, key reported_build of |r| (&r.scope, &r.build, &r.host),
        Bound::OnEachHost(Kind::Build);

    /// A temporary credential.
    TemporaryCredential, TemporaryCredentialKey = "temporary-credential" {
        /// Every temporary credential.
        prefix all_temporary_credentials,
        id: AccessKeyId,
    } -> TemporaryCredential as account::v1::TemporaryCredential, key temporary_credential of |c| (&c.id),
        Bound::quota(Quota::UploadCredentialsPerRegion, Within::Owner);

    /// A bucket.
    Bucket, BucketKey = "bucket" {
        scope: Scope,
        /// The buckets of an account in a Region.
        prefix buckets,
        bucket: BucketName,
    } -> Bucket as object::v1::Bucket, key bucket of |b| (&b.scope, &b.name),
        Bound::quota(Quota::BucketsPerRegion, Within::Region);

    /// An object.
    Object, ObjectKey = "object" {
        /// Every object.
        prefix all_objects,
        scope: Scope,
        bucket: BucketName,
        /// The objects of a bucket, in S3's order.
        prefix objects_of,
        key: HexText,
    } -> Object as object::v1::Object, key object of |o| (&o.scope, &o.bucket, &o.key),
        Bound::quota(Quota::ObjectsPerRegion, Within::Region);

    /// A multipart upload under way.
    MultipartUpload, UploadKey = "upload" {
        /// Every multipart upload.
        prefix all_uploads,
        scope: Scope,
        /// The multipart uploads of an account in a Region.
        prefix uploads,
        bucket: BucketName,
        /// The multipart uploads to a bucket.
        prefix uploads_to,
        upload: UploadId,
    } -> MultipartUpload as object::v1::MultipartUpload, key upload of |u| (&u.scope, &u.bucket, &u.id),
        Bound::quota(Quota::MultipartUploadsPerRegion, Within::Region);

    /// A part of a multipart upload under way.
    UploadedPart, PartKey = "part" {
        /// Every part.
        prefix all_parts,
        scope: Scope,
        upload: UploadId,
        /// The parts of a multipart upload, by their numbers.
        prefix parts_of,
        number: u16,
    } -> UploadedPart as object::v1::UploadedPart, key part of |p| (&p.scope, &p.upload, p.number),
        Bound::quota(Quota::UploadedPartsPerRegion, Within::Region);

    /// A file that no record names any more.
    UnusedBlob, UnusedBlobKey = "unused-blob" {
        /// All of them.
        prefix unused_blobs,
        blob: BlobId,
    } -> () as (), key unused_blob,
        Bound::Backlog;

    /// The last number that is reserved for VPCs, route tables and security groups; those up to it
    /// were given or never will be.
    VpcNumber, VpcNumberKey = "vpc-number" {} -> u32 as u32, key vpc_number,
        Bound::One;

    /// How many fleets' blocks were chosen from the address plan: two choices made at once both
    /// change it, so that one sees what the other chose.
    FleetBlockChoice, FleetBlockChoiceKey = "fleet-block-choice" {} -> u64 as u64, key fleet_block_choice,
        Bound::One;

    /// How many seconds `tombolo clock advance` moved the clock.
    ClockOffset, ClockOffsetKey = "clock-offset" {} -> i64 as i64, key clock_offset,
        Bound::One;
}

impl Kind {
    /// The kind of a key.
    ///
    /// # Errors
    /// [`KeyError::UnknownKind`] if it is of none.
    pub fn of(key: &[u8]) -> Result<Kind, KeyError> {
        let name = key.split(|byte| *byte == b'/').next().unwrap_or_default();
        let name = str::from_utf8(name).ok();
        name.and_then(Kind::named)
            .ok_or_else(|| KeyError::unknown_kind(key))
    }
}

impl AuthorizedKey {
    /// The account that gave the authorization, in its Region.
    pub fn owner(&self) -> Scope {
        Scope {
            account: self.peer_account,
            region: self.fleets.region.clone(),
        }
    }

    /// The key of the authorization.
    pub fn authorization(&self) -> Key<AuthorizationKey> {
        authorization(&self.owner(), &self.vpc, self.fleets.account)
    }
}

/// The connections of a fleet.
pub fn connections_of_fleet(scope: &Scope, fleet: &FleetId) -> Prefix<ConnectionKey> {
    connections_of(scope, &Requester::Fleet(fleet.clone()))
}

/// The place before the events of a fleet that happened at time `at` or earlier.
pub fn fleet_events_from(scope: &Scope, fleet: &FleetId, at: Timestamp) -> Cursor<FleetEventKey> {
    fleet_events(scope, fleet)
        .and(|key| NewestFirst::print_time(at, key))
        .start()
}

/// The objects of a bucket whose keys start with `start`.
pub fn objects_that_start(scope: &Scope, bucket: &BucketName, start: &str) -> Prefix<ObjectKey> {
    objects_of(scope, bucket).and(|key| HexText::print(start, key))
}

/// The place behind the objects of a bucket whose keys start with `start`.
pub fn behind_objects_that_start(
    scope: &Scope,
    bucket: &BucketName,
    start: &str,
) -> Cursor<ObjectKey> {
    objects_that_start(scope, bucket, start).end()
}

/// A value that is kept under one key, which can be found in it.
pub trait Entity: Sized {
    /// The parts of that key.
    type Parts: KeyParts<Value = Self>;

    /// The key.
    fn key(&self) -> Key<Self::Parts>;

    /// Where it is, if it is kept under a VPC.
    fn vpc_resource(&self) -> Option<VpcResource<'_>> {
        None
    }

    /// The ids of what is kept within the record and may have tags of its own.
    fn tagged_parts(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Where a record is that is kept under a VPC, and so cannot be found by its id alone.
#[derive(Debug, Clone, Copy)]
pub struct VpcResource<'r> {
    /// The VPC's owner.
    pub scope: &'r Scope,
    /// The VPC.
    pub vpc: &'r VpcId,
    /// The record's own id.
    pub id: &'r str,
}

impl ConnectionRef {
    /// The key of the connection, which is in `region`.
    pub fn key(&self, region: &Region, connection: &VpcPeeringConnectionId) -> Key<ConnectionKey> {
        let scope = Scope {
            account: self.account,
            region: region.clone(),
        };
        self::connection(&scope, &self.requester, connection)
    }
}

impl InstanceRef {
    /// The key of the instance.
    pub fn key(&self) -> Key<InstanceKey> {
        instance(&self.scope, &self.fleet, &self.instance)
    }
}
