//! How a row of the key space becomes its types and functions.

/// Makes everything that the key space has from one row a kind:
///
/// ```text
/// /// What it is.
/// KIND, PARTS = "name" { BODY } -> VALUE as RECORD, key FUNCTION
///     [of |value| (PART, …) [in vpc [with |value| TAGGED]]], BOUND;
/// ```
///
/// The value is one of the domain's, the record the version of it that is written. `BODY` has the parts in the order that they stand in the key, `part: Type,`. In between, at the
/// place where it cuts the key, `prefix function,` makes a function that gives all keys with the
/// same parts so far. `of` says where in a value the parts of its key are, for values that are kept
/// under one key only; `in vpc` that they are found by their `id` alone as well, and behind `with`
/// which of their parts have tags.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $kind:ident, $parts:ident = $name:literal { $($body:tt)* } -> $value:ty as $record:ty,
        key $key:ident $(
            of |$of:ident| ($($own:expr),*) $(in $vpc:ident $(with |$whole:ident| $tagged:expr)?)?
        )?,
        $bound:expr;
    )*) => {
        /// The kinds of keys, and so everything that the store can hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nIts keys are [`", stringify!($parts), "`]s.")]
                $kind,
            )*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// What its keys start with, before the first slash.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }

            /// The kind whose name this is.
            pub fn named(name: &str) -> Option<Kind> {
                match name {
                    $($name => Some(Kind::$kind),)*
                    _ => None,
                }
            }

            /// What its keys look like: `vpc/{scope}/{vpc}`. A scope is `REGION/ACCOUNT`.
            pub const fn pattern(self) -> &'static str {
                match self {
                    $(Kind::$kind => <$parts as KeyParts>::PATTERN,)*
                }
            }

            /// Reads the value that is kept under a key of this kind, and gives what is written for
            /// it today.
            ///
            /// # Errors
            /// [`StoreError::Corrupt`] for a value that this version cannot read.
            pub fn rewrite(self, key: &[u8], value: &[u8]) -> Result<Bytes, StoreError> {
                match self {
                    $(Kind::$kind => <$parts>::encode(&<$parts>::decode(key, value)?),)*
                }
            }

            /// Reads the value that is kept under a key of this kind, and compares the key with the
            /// one that the value is kept under.
            ///
            /// # Errors
            /// [`StoreError::NewerRecord`] if a newer version of Tombolo wrote it,
            /// [`StoreError::Corrupt`] for one that cannot be read and for one of another key.
            pub(crate) fn check(self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
                match self {
                    $(Kind::$kind => {
                        let _value = <$parts>::decode(key, value)?;
                        $({
                            let $of = &_value;
                            record::check_key(key, $key($($own),*).as_bytes())?;
                        })?
                        Ok(())
                    })*
                }
            }

            /// The version of its records that is written.
            pub const fn version(self) -> u8 {
                match self {
                    $(Kind::$kind => <$parts as KeyParts>::VERSION,)*
                }
            }

            /// What bounds how many there are.
            pub const fn bound(self) -> Bound {
                match self {
                    $(Kind::$kind => $bound,)*
                }
            }
        }

        /// A key of any kind, in its parts.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is documented as a kind")]
        pub enum AnyKey {
            $($kind($parts),)*
        }

        impl AnyKey {
            /// The key as the store has it.
            pub fn to_bytes(&self) -> Bytes {
                match self {
                    $(AnyKey::$kind(parts) => parts.key().bytes,)*
                }
            }

            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(AnyKey::$kind(_) => Kind::$kind,)*
                }
            }

            /// The parts of a key.
            ///
            /// # Errors
            /// For a key that this version would not write.
            pub fn parse(key: &[u8]) -> Result<Self, KeyError> {
                match Kind::of(key)? {
                    $(Kind::$kind => <$parts>::parse(key).map(AnyKey::$kind),)*
                }
            }
        }

        $(
            key_parts!({ $kind, $parts, $name, $value, $record, $key } [] $($body)*);
            $(
                impl Entity for $value {
                    type Parts = $parts;

                    fn key(&self) -> Key<$parts> {
                        let $of = self;
                        $key($($own),*)
                    }

                    in_vpc! { $($vpc $(|$whole| $tagged)?)? }
                }
            )?
        )*
    };
}

/// What a value under a VPC says of where it is.
macro_rules! in_vpc {
    () => {};
    (vpc $(|$whole:ident| $tagged:expr)?) => {
        fn vpc_resource(&self) -> Option<VpcResource<'_>> {
            Some(VpcResource { scope: &self.scope, vpc: &self.vpc, id: self.id.as_str() })
        }

        $(fn tagged_parts(&self) -> Vec<&str> {
            let $whole = self;
            $tagged
        })?
    };
}

/// Goes through a row's body: `[parts so far] what is left`.
macro_rules! key_parts {
    (
        { $kind:ident, $parts:ident, $name:literal, $value:ty, $record:ty, $key:ident } [$($part:ident: $type:ty,)*]
        $(#[$doc:meta])* prefix $prefix:ident, $($rest:tt)*
    ) => {
        $(#[$doc])*
        pub fn $prefix($($part: <$type as KeyPart>::Arg<'_>),*) -> Prefix<$parts> {
            Prefix::print(|_text| {
                $(
                    _text.push('/');
                    <$type as KeyPart>::print($part, _text);
                )*
            })
        }
        key_parts!({ $kind, $parts, $name, $value, $record, $key } [$($part: $type,)*] $($rest)*);
    };
    (
        $row:tt [$($part:ident: $type:ty,)*]
        $(#[$doc:meta])* $next:ident: $next_type:ty, $($rest:tt)*
    ) => {
        key_parts!($row [$($part: $type,)* $next: $next_type,] $($rest)*);
    };
    (
        { $kind:ident, $parts:ident, $name:literal, $value:ty, $record:ty, $key:ident } [$($part:ident: $type:ty,)*]
    ) => {
        #[doc = concat!("The parts of a [`", stringify!($kind), "`](Kind::", stringify!($kind), ") key, `", $name, $("/{", stringify!($part), "}",)* "`.")]
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "a part's name and type say it")]
        pub struct $parts {
            $(pub $part: $type,)*
        }

        impl KeyParts for $parts {
            const KIND: Kind = Kind::$kind;
            const PATTERN: &'static str = concat!($name, $("/{", stringify!($part), "}",)*);
            const VERSION: u8 = <$record as record::Record>::VERSION;
            type Value = $value;

            fn encode(value: &$value) -> Result<Bytes, StoreError> {
                record::encode::<$record, _>(value)
            }

            fn decode(key: &[u8], bytes: &[u8]) -> Result<$value, StoreError> {
                record::decode::<$record, _>(key, bytes)
            }

            fn key(&self) -> Key<Self> {
                $key($(self.$part.as_arg()),*)
            }

            fn take(_segments: &mut Segments<'_>) -> Result<Self, &'static str> {
                Ok($parts {
                    $($part: KeyPart::parse(_segments).ok_or(stringify!($part))?,)*
                })
            }
        }

        #[doc = concat!("The key `", $name, $("/{", stringify!($part), "}",)* "`: see [`", stringify!($kind), "`](Kind::", stringify!($kind), ").")]
        pub fn $key($($part: <$type as KeyPart>::Arg<'_>),*) -> Key<$parts> {
            Key::print(|_text| {
                $(
                    _text.push('/');
                    <$type as KeyPart>::print($part, _text);
                )*
            })
        }
    };
}
