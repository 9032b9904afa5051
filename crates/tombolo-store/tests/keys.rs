//! Keys of every kind: they are read as they are written, and nothing else is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails is meant to panic"
)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use tombolo_domain::fleet::TransportProtocol;
use tombolo_domain::id::{
    AccessKeyId, AccountId, BlobId, BuildId, EventId, FleetId, HostId, IdSource, InstanceId,
    NetworkInterfaceId, Region, RouteTableId, SecurityGroupId, SubnetId, UploadId, VpcId,
    VpcPeeringConnectionId,
};
use tombolo_domain::peering::Requester;
use tombolo_domain::quota::Quota;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::keys::*;

/// Ids of these bits.
#[derive(Debug)]
struct Bits(u128);

impl IdSource for Bits {
    fn fill(&self, bytes: &mut [u8]) {
        let bits = self.0.to_be_bytes();
        for (byte, bits) in bytes.iter_mut().zip(bits.iter().cycle()) {
            *byte = *bits;
        }
    }
}

fn id<T: std::fmt::Debug>(generate: fn(&dyn IdSource) -> T) -> impl Strategy<Value = T> {
    any::<u128>().prop_map(move |bits| generate(&Bits(bits)))
}

fn account() -> impl Strategy<Value = AccountId> {
    (0..1_000_000_000_000u64).prop_map(|number| format!("{number:012}").parse().unwrap())
}

fn scope() -> impl Strategy<Value = Scope> {
    let region = "[a-z0-9-]{4,31}[0-9]";
    (account(), region).prop_map(|(account, region)| Scope {
        account,
        region: region.parse::<Region>().unwrap(),
    })
}

fn vpc() -> impl Strategy<Value = VpcId> {
    id(VpcId::generate)
}

fn fleet() -> impl Strategy<Value = FleetId> {
    id(FleetId::generate)
}

fn connection() -> impl Strategy<Value = VpcPeeringConnectionId> {
    id(VpcPeeringConnectionId::generate)
}

fn access_key() -> impl Strategy<Value = AccessKeyId> {
    prop_oneof![
        id(AccessKeyId::generate),
        id(AccessKeyId::generate_temporary)
    ]
}

fn requester() -> impl Strategy<Value = Requester> {
    prop_oneof![
        fleet().prop_map(Requester::Fleet),
        vpc().prop_map(Requester::Vpc)
    ]
}

fn resource() -> impl Strategy<Value = String> {
    prop_oneof![vpc().prop_map(|id| id.to_string()), "[^/]*"]
}

fn bucket() -> impl Strategy<Value = tombolo_domain::object::BucketName> {
    "[a-z][a-z0-9-]{1,60}[a-z]".prop_map(|name| name.parse().unwrap())
}

fn text() -> impl Strategy<Value = HexText> {
    any::<String>().prop_map(HexText)
}

/// From 1970 to the last time that a key can hold.
fn newest_first() -> impl Strategy<Value = NewestFirst> {
    let nanoseconds = prop_oneof![
        any::<u64>(),
        Just(0),
        Just(u64::MAX),
        Just(1_800_000_000_000_000_000)
    ];
    (nanoseconds, id(EventId::generate)).prop_map(|(nanoseconds, event)| NewestFirst {
        at: Timestamp::from_nanosecond(nanoseconds.into()).unwrap(),
        event,
    })
}

/// Keys of a kind: `any_of!(Kind { part: strategy, … })`.
macro_rules! any_of {
    ($kind:ident: $parts:ident { $($part:ident: $strategy:expr),* }) => {
        (Just(()), $($strategy),*).prop_map(|((), $($part),*)| AnyKey::$kind($parts { $($part),* })).boxed()
    };
}

#[rustfmt::skip]
fn any_key(kind: Kind) -> BoxedStrategy<AnyKey> {
    match kind {
        Kind::Account => any_of!(Account: AccountKey { id: account() }),
        Kind::AccountName => any_of!(AccountName: AccountNameKey { name: "[a-zA-Z0-9_.-]{1,64}".prop_map(|name| name.parse().unwrap()) }),
        Kind::User => any_of!(User: UserKey { account: account(), name: "[a-zA-Z0-9+=,.@_-]{1,64}".prop_map(|name| name.parse().unwrap()) }),
        Kind::AccountQuotas => any_of!(AccountQuotas: AccountQuotasKey { account: account() }),
        Kind::AccessKey => any_of!(AccessKey: AccessKeyKey { id: access_key() }),
        Kind::Vpc => any_of!(Vpc: VpcKey { scope: scope(), vpc: vpc() }),
        Kind::VpcScope => any_of!(VpcScope: VpcScopeKey { vpc: vpc() }),
        Kind::Subnet => any_of!(Subnet: SubnetKey { scope: scope(), vpc: vpc(), subnet: id(SubnetId::generate) }),
        Kind::NetworkInterface => any_of!(NetworkInterface: InterfaceKey { scope: scope(), vpc: vpc(), interface: id(NetworkInterfaceId::generate) }),
        Kind::RouteTable => any_of!(RouteTable: RouteTableKey { scope: scope(), vpc: vpc(), table: id(RouteTableId::generate) }),
        Kind::SecurityGroup => any_of!(SecurityGroup: SecurityGroupKey { scope: scope(), vpc: vpc(), group: id(SecurityGroupId::generate) }),
        Kind::Located => any_of!(Located: LocatedKey { scope: scope(), resource: resource() }),
        Kind::Tags => any_of!(Tags: TagsKey { scope: scope(), resource: resource() }),
        Kind::Authorization => any_of!(Authorization: AuthorizationKey { owner: scope(), vpc: vpc(), fleet_account: account() }),
        Kind::Authorized => any_of!(Authorized: AuthorizedKey { fleets: scope(), peer_account: account(), vpc: vpc() }),
        Kind::Connection => any_of!(Connection: ConnectionKey { scope: scope(), requester: requester(), connection: connection() }),
        Kind::Peering => any_of!(Peering: PeeringKey { scope: scope(), vpc: vpc(), connection: connection() }),
        Kind::Fleet => any_of!(Fleet: FleetKey { scope: scope(), fleet: fleet() }),
        Kind::Instance => any_of!(Instance: InstanceKey { scope: scope(), fleet: fleet(), instance: id(InstanceId::generate) }),
        Kind::InstanceNumber => any_of!(InstanceNumber: InstanceNumberKey {}),
        Kind::PublicPort => any_of!(PublicPort: PublicPortKey { protocol: select(vec![TransportProtocol::Tcp, TransportProtocol::Udp]), port: any::<u16>() }),
        Kind::ScalingPolicy => any_of!(ScalingPolicy: ScalingPolicyKey { scope: scope(), fleet: fleet(), name: text() }),
        Kind::FleetEvent => any_of!(FleetEvent: FleetEventKey { scope: scope(), fleet: fleet(), event: newest_first() }),
        Kind::Repair => any_of!(Repair: RepairKey { repair: newest_first() }),
        Kind::Build => any_of!(Build: BuildKey { scope: scope(), build: id(BuildId::generate) }),
        Kind::ReportedHost => any_of!(ReportedHost: ReportedHostKey { host: id(HostId::generate) }),
        Kind::ReportedNetwork => any_of!(ReportedNetwork: ReportedNetworkKey { host: id(HostId::generate) }),
        Kind::ReportedFleet => any_of!(ReportedFleet: ReportedFleetKey { scope: scope(), fleet: fleet(), host: id(HostId::generate) }),
        Kind::ReportedInstance => any_of!(ReportedInstance: ReportedInstanceKey { scope: scope(), fleet: fleet(), instance: id(InstanceId::generate) }),
        Kind::ReportedBuild => any_of!(ReportedBuild: ReportedBuildKey { scope: scope(), build: id(BuildId::generate), host: id(HostId::generate) }),
        Kind::TemporaryCredential => any_of!(TemporaryCredential: TemporaryCredentialKey { id: access_key() }),
        Kind::Bucket => any_of!(Bucket: BucketKey { scope: scope(), bucket: bucket() }),
        Kind::Object => any_of!(Object: ObjectKey { scope: scope(), bucket: bucket(), key: text() }),
        Kind::MultipartUpload => any_of!(MultipartUpload: UploadKey { scope: scope(), bucket: bucket(), upload: id(UploadId::generate) }),
        Kind::UploadedPart => any_of!(UploadedPart: PartKey { scope: scope(), upload: id(UploadId::generate), number: any::<u16>() }),
        Kind::UnusedBlob => any_of!(UnusedBlob: UnusedBlobKey { blob: id(BlobId::generate) }),
        Kind::VpcNumber => any_of!(VpcNumber: VpcNumberKey {}),
        Kind::FleetBlockChoice => any_of!(FleetBlockChoice: FleetBlockChoiceKey {}),
        Kind::ClockOffset => any_of!(ClockOffset: ClockOffsetKey {}),
    }
}

fn any_key_of_any_kind() -> impl Strategy<Value = AnyKey> {
    let kinds = Kind::ALL.iter().map(|kind| any_key(*kind));
    proptest::strategy::Union::new(kinds)
}

#[test]
fn a_key_of_each_kind_is_read_as_it_was_written() {
    for kind in Kind::ALL {
        proptest!(ProptestConfig::with_cases(64), |(key in any_key(*kind))| {
            let bytes = key.to_bytes();
            prop_assert_eq!(key.kind(), *kind);
            prop_assert!(bytes.starts_with(kind.name().as_bytes()));
            prop_assert_eq!(Kind::of(&bytes), Ok(*kind));
            prop_assert_eq!(AnyKey::parse(&bytes), Ok(key));
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A digit more, a letter in the other case, a sign: whatever is read has one key only.
    #[test]
    fn what_is_read_is_written_in_the_same_letters(
        key in any_key_of_any_kind(),
        at in any::<Index>(),
        cut in 0..2usize,
        put in select(vec!["", "/", "0", "A", "f", "+", "-", "ü", "\0", " "]),
    ) {
        let text = String::from_utf8(key.to_bytes().to_vec()).unwrap();
        let mut letters: Vec<char> = text.chars().collect();
        let at = at.index(letters.len());
        letters.splice(at..at + cut, put.chars());
        let changed: String = letters.into_iter().collect();
        if let Ok(parsed) = AnyKey::parse(changed.as_bytes()) {
            prop_assert_eq!(parsed.to_bytes(), changed);
        }
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_refused_by_name(bytes in any::<Vec<u8>>()) {
        if let Err(error) = AnyKey::parse(&bytes) {
            prop_assert!(error.to_string().contains("restore the data directory from a backup"));
        }
    }

    #[test]
    fn objects_sort_as_their_keys_do(one in any::<String>(), other in any::<String>(), scope in scope(), bucket in bucket()) {
        let key = |text: &str| object(&scope, &bucket, text).as_bytes().to_vec();
        prop_assert_eq!(key(&one).cmp(&key(&other)), one.as_bytes().cmp(other.as_bytes()));
        let starts = objects_that_start(&scope, &bucket, &one).contains(&object(&scope, &bucket, &other));
        prop_assert_eq!(starts, other.starts_with(&one));
    }

    #[test]
    fn of_two_events_the_newer_one_sorts_first(one in newest_first(), other in newest_first()) {
        let key = |part: &NewestFirst| RepairKey { repair: part.clone() }.key().as_bytes().to_vec();
        let order = other.at.cmp(&one.at).then(one.event.cmp(&other.event));
        prop_assert_eq!(key(&one).cmp(&key(&other)), order);
    }

    #[test]
    fn a_prefix_has_the_keys_whose_first_parts_are_its_own(one in any_key(Kind::Subnet), other in any_key(Kind::Subnet)) {
        let (AnyKey::Subnet(one), AnyKey::Subnet(other)) = (one, other) else {
            panic!("subnets");
        };
        prop_assert!(all_subnets().contains(&one.key()));
        prop_assert!(subnets(&one.scope).contains(&one.key()));
        prop_assert!(subnets_of(&one.scope, &one.vpc).contains(&one.key()));
        prop_assert_eq!(subnets(&other.scope).contains(&one.key()), one.scope == other.scope);
        let range = subnets_of(&one.scope, &one.vpc).range();
        prop_assert!(range.start.as_ref() <= one.key().as_bytes() && one.key().as_bytes() < range.end.as_ref());
    }
}

#[test]
fn what_is_wrong_with_a_key_is_said_with_what_to_do() {
    let refused = |key: &str| AnyKey::parse(key.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        refused("lease/us-west-2"),
        "the key lease/us-west-2 is of a kind that this version of Tombolo does not know; run the \
         version that wrote it, or restore the data directory from a backup"
    );
    let malformed = |key, part| {
        assert_eq!(
            refused(key),
            format!(
                "the key {key} is not of the form vpc/{{scope}}/{{vpc}}: its {part} is missing or \
                 wrong; restore the data directory from a backup"
            )
        );
    };
    malformed("vpc", "scope");
    malformed("vpc/us-west-2", "scope");
    malformed("vpc/us-west-2/11112222333", "scope");
    malformed("vpc/us-west-2/111122223333/vpc-1", "vpc");
    malformed("vpc/us-west-2/111122223333/vpc-0a1b2c3d4e5f60718/", "end");
}

#[test]
fn names_are_given_once() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(*kind));
        assert!(kind.pattern().starts_with(kind.name()));
    }
}

/// Every row has a bound, or it does not compile; this holds that each leads to one that is a number:
/// a kind that comes with another has that one's.
#[test]
fn no_kind_is_without_a_bound() {
    let mut quotas = BTreeSet::new();
    for kind in Kind::ALL {
        let mut bounded_by = vec![*kind];
        let mut behind = vec![*kind];
        while let Some(next) = behind.pop() {
            let others: &[Kind] = match next.bound() {
                Bound::With(kinds) => {
                    assert!(!kinds.is_empty(), "{next:?}");
                    kinds
                }
                Bound::OnEachHost(ref kind) => &[*kind],
                Bound::Limited { most, within, .. } => {
                    assert_group(next, within);
                    if let Most::Quota(quota) = most {
                        assert!(!quota.is_within_a_record(), "{quota}");
                        quotas.insert(quota);
                    }
                    &[]
                }
                Bound::Ring { keep, within } | Bound::Made { most: keep, within } => {
                    assert_group(next, within);
                    assert!(keep > 0, "{next:?}");
                    &[]
                }
                Bound::Hosts | Bound::One | Bound::Backlog => &[],
            };
            for other in others {
                assert!(!bounded_by.contains(other), "{kind:?} is bounded by itself");
                bounded_by.push(*other);
                behind.push(*other);
            }
        }
    }
    let counted: Vec<Quota> = Quota::ALL
        .iter()
        .copied()
        .filter(|one| !one.is_within_a_record())
        .collect();
    assert_eq!(
        quotas.into_iter().collect::<Vec<_>>(),
        counted,
        "a quota that no kind has"
    );
}

/// The parts that are counted by are in the keys, with more behind them.
fn assert_group(kind: Kind, within: Within) {
    let pattern = kind.pattern();
    let parts = pattern.matches("{").count();
    let is_there = match within {
        Within::Server | Within::Owner => parts >= 1,
        Within::Account => pattern.contains("{account}/"),
        Within::Region => pattern.contains("{scope}/") || pattern.contains("{owner}/"),
        Within::Parent => pattern.contains("{scope}/") && parts == 3,
    };
    assert!(is_there, "{pattern} {within}");
}
