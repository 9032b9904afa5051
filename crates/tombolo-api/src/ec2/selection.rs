//! Which resources a Describe operation shows: named by ids, passing filters, a page at a time.
//!
//! A NextToken says where the answer goes on, for one operation of one account in one Region. It is
//! opaque to clients, but holds nothing that its caller may not know, so it is not signed.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use tombolo_domain::Scope;

use super::filter::{self, Filter, Filtered};
use super::parameter::{ResourceId, invalid_value, parse_id};
use crate::ec2::error::{Ec2Error, Error, Result};
use crate::lookup::{CustomerVpcs, ScopedTransaction};
use crate::operation::{Call, Operation};

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
    pub(super) fn by_ids<T: Describable>(
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
            let wanted = ids.iter().map(|id| parse_id::<T::Id>(id));
            let wanted = wanted.collect::<Result<BTreeSet<_>, _>>()?;
            all.retain(|one| wanted.contains(one.id()));
            let found: BTreeSet<&T::Id> = all.iter().map(Describable::id).collect();
            if let Some(unknown) = wanted.iter().find(|id| !found.contains(id)) {
                return Err(Error::no_such(T::Id::KIND, unknown));
            }
        }
        self.filtered(call, all, |one| one.id().to_string())
    }

    /// The values of a filter, if each stands for itself only: nothing else passes it.
    pub(super) fn literals(&self, filter: &str) -> Option<impl Iterator<Item = &str>> {
        let filter = self.filters.iter().find(|one| one.is_of(filter))?;
        filter.literals()
    }

    /// The VPCs that the answer can be about: those that a filter by `vpc-id` names, or all.
    pub(super) async fn vpcs(
        &self,
        tx: &mut ScopedTransaction<'_>,
        call: &Call<'_>,
    ) -> Result<CustomerVpcs> {
        let Some(named) = self.literals("vpc-id") else {
            return Ok(tx.vpcs().to(call.action()).await?);
        };
        let ids: Vec<_> = named.filter_map(|id| id.parse().ok()).collect();
        Ok(tx.vpcs().of_ids(call.action(), &ids).await?)
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

/// Those of a request's ids that can be one's, which are the only ones to look for;
/// [`Selection::by_ids`] refuses the others.
pub(super) fn well_formed<I: ResourceId>(ids: &[String]) -> Vec<I> {
    let ids: BTreeSet<I> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    ids.into_iter().collect()
}

/// The bounds of MaxResults (EC2's model; DescribeTags has them in its text only).
const MIN_RESULTS: usize = 5;
const MAX_RESULTS: usize = 1000;

/// One page, and how to ask for the next.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// Its items.
    pub(super) items: Vec<T>,
    /// Asks for the next page; `None` on the last.
    pub(super) next_token: Option<String>,
}

/// What of an answer a request asks for.
pub(super) struct PageLimit<'a> {
    /// Whose answer it is.
    pub(super) scope: &'a Scope,
    /// The operation.
    pub(super) operation: &'static Operation,
    /// MaxResults: without it, everything from the token on.
    pub(super) max_results: Option<i64>,
    /// NextToken of the page before.
    pub(super) next_token: Option<&'a str>,
}

impl PageLimit<'_> {
    /// Cuts the page out of `all`, in the order of `position`, which is unique.
    ///
    /// # Errors
    /// [`Ec2Error::InvalidParameterValue`] for a MaxResults out of bounds, and
    /// [`Ec2Error::InvalidNextToken`].
    pub(super) fn of<T>(&self, all: Vec<T>, position: impl Fn(&T) -> String) -> Result<Page<T>> {
        let limit = self.max_results.map(limit).transpose()?;
        let after = self.next_token.map(|token| self.read(token)).transpose()?;
        let mut items: Vec<(String, T)> = all
            .into_iter()
            .map(|item| (position(&item), item))
            .collect();
        if let Some(after) = after {
            items.retain(|(position, _)| *position > after);
        }
        items.sort_by(|(a, _), (b, _)| a.cmp(b));

        let more = limit.is_some_and(|limit| items.len() > limit);
        items.truncate(limit.unwrap_or(usize::MAX));
        let last = items.last().filter(|_| more);
        let next_token = last.map(|(position, _)| self.token(position));
        Ok(Page {
            items: items.into_iter().map(|(_, item)| item).collect(),
            next_token,
        })
    }

    fn token(&self, position: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}{position}", self.beginning()))
    }

    fn read(&self, token: &str) -> Result<String> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let position = text
            .as_deref()
            .and_then(|text| text.strip_prefix(&self.beginning()));
        position.map(str::to_owned).ok_or_else(|| {
            Error::new(
                Ec2Error::InvalidNextToken,
                format!(
                    "The token is invalid: use the NextToken of the page before, with the same \
                     operation ({}), account and Region.",
                    self.operation.name
                ),
            )
        })
    }

    /// The version of the token's form, and whose it is.
    fn beginning(&self) -> String {
        let Scope { account, region } = self.scope;
        format!("1/{region}/{account}/{}/", self.operation.name)
    }
}

fn limit(max_results: i64) -> Result<usize> {
    let refused = |why: String| invalid_value("maxResults", &max_results.to_string(), &why);
    match usize::try_from(max_results) {
        Ok(limit) if limit > MAX_RESULTS => Err(refused(format!(
            "Expecting a value no greater than {MAX_RESULTS}."
        ))),
        Ok(limit) if limit >= MIN_RESULTS => Ok(limit),
        _ => Err(refused(format!(
            "Expecting a value of at least {MIN_RESULTS}."
        ))),
    }
}
