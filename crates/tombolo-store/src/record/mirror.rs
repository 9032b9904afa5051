//! From the domain's types to records and back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tombolo_domain::Timestamp;
use tombolo_domain::account::{AccountName, SecretKey, TokenHash, UserName};
use tombolo_domain::id::{
    AccessKeyId, AccountId, BlobId, BootId, BuildId, EventId, FleetId, HostId, InstanceId,
    NetworkInterfaceId, Region, RouteTableAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, UploadId, VpcCidrAssociationId, VpcId, VpcPeeringConnectionId,
};
use tombolo_domain::object::BucketName;
use tombolo_domain::vpc::{MacAddress, RouteTableNumber, SecurityGroupNumber, VpcNumber};

/// A record, or a part of one, that has all of a `D`.
pub(crate) trait Mirror<D>: Sized {
    /// The record of a value.
    fn of(domain: &D) -> Self;

    /// The value again.
    fn into_domain(self) -> D;
}

impl<D, R: Mirror<D>> Mirror<Option<D>> for Option<R> {
    fn of(domain: &Option<D>) -> Self {
        domain.as_ref().map(R::of)
    }

    fn into_domain(self) -> Option<D> {
        self.map(R::into_domain)
    }
}

impl<D, R: Mirror<D>> Mirror<Vec<D>> for Vec<R> {
    fn of(domain: &Vec<D>) -> Self {
        domain.iter().map(R::of).collect()
    }

    fn into_domain(self) -> Vec<D> {
        self.into_iter().map(R::into_domain).collect()
    }
}

impl<D, R: Mirror<D>> Mirror<Box<D>> for Box<R> {
    fn of(domain: &Box<D>) -> Self {
        Box::new(R::of(domain))
    }

    fn into_domain(self) -> Box<D> {
        Box::new((*self).into_domain())
    }
}

/// What is in records as it is in the domain: numbers, texts, and types that are one of these and
/// have a form of their own, such as ids.
macro_rules! plain {
    ($($type:ty),* $(,)?) => {$(
        impl Mirror<$type> for $type {
            fn of(domain: &$type) -> Self {
                domain.clone()
            }

            fn into_domain(self) -> $type {
                self
            }
        }
    )*};
}

plain!(
    (),
    bool,
    f64,
    i32,
    i64,
    u16,
    u32,
    u64,
    u8,
    String,
    BTreeMap<String, String>,
    BTreeMap<String, u64>,
    Ipv4Addr,
    Ipv4Net,
    Timestamp,
    AccessKeyId,
    AccountId,
    AccountName,
    BlobId,
    BootId,
    BucketName,
    BuildId,
    EventId,
    FleetId,
    HostId,
    InstanceId,
    NetworkInterfaceId,
    Region,
    RouteTableAssociationId,
    RouteTableId,
    SecurityGroupId,
    SecurityGroupRuleId,
    SubnetId,
    UploadId,
    UserName,
    VpcCidrAssociationId,
    VpcId,
    VpcPeeringConnectionId,
);

/// The domain's types around one value, which a record has as that value.
macro_rules! wrapped {
    ($($inner:ty = $type:ident;)*) => {$(
        impl Mirror<$type> for $inner {
            fn of(domain: &$type) -> Self {
                domain.0.clone()
            }

            fn into_domain(self) -> $type {
                $type(self)
            }
        }
    )*};
}

wrapped! {
    [u8; 6] = MacAddress;
    String = TokenHash;
    u32 = RouteTableNumber;
    u32 = SecurityGroupNumber;
    u32 = VpcNumber;
}

impl Mirror<SecretKey> for String {
    fn of(domain: &SecretKey) -> Self {
        domain.reveal().to_owned()
    }

    fn into_domain(self) -> SecretKey {
        SecretKey::from_revealed(self)
    }
}

/// Makes types of records that mirror types of the domain, member by member and variant by variant:
///
/// ```text
/// struct NAME of DOMAIN { member: TYPE, … }
/// enum NAME of DOMAIN { Variant, Variant(value: TYPE), Variant { member: TYPE, … }, … }
/// ```
///
/// A member that the domain's type has and the record has not is an error of the compiler's, and so is
/// the other way around.
macro_rules! record {
    () => {};
    (
        $(#[$meta:meta])*
        struct $name:ident of $domain:path {
            $($(#[$attribute:meta])* $member:ident: $type:ty,)*
        }
        $($rest:tt)*
    ) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        $(#[$meta])*
        pub(crate) struct $name {
            $($(#[$attribute])* pub(crate) $member: $type,)*
        }

        impl $crate::record::Mirror<$domain> for $name {
            fn of(domain: &$domain) -> Self {
                let $domain { $($member),* } = domain;
                $name { $($member: $crate::record::Mirror::of($member)),* }
            }

            fn into_domain(self) -> $domain {
                let $name { $($member),* } = self;
                $domain { $($member: $crate::record::Mirror::into_domain($member)),* }
            }
        }

        record! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        enum $name:ident of $domain:path {
            $(
                $(#[$attribute:meta])*
                $variant:ident
                $(($value:ident: $value_type:ty))?
                $({ $($member:ident: $type:ty),* })?
            ),* $(,)?
        }
        $($rest:tt)*
    ) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        $(#[$meta])*
        pub(crate) enum $name {
            $($(#[$attribute])* $variant $(($value_type))? $({ $($member: $type),* })?,)*
        }

        const _: () = {
            use $domain as Domain;

            impl $crate::record::Mirror<Domain> for $name {
                fn of(domain: &Domain) -> Self {
                    match domain {
                        $(Domain::$variant $(($value))? $({ $($member),* })? => {
                            $name::$variant
                                $(($crate::record::Mirror::of($value)))?
                                $({ $($member: $crate::record::Mirror::of($member)),* })?
                        })*
                    }
                }

                fn into_domain(self) -> Domain {
                    match self {
                        $($name::$variant $(($value))? $({ $($member),* })? => {
                            Domain::$variant
                                $(($crate::record::Mirror::into_domain($value)))?
                                $({ $($member: $crate::record::Mirror::into_domain($member)),* })?
                        })*
                    }
                }
            }
        };

        record! { $($rest)* }
    };
}
