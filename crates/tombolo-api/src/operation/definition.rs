//! One operation, as the whole server knows it: a row of its service's table.
//!
//! A service's table is `operations.rs` beside its handlers, and [`registry`](crate::registry) joins
//! them. Whatever has to know operations reads the rows: the router and the metrics, the check for
//! room in the data path, the models' trimming and `docs/operations.md` (`cargo xtask derive`), and
//! the tests that try every one. So an operation is added by its row and its handler.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tombolo_domain::principal::Action;

use super::Call;
use crate::admission::ActionClass;
use crate::error::{ApiError, Refusal, ServiceError};
use crate::lookup::ScopedTransaction;
use crate::model::{Document, ServiceName};

/// A row: one operation of one service.
pub struct Operation {
    /// Whose it is.
    pub service: ServiceName,
    /// Its name in the service's model: `CreateFleet`.
    pub name: &'static str,
    /// The IAM action that allows it: `gamelift:CreateFleet`.
    pub action: Action,
    /// What that action is allowed on.
    pub resource: ResourceType,
    /// Which of an account's buckets a request takes a token of.
    pub class: ActionClass,
    /// Whether the service's model lists its error for too much of something with this operation.
    pub lists_limit: bool,
    /// The data path's tables that it adds entries to, at once or when what it makes is used.
    pub fills: &'static [&'static str],
    /// Where and how the user docs list it.
    pub docs: Docs,
    pub(crate) handler: Handler,
    pub(crate) refuse: fn(ApiError) -> Refusal,
}

/// A handler behind one type: it reads the input, runs and writes the output.
pub(crate) type Handler =
    for<'a> fn(&'a mut ScopedTransaction<'_>, &'a Call<'a>, &'a Document) -> Answer<'a>;

/// A handler that runs. One allocation a run, of the size of this handler and no other.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Document, Refusal>> + Send + 'a>>;

/// What the user docs say of an operation beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Docs {
    /// The part of the service that it belongs to: `security groups`; empty if the service has none.
    pub section: &'static str,
    /// What there is to say of the whole section.
    pub note: &'static str,
    /// Members of the input, by their paths from its root, that are not served as AWS serves them.
    pub members: &'static [(&'static str, Support)],
}

/// How a member of an input is served, if not as AWS serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Accepted and shown, without effect.
    ShownOnly,
}

/// A kind of resource, by its name in IAM's ARNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceType {
    /// None in particular: a policy's statement has to say `*`.
    Any,
    /// Whatever can carry tags.
    Tagged,
    /// A bucket of S3's.
    Bucket,
    /// A build of game servers.
    Build,
    /// A fleet.
    Fleet,
    /// A network interface.
    NetworkInterface,
    /// An object in a bucket.
    Object,
    /// A route table.
    RouteTable,
    /// A security group.
    SecurityGroup,
    /// A subnet.
    Subnet,
    /// A VPC.
    Vpc,
    /// A VPC peering connection of EC2's.
    VpcPeeringConnection,
}

impl ResourceType {
    /// The name in ARNs, or `*`.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceType::Any | ResourceType::Tagged => "*",
            ResourceType::Bucket => "bucket",
            ResourceType::Build => "build",
            ResourceType::Fleet => "fleet",
            ResourceType::NetworkInterface => "network-interface",
            ResourceType::Object => "object",
            ResourceType::RouteTable => "route-table",
            ResourceType::SecurityGroup => "security-group",
            ResourceType::Subnet => "subnet",
            ResourceType::Vpc => "vpc",
            ResourceType::VpcPeeringConnection => "vpc-peering-connection",
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)
    }
}

/// A service's table. Each row is
/// `Name => handler, class on ResourceType, fills TABLES, raises LimitExceeded, shows only [paths of
/// members];`, the last three where there is something to say. The class is `reads`, `writes`, or
/// `starts` of what goes on after the request: in the data path of whole VPCs, or as instances. What a
/// handler has written is committed `always`, or `unless` a
/// function of the input refuses.
macro_rules! operations {
    ($service:ident $prefix:literal, errors $error:ty, commits always; $($rows:tt)*) => {
        $crate::operation::definition::operations!(
            @table $service $prefix, $error, $crate::operation::definition::always; $($rows)*
        )
    };
    (
        $service:ident $prefix:literal, errors $error:ty, commits unless $refused:path;
        $($rows:tt)*
    ) => {
        $crate::operation::definition::operations!(
            @table $service $prefix, $error, $refused; $($rows)*
        )
    };
    (
        @table $service:ident $prefix:literal, $error:ty, $check:path;
        $(section $section:literal, $note:literal {
            $($name:ident => $handler:path, $class:ident on $resource:ident
                $(, fills $tables:ident)? $(, raises $limit:ident)? $(, shows only [$($member:literal,)*])?;)*
        })*
    ) => {
        &[$($($crate::operation::Operation {
            service: $crate::model::ServiceName::$service,
            name: stringify!($name),
            action: tombolo_domain::principal::Action::new($prefix, stringify!($name)),
            resource: $crate::operation::ResourceType::$resource,
            class: $crate::admission::class!($class),
            lists_limit: $crate::operation::definition::operations!(@is_given $($limit)?),
            fills: $crate::operation::definition::operations!(@or_none $($tables)?),
            docs: $crate::operation::Docs {
                section: $section,
                note: $note,
                members: &[$($(($member, $crate::operation::Support::ShownOnly)),*)?],
            },
            handler: {
                fn answer<'a>(
                    tx: &'a mut $crate::lookup::ScopedTransaction<'_>,
                    call: &'a $crate::operation::Call<'a>,
                    input: &'a $crate::model::Document,
                ) -> $crate::operation::definition::Answer<'a> {
                    Box::pin(async move {
                        let typed = $crate::operation::definition::typed::<_, $error>(input)?;
                        let output = $handler(tx, call, typed).await?;
                        $crate::bound::check::<$error>(tx, call.operation).await?;
                        $crate::operation::capacity::check_rules::<$error>(tx, call).await?;
                        let checked: Result<(), $crate::error::ApiError<$error>> = $check(input);
                        checked?;
                        Ok($crate::operation::definition::written::<_, $error>(output)?)
                    })
                }
                answer
            },
            refuse: |error| $crate::error::ApiError::<$error>::from(error).into(),
        },)*)*]
    };
    (@is_given) => { false };
    (@is_given LimitExceeded) => { true };
    (@or_none) => { &[] };
    (@or_none $tables:ident) => { $tables };
}
pub(crate) use operations;

/// For services without dry runs.
pub(crate) fn always<E>(_: &Document) -> Result<(), ApiError<E>> {
    Ok(())
}

/// The input that a handler takes.
pub(crate) fn typed<T: DeserializeOwned, E: ServiceError>(
    input: &Document,
) -> Result<T, ApiError<E>> {
    // The model has checked the input, so what fails here is a handler whose input type does not
    // fit the model; the conformance test finds such a one first.
    T::deserialize(input).map_err(|error| ApiError::internal("reading a validated input", error))
}

/// What a handler has answered.
pub(crate) fn written<T: Serialize, E: ServiceError>(output: T) -> Result<Document, ApiError<E>> {
    serde_json::to_value(output).map_err(|error| ApiError::internal("writing an output", error))
}
