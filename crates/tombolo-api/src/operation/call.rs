//! What a handler knows besides its input.

use tombolo_domain::id::IdSource;
use tombolo_domain::principal::{Action, Principal};
use tombolo_domain::{Scope, Timestamp};

use super::number::NumberReservation;
use super::rule_share::RuleReservation;
use super::{Operation, Settings};

/// One request's circumstances.
pub struct Call<'a> {
    /// What is called.
    pub operation: &'static Operation,
    /// Who calls.
    pub principal: &'a Principal,
    /// The server's time, one for the whole request.
    pub now: Timestamp,
    /// Where new ids come from.
    pub ids: &'a dyn IdSource,
    /// Where the numbers in the data path of what is made come from.
    pub(crate) numbers: &'a NumberReservation<'a>,
    /// What the run adds to the entries of its account's rules.
    pub(crate) rules: &'a RuleReservation<'a>,
    /// The server's configuration.
    pub settings: &'a Settings,
}

impl Call<'_> {
    /// What the principal asks to do, as policies name it.
    pub fn action(&self) -> Action {
        self.operation.action
    }

    /// The account and Region that the request acts in.
    pub fn scope(&self) -> Scope {
        self.principal.scope().clone()
    }
}
