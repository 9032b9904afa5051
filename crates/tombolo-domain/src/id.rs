//! Typed ids, parsed once at the edge.
//!
//! EC2's resource ids are a prefix and 17 hexadecimal digits (`vpc-0a1b2c3d4e5f60718`), GameLift's
//! a prefix and a UUID (`fleet-2222bbbb-33cc-44dd-55ee-6666ffff77aa`).

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Builder, Uuid};

/// Where the random bits of new ids come from: the operating system in the binary, a seeded
/// generator in tests.
pub trait IdSource: Send + Sync {
    /// Fills `bytes` with random bits.
    fn fill(&self, bytes: &mut [u8]);

    /// 128 random bits.
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }

    /// A random UUID (RFC 9562, version 4).
    fn uuid(&self) -> Uuid {
        Builder::from_random_bytes(self.bits().to_be_bytes()).into_uuid()
    }
}

/// A text that is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct MalformedId {
    /// What was given, cut to 64 characters.
    pub text: String,
    /// What it should look like, with its article: `a VPC id (vpc- and 17 hexadecimal digits)`.
    pub expected: &'static str,
}

impl MalformedId {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        MalformedId {
            text: text.chars().take(64).collect(),
            expected,
        }
    }
}

/// Parses the text that is deserialized, without a copy of it: records are full of ids.
struct Parsed<T>(PhantomData<T>);

impl<T> Parsed<T> {
    fn new() -> Self {
        Parsed(PhantomData)
    }
}

impl<T: FromStr<Err = MalformedId>> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The id as AWS's APIs write it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parsed::new())
            }
        }
    };
}

macro_rules! ec2_id {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id from 68 random bits.
            pub fn generate(ids: &dyn IdSource) -> Self {
                $name(format!(concat!($prefix, "{:017x}"), ids.bits() >> 60).into())
            }

            /// The part behind the prefix: 17 hexadecimal digits.
            pub fn digits(&self) -> &str {
                &self.0[$prefix.len()..]
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                match text.strip_prefix($prefix) {
                    Some(digits) if digits.len() == 17 && is_lower_hex(digits) => Ok($name(text.into())),
                    _ => Err(MalformedId::new(text, $expected)),
                }
            }
        }

        text_id!($name);
    )*};
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id: the prefix and a version 4 UUID (RFC 9562).
            pub fn generate(ids: &dyn IdSource) -> Self {
                $name(format!(concat!($prefix, "{}"), ids.uuid()).into())
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                match text.strip_prefix($prefix) {
                    Some(uuid) if is_uuid(uuid) => Ok($name(text.into())),
                    _ => Err(MalformedId::new(text, $expected)),
                }
            }
        }

        text_id!($name);
    )*};
}

ec2_id! {
    /// A VPC.
    VpcId, "vpc-", "a VPC id (vpc- and 17 hexadecimal digits)";
    /// A subnet of a VPC.
    SubnetId, "subnet-", "a subnet id (subnet- and 17 hexadecimal digits)";
    /// A network interface in a subnet.
    NetworkInterfaceId, "eni-", "a network interface id (eni- and 17 hexadecimal digits)";
    /// A route table of a VPC.
    RouteTableId, "rtb-", "a route table id (rtb- and 17 hexadecimal digits)";
    /// The association of a route table with a VPC or a subnet.
    RouteTableAssociationId, "rtbassoc-", "a route table association id (rtbassoc- and 17 hexadecimal digits)";
    /// The association of a block of addresses with a VPC.
    VpcCidrAssociationId, "vpc-cidr-assoc-", "a VPC CIDR block association id (vpc-cidr-assoc- and 17 hexadecimal digits)";
    /// A network ACL of a VPC.
    NetworkAclId, "acl-", "a network ACL id (acl- and 17 hexadecimal digits)";
    /// The association of a network ACL with a subnet.
    NetworkAclAssociationId, "aclassoc-", "a network ACL association id (aclassoc- and 17 hexadecimal digits)";
    /// A security group of a VPC.
    SecurityGroupId, "sg-", "a security group id (sg- and 17 hexadecimal digits)";
    /// One rule of a security group.
    SecurityGroupRuleId, "sgr-", "a security group rule id (sgr- and 17 hexadecimal digits)";
    /// A VPC peering connection.
    VpcPeeringConnectionId, "pcx-", "a VPC peering connection id (pcx- and 17 hexadecimal digits)";
    /// An instance of a fleet.
    InstanceId, "i-", "an instance id (i- and 17 hexadecimal digits)";
}

impl VpcCidrAssociationId {
    /// The id of a VPC's association with its primary block, which is no record of its own: it has
    /// the VPC's digits.
    pub fn primary_of(vpc: &VpcId) -> Self {
        VpcCidrAssociationId(format!("{}{}", Self::PREFIX, vpc.digits()).into())
    }

    /// The VPC whose primary block this is, provided that it is a primary one's, which the id alone does
    /// not say: whoever has only that looks whether there is such a VPC.
    pub fn vpc_if_primary(&self) -> VpcId {
        VpcId(format!("{}{}", VpcId::PREFIX, self.digits()).into())
    }
}

impl NetworkAclId {
    /// The id of a VPC's default network ACL, which is no record of its own: it has the VPC's
    /// digits.
    pub fn default_of(vpc: &VpcId) -> Self {
        NetworkAclId(format!("{}{}", Self::PREFIX, vpc.digits()).into())
    }

    /// The VPC whose default network ACL this is.
    pub fn vpc(&self) -> VpcId {
        VpcId(format!("{}{}", VpcId::PREFIX, self.digits()).into())
    }
}

impl NetworkAclAssociationId {
    /// The id of a subnet's association with its VPC's default network ACL: it has the subnet's
    /// digits.
    pub fn default_of(subnet: &SubnetId) -> Self {
        NetworkAclAssociationId(format!("{}{}", Self::PREFIX, subnet.digits()).into())
    }
}

uuid_id! {
    /// A fleet.
    FleetId, "fleet-", "a fleet id (fleet- and a UUID)";
    /// A build: the files that a fleet's instances run.
    BuildId, "build-", "a build id (build- and a UUID)";
    /// An event of a fleet.
    EventId, "", "an event id (a UUID)";
    /// A file that holds an object of S3's, or a part of one.
    BlobId, "", "a blob id (a UUID)";
    /// A multipart upload.
    UploadId, "", "an upload id (a UUID)";
    /// A host: the machine that a node runs on.
    HostId, "host-", "a host id (host- and a UUID)";
    /// One boot of a machine, as the kernel names it in `/proc/sys/kernel/random/boot_id`.
    BootId, "", "a boot id (a UUID)";
}

/// An account: 12 decimal digits, leading zeros kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

impl AccountId {
    /// A new account id that does not start with 0, so that no tool drops digits of it.
    pub fn generate(ids: &dyn IdSource) -> Self {
        AccountId(100_000_000_000 + (ids.bits() % 900_000_000_000) as u64)
    }

    /// The id as the number that its digits are, below 10^12.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl FromStr for AccountId {
    type Err = MalformedId;
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let malformed = || MalformedId::new(text, "an account id (12 digits)");
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        text.parse().map(AccountId).map_err(|_| malformed())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parsed::new())
    }
}

/// A Region's name, such as `us-west-2`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Box<str>);

impl FromStr for Region {
    type Err = MalformedId;
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let ends_in_digit = text.ends_with(|c: char| c.is_ascii_digit());
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (5..=32).contains(&text.len()) && ends_in_digit && text.bytes().all(allowed) {
            Ok(Region(text.into()))
        } else {
            Err(MalformedId::new(text, "a Region (such as us-west-2)"))
        }
    }
}

text_id!(Region);

/// The public half of an access key: `AKIA`, or `ASIA` for a temporary credential's, and 16 letters
/// and digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(Box<str>);

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl AccessKeyId {
    /// A user's new access key id from 80 random bits.
    pub fn generate(ids: &dyn IdSource) -> Self {
        Self::of_kind("AKIA", ids)
    }

    /// A temporary credential's new access key id from 80 random bits.
    pub fn generate_temporary(ids: &dyn IdSource) -> Self {
        Self::of_kind("ASIA", ids)
    }

    /// Whether it is a temporary credential's, which comes with a session token.
    pub fn is_temporary(&self) -> bool {
        self.0.starts_with("ASIA")
    }

    fn of_kind(prefix: &str, ids: &dyn IdSource) -> Self {
        let mut bits = ids.bits();
        let mut text = String::from(prefix);
        for _ in 0..16 {
            text.push(char::from(BASE32[(bits & 31) as usize]));
            bits >>= 5;
        }
        AccessKeyId(text.into())
    }
}

impl FromStr for AccessKeyId {
    type Err = MalformedId;
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let rest = text.strip_prefix("AKIA").or(text.strip_prefix("ASIA"));
        match rest {
            Some(rest) if rest.len() == 16 && rest.bytes().all(allowed) => {
                Ok(AccessKeyId(text.into()))
            }
            _ => Err(MalformedId::new(
                text,
                "an access key id (AKIA or ASIA and 16 letters and digits)",
            )),
        }
    }
}

text_id!(AccessKeyId);

fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a text is a UUID as ids write it: with hyphens, in small letters.
fn is_uuid(text: &str) -> bool {
    let written = |uuid: Uuid| {
        let mut buffer = Uuid::encode_buffer();
        uuid.hyphenated().encode_lower(&mut buffer) == text
    };
    Uuid::try_parse(text).is_ok_and(written)
}
