//! Admission: who may take what of the server before, and how often after, it is known who asks.
//!
//! ```text
//! connection ─ its source's share of the listener ─ head ─ who signs nothing is refused here
//!      ─ body, against its source's share of one budget ─ signature verified
//!      ─ account's bucket of the operation's class ─ handler
//! ```
//!
//! Up to the signature everything is counted for the [`Source`] that a request comes from, since
//! anybody can write an account's access key id into a request. Only what a verified signature shows
//! to be an account's own is counted for the account, so that nobody can use up what is another's.
//!
//! **Invariant:** whatever is counted here is bounded: bodies by the budget, sources by the bodies and
//! connections that there are at the moment and by [`refusals::MAX_SOURCES`], accounts by what the
//! operator has made.

mod bodies;
mod bucket;
mod rates;
mod refusals;
mod source;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tombolo_domain::Scope;

use crate::error::{ApiError, CommonError};

pub use bodies::{BodyBudget, BodyReservation};
pub use bucket::Rate;
pub use rates::{ActionClass, Rates, class};
pub use source::{Source, Sources};

use rates::AccountBuckets;
use refusals::Refusals;

/// How long the answer to a request waits that is refused because its sender asks too often. A client
/// that waits before it tries again, as AWS's do, loses nothing by it; one that does not is slowed
/// down to ten requests a second for each that it has under way.
const PAUSE: Duration = Duration::from_millis(100);

/// What is admitted, as the configuration has it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdmissionSettings {
    /// The most bytes of bodies that are held before their signature is verified, of all sources.
    pub body_memory: usize,
    /// The networks of balancers and proxies, whose addresses stand for many clients.
    pub trusted: Sources,
    /// The requests that an account may make.
    pub rates: Rates,
}

impl Default for AdmissionSettings {
    /// As `tombolo dev` has it: one person's machine, whose tests call as fast as they can.
    fn default() -> Self {
        AdmissionSettings {
            body_memory: BodyBudget::DEFAULT,
            trusted: Sources::default(),
            rates: Rates::NONE,
        }
    }
}

/// Why a request or connection was not admitted. Each is a series of `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The head claims no signature that may be right: none, an unknown access key, a Region that is
    /// not served, too old.
    Head,
    /// The signature is not the one that the access key makes.
    Signature,
    /// The budget of bodies, or the source's share of it, is used up.
    Body,
    /// The source has as many connections as it may have.
    Connection,
    /// The account asks too often.
    Rate(ActionClass),
}

impl NotAdmitted {
    /// All there are.
    pub const ALL: [NotAdmitted; 7] = [
        NotAdmitted::Head,
        NotAdmitted::Signature,
        NotAdmitted::Body,
        NotAdmitted::Connection,
        NotAdmitted::Rate(ActionClass::NonMutating),
        NotAdmitted::Rate(ActionClass::Mutating),
        NotAdmitted::Rate(ActionClass::ResourceIntensive),
    ];

    /// As `/metrics` labels it.
    pub fn as_str(self) -> &'static str {
        match self {
            NotAdmitted::Head => "head",
            NotAdmitted::Signature => "signature",
            NotAdmitted::Body => "body_memory",
            NotAdmitted::Connection => "connections",
            NotAdmitted::Rate(ActionClass::NonMutating) => "rate_non_mutating",
            NotAdmitted::Rate(ActionClass::Mutating) => "rate_mutating",
            NotAdmitted::Rate(ActionClass::ResourceIntensive) => "rate_resource_intensive",
        }
    }

    fn index(self) -> usize {
        match self {
            NotAdmitted::Head => 0,
            NotAdmitted::Signature => 1,
            NotAdmitted::Body => 2,
            NotAdmitted::Connection => 3,
            NotAdmitted::Rate(class) => 4 + class as usize,
        }
    }
}

/// What is admitted, shared by all listeners and services of a server.
#[derive(Debug)]
pub struct Admission {
    bodies: BodyBudget,
    sources: Sources,
    accounts: AccountBuckets,
    refusals: Refusals,
    counts: [AtomicU64; NotAdmitted::ALL.len()],
}

impl Default for Admission {
    fn default() -> Self {
        Admission::new(AdmissionSettings::default())
    }
}

impl Admission {
    /// Admits what `settings` allow.
    pub fn new(settings: AdmissionSettings) -> Self {
        Admission {
            bodies: BodyBudget::new(settings.body_memory),
            sources: settings.trusted,
            accounts: AccountBuckets::new(settings.rates),
            refusals: Refusals::default(),
            counts: Default::default(),
        }
    }

    /// Whose a connection is.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The memory of bodies.
    pub fn bodies(&self) -> &BodyBudget {
        &self.bodies
    }

    /// Takes a token of the caller's account, Region and class.
    ///
    /// # Errors
    /// [`CommonError::Throttling`]: the account asks more often than it may. The caller must
    /// [pause](Admission::pause) before it answers so.
    pub fn admit(&self, scope: &Scope, class: ActionClass) -> Result<(), ApiError> {
        let Some(rate) = self.accounts.take(scope, class, Instant::now()) else {
            return Ok(());
        };
        self.count(NotAdmitted::Rate(class));
        Err(ApiError::new(
            CommonError::Throttling,
            format!(
                "Request limit exceeded: account {} may make {} {class} requests a second in {}, \
                 and {} at once. Send it again later, and less often.",
                scope.account, rate.per_second, scope.region, rate.burst
            ),
        ))
    }

    /// Waits before an answer to who asks too often. The caller holds nothing of the request any more.
    pub async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    /// Counts a request that was refused because its signature does not show who it is from. Its answer waits a
    /// moment if many of its source's were. The caller holds nothing of the request any more.
    pub async fn refused(&self, source: Source, what: NotAdmitted) {
        self.count(what);
        if self.refusals.are_too_many(source, Instant::now()) {
            self.pause().await;
        }
    }

    /// Counts something that was not admitted.
    pub fn count(&self, what: NotAdmitted) {
        self.counts[what.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was not admitted since the server started.
    pub fn counted(&self, what: NotAdmitted) -> u64 {
        self.counts[what.index()].load(Ordering::Relaxed)
    }
}

impl fmt::Display for ActionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ActionClass::NonMutating => "non-mutating",
            ActionClass::Mutating => "mutating",
            ActionClass::ResourceIntensive => "resource-intensive",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_for_itself() {
        let admission = Admission::default();
        for (n, what) in (1..).zip(NotAdmitted::ALL) {
            for _ in 0..n {
                admission.count(what);
            }
        }
        let counted = NotAdmitted::ALL.map(|what| admission.counted(what));
        assert_eq!(counted, [1, 2, 3, 4, 5, 6, 7]);
    }
}
