//! How often an account may ask: a bucket for each class of operations in each Region.
//!
//! The classes are those of EC2's "Request throttling for the Amazon EC2 API",
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tombolo_domain::Scope;

use super::bucket::{Bucket, Rate};

/// A class of operations, by what one costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionClass {
    /// Reads only.
    NonMutating,
    /// Writes records.
    Mutating,
    /// Starts work beyond the request: in the data path of whole VPCs, or instances.
    ResourceIntensive,
}

impl ActionClass {
    /// All there are.
    pub const ALL: [ActionClass; 3] = [
        ActionClass::NonMutating,
        ActionClass::Mutating,
        ActionClass::ResourceIntensive,
    ];
}

/// The class that a row of a table of operations names.
#[macro_export]
macro_rules! class {
    (reads) => {
        $crate::admission::ActionClass::NonMutating
    };
    (writes) => {
        $crate::admission::ActionClass::Mutating
    };
    (starts) => {
        $crate::admission::ActionClass::ResourceIntensive
    };
}
pub use class;

/// The rates of one account in one Region. None: as often as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of operations that read.
    pub non_mutating: Option<Rate>,
    /// Of operations that write.
    pub mutating: Option<Rate>,
    /// Of operations that start more.
    pub resource_intensive: Option<Rate>,
}

impl Rates {
    /// No limits.
    pub const NONE: Rates = Rates {
        non_mutating: None,
        mutating: None,
        resource_intensive: None,
    };

    /// The rate of a class.
    pub fn of(&self, class: ActionClass) -> Option<Rate> {
        match class {
            ActionClass::NonMutating => self.non_mutating,
            ActionClass::Mutating => self.mutating,
            ActionClass::ResourceIntensive => self.resource_intensive,
        }
    }
}

/// The buckets of all accounts: at most one set for each account that the operator has made and each
/// Region that is served, some 100 bytes.
#[derive(Debug)]
pub(super) struct AccountBuckets {
    rates: Rates,
    buckets: Mutex<BTreeMap<Scope, [Bucket; ActionClass::ALL.len()]>>,
}

impl AccountBuckets {
    pub(super) fn new(rates: Rates) -> Self {
        AccountBuckets {
            rates,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token; the rate that allows none, if there is none.
    pub(super) fn take(&self, scope: &Scope, class: ActionClass, now: Instant) -> Option<Rate> {
        let rate = self.rates.of(class)?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let of_scope = match buckets.get_mut(scope) {
            Some(buckets) => buckets,
            None => buckets.entry(scope.clone()).or_default(),
        };
        let is_taken = of_scope[class as usize].take(rate, now);
        (!is_taken).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(account: &str, region: &str) -> Scope {
        Scope {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
        }
    }

    #[test]
    fn accounts_regions_and_classes_have_buckets_of_their_own() {
        let one = Some(Rate {
            burst: 1,
            per_second: 1,
        });
        let buckets = AccountBuckets::new(Rates {
            non_mutating: one,
            mutating: one,
            resource_intensive: None,
        });
        let now = Instant::now();
        for scope in [
            scope("111122223333", "us-west-2"),
            scope("111122223333", "eu-west-1"),
            scope("444455556666", "us-west-2"),
        ] {
            for class in [ActionClass::NonMutating, ActionClass::Mutating] {
                assert_eq!(buckets.take(&scope, class, now), None);
                assert_eq!(buckets.take(&scope, class, now), one);
            }
            for _ in 0..1000 {
                let taken = buckets.take(&scope, ActionClass::ResourceIntensive, now);
                assert_eq!(taken, None);
            }
        }
    }
}
