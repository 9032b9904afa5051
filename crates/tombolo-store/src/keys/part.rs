//! The parts of keys: how each is written, and read again.

use std::fmt::{self, Write};
use std::str::{FromStr, Split};

use tombolo_domain::account::{AccountName, UserName};
use tombolo_domain::fleet::TransportProtocol;
use tombolo_domain::id::{
    AccessKeyId, AccountId, BlobId, BuildId, EventId, FleetId, HostId, InstanceId,
    NetworkInterfaceId, Region, RouteTableId, SecurityGroupId, SubnetId, UploadId, VpcId,
    VpcPeeringConnectionId,
};
use tombolo_domain::object::BucketName;
use tombolo_domain::peering::Requester;
use tombolo_domain::{Scope, Timestamp};

/// A part of a key.
///
/// Whatever [`parse`](KeyPart::parse) takes, [`print`](KeyPart::print) writes in the same letters:
/// nothing has two keys.
pub trait KeyPart: Sized {
    /// What the functions that make keys take for it.
    type Arg<'a>;

    /// Itself, as one of those.
    fn as_arg(&self) -> Self::Arg<'_>;

    /// Writes it behind the slash that starts it.
    fn print(part: Self::Arg<'_>, key: &mut String);

    /// Takes it from the front of a key's segments; `None` if it is not there.
    fn parse(segments: &mut Segments<'_>) -> Option<Self>;
}

/// What is between the slashes of a key, its kind's name aside.
pub struct Segments<'k>(Split<'k, char>);

impl<'k> Segments<'k> {
    /// The segments of a key and, first, the name of its kind.
    pub(super) fn of(key: &'k str) -> (&'k str, Self) {
        let mut segments = key.split('/');
        // A split gives at least one piece.
        (segments.next().unwrap_or_default(), Segments(segments))
    }

    fn next(&mut self) -> Option<&'k str> {
        self.0.next()
    }

    /// Whether all of the key was taken.
    pub(super) fn are_taken(mut self) -> bool {
        self.0.next().is_none()
    }
}

/// Parts whose text is their own, without a slash.
macro_rules! texts {
    ($($type:ty),*) => {$(
        impl KeyPart for $type {
            type Arg<'a> = &'a $type;

            fn as_arg(&self) -> &Self {
                self
            }

            fn print(part: &Self, key: &mut String) {
                key.push_str(part.as_str());
            }

            fn parse(segments: &mut Segments<'_>) -> Option<Self> {
                segments.next()?.parse().ok()
            }
        }
    )*};
}

texts!(
    AccessKeyId,
    AccountName,
    BlobId,
    BucketName,
    BuildId,
    FleetId,
    HostId,
    InstanceId,
    NetworkInterfaceId,
    RouteTableId,
    SecurityGroupId,
    SubnetId,
    UploadId,
    UserName,
    VpcId,
    VpcPeeringConnectionId
);

impl KeyPart for AccountId {
    type Arg<'a> = AccountId;

    fn as_arg(&self) -> Self {
        *self
    }

    fn print(part: Self, key: &mut String) {
        append(key, part);
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        segments.next()?.parse().ok()
    }
}

/// `REGION/ACCOUNT`.
impl KeyPart for Scope {
    type Arg<'a> = &'a Scope;

    fn as_arg(&self) -> &Self {
        self
    }

    fn print(part: &Self, key: &mut String) {
        key.push_str(part.region.as_str());
        key.push('/');
        AccountId::print(part.account, key);
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        let region = Region::from_str(segments.next()?).ok()?;
        let account = AccountId::parse(segments)?;
        Some(Scope { account, region })
    }
}

/// A fleet's id or a VPC's.
impl KeyPart for Requester {
    type Arg<'a> = &'a Requester;

    fn as_arg(&self) -> &Self {
        self
    }

    fn print(part: &Self, key: &mut String) {
        append(key, part);
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        let id = segments.next()?;
        let fleet = id.parse().map(Requester::Fleet);
        fleet.or_else(|_| id.parse().map(Requester::Vpc)).ok()
    }
}

/// `TCP` or `UDP`.
impl KeyPart for TransportProtocol {
    type Arg<'a> = TransportProtocol;

    fn as_arg(&self) -> Self {
        *self
    }

    fn print(part: Self, key: &mut String) {
        append(key, part);
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        match segments.next()? {
            "TCP" => Some(TransportProtocol::Tcp),
            "UDP" => Some(TransportProtocol::Udp),
            _ => None,
        }
    }
}

/// A number in five digits, so that keys sort as the numbers do.
impl KeyPart for u16 {
    type Arg<'a> = u16;

    fn as_arg(&self) -> Self {
        *self
    }

    fn print(part: Self, key: &mut String) {
        append(key, format_args!("{part:05}"));
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        let digits = segments.next()?;
        let are_digits = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| are_digits)
    }
}

/// The id of a resource of any kind: a word without a slash. It is the only part that is not of a
/// type that says so.
impl KeyPart for String {
    type Arg<'a> = &'a str;

    fn as_arg(&self) -> &str {
        self
    }

    fn print(part: &str, key: &mut String) {
        debug_assert!(!part.contains('/'), "{part:?} would be two parts");
        key.push_str(part);
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        segments.next().map(str::to_owned)
    }
}

/// A text that a person chose, which may hold anything, by its bytes in lowercase hexadecimal: keys
/// sort as the bytes do, and what a text starts with its key's part starts with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HexText(pub String);

impl KeyPart for HexText {
    type Arg<'a> = &'a str;

    fn as_arg(&self) -> &str {
        &self.0
    }

    fn print(part: &str, key: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
        key.extend(
            part.bytes()
                .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]),
        );
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        let (pairs, []) = segments.next()?.as_bytes().as_chunks() else {
            return None;
        };
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        String::from_utf8(bytes?).ok().map(HexText)
    }
}

/// The value of a lowercase hexadecimal digit.
fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// `TIME-EVENT`, TIME being the nanoseconds from the event to the year 2554 in hexadecimal: the
/// newest event sorts first. Times before 1970 count as 1970, and later ones than 2554 as that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestFirst {
    /// When it happened.
    pub at: Timestamp,
    /// Which of those that happened at that time.
    pub event: EventId,
}

impl NewestFirst {
    /// Writes what the events of time `at` start with.
    pub(super) fn print_time(at: Timestamp, key: &mut String) {
        let since_1970 = at.as_nanosecond().clamp(0, u64::MAX.into()) as u64;
        append(key, format_args!("{:016x}", u64::MAX - since_1970));
    }
}

impl KeyPart for NewestFirst {
    type Arg<'a> = (Timestamp, &'a EventId);

    fn as_arg(&self) -> (Timestamp, &EventId) {
        (self.at, &self.event)
    }

    fn print((at, event): (Timestamp, &EventId), key: &mut String) {
        Self::print_time(at, key);
        key.push('-');
        key.push_str(event.as_str());
    }

    fn parse(segments: &mut Segments<'_>) -> Option<Self> {
        let (time, event) = segments.next()?.split_once('-')?;
        let are_digits = time.len() == 16 && time.bytes().all(|one| digit(one).is_some());
        let left = u64::from_str_radix(time, 16).ok().filter(|_| are_digits)?;
        let at = Timestamp::from_nanosecond((u64::MAX - left).into()).ok()?;
        let event = event.parse().ok()?;
        Some(NewestFirst { at, event })
    }
}

fn append(key: &mut String, part: impl fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(key, "{part}");
}
