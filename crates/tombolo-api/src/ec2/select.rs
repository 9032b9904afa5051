//! Which resources a Describe operation shows: named by ids, passing filters, a page at a time.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::filter::{self, Filter, Filtered};
use super::id::{self, ResourceId};
use super::page::{Page, PageLimit};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::operation::Call;

/// The members that the inputs of all Describe operations share.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Selection {
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// A resource as a Describe operation shows it.
pub(super) trait Describable: Filtered {
    /// The kind of its id.
    type Id: ResourceId;

    /// Its id.
    fn id(&self) -> &Self::Id;
}

impl Selection {
    /// The page of `all` that was asked for. `parameter` is how EC2's messages spell the member
    /// that `ids` came in: `vpcIds`.
    ///
    /// # Errors
    /// The first that applies: ids together with MaxResults, a malformed or unknown id, an unknown
    /// filter, a bad MaxResults or NextToken.
    pub(super) fn named<T: Describable>(
        &self,
        call: &Call<'_>,
        (parameter, ids): (&str, &[String]),
        mut all: Vec<T>,
    ) -> Result<Page<T>> {
        if !ids.is_empty() && self.max_results.is_some() {
            return Err(Error::new(
                Ec2Error::InvalidParameterCombination,
                format!("The parameter {parameter} cannot be used with the parameter maxResults"),
            ));
        }
        if !ids.is_empty() {
            let wanted = ids.iter().map(|id| id::parse::<T::Id>(id));
            let wanted = wanted.collect::<Result<BTreeSet<_>, _>>()?;
            all.retain(|one| wanted.contains(one.id()));
            let found: BTreeSet<&T::Id> = all.iter().map(Describable::id).collect();
            if let Some(unknown) = wanted.iter().find(|id| !found.contains(id)) {
                return Err(Error::no_such(T::Id::KIND, unknown));
            }
        }
        self.filtered(call, all, |one| one.id().to_string())
    }

    /// The page of `all`, in the order of `position`, that filters and paging ask for.
    pub(super) fn filtered<T: Filtered>(
        &self,
        call: &Call<'_>,
        all: Vec<T>,
        position: impl Fn(&T) -> String,
    ) -> Result<Page<T>> {
        let limit = PageLimit {
            scope: &call.scope(),
            operation: call.operation,
            max_results: self.max_results,
            next_token: self.next_token.as_deref(),
        };
        limit.of(filter::apply(&self.filters, all)?, position)
    }
}
