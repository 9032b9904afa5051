//! `[admission]` and `[request_rates]`: what clients may take of the server, before it is known who
//! asks and after.

use anyhow::{Result, bail};
use ipnet::IpNet;
use serde::Deserialize;
use tombolo_api::admission::{AdmissionSettings, BodyBudget, Rate, Rates, Sources};
use tombolo_api::http::MAX_BODY;

use super::{Bytes, Limit};

/// What is counted for the address that a request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admission {
    /// The memory of bodies of requests that are being received.
    pub body_memory: Bytes,
    /// Balancers and proxies, whose addresses stand for many clients.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Admission {
    fn default() -> Self {
        Admission {
            body_memory: Bytes(BodyBudget::DEFAULT as u64),
            trusted_proxies: Vec::new(),
        }
    }
}

/// How often an account may ask in one Region.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestRates {
    /// Of operations that read.
    pub non_mutating: Limit<Rate>,
    /// Of operations that write.
    pub mutating: Limit<Rate>,
    /// Of operations that change the data path of whole VPCs, or start and end instances.
    pub resource_intensive: Limit<Rate>,
}

impl Default for RequestRates {
    /// Meant to be above what a client reaches that waits for each reply; an estimate, and not measured.
    fn default() -> Self {
        let rate = |burst, per_second| Limit::AtMost(Rate { burst, per_second });
        RequestRates {
            non_mutating: rate(10_000, 5_000),
            mutating: rate(4_000, 2_000),
            resource_intensive: rate(1_000, 200),
        }
    }
}

impl RequestRates {
    fn named(&self) -> [(&'static str, Limit<Rate>); 3] {
        [
            ("non_mutating", self.non_mutating),
            ("mutating", self.mutating),
            ("resource_intensive", self.resource_intensive),
        ]
    }
}

/// Checks both tables.
pub(super) fn check(admission: &Admission, rates: &RequestRates) -> Result<()> {
    let Bytes(memory) = admission.body_memory;
    let least = (BodyBudget::SHARES * MAX_BODY) as u64;
    if memory < least {
        bail!(
            "admission.body_memory = {memory}: is in bytes, and at least {least}, so that the \
             eighth of one address takes one body; write \"64 MiB\""
        );
    }
    for (name, rate) in rates.named() {
        if let Limit::AtMost(Rate { burst, per_second }) = rate
            && (burst == 0 || per_second == 0)
        {
            bail!(
                "request_rates.{name} = {{ burst = {burst}, per_second = {per_second} }}: would \
                 refuse every request; both must be at least 1, and \"none\" is no limit"
            );
        }
    }
    Ok(())
}

/// As the server takes both tables.
pub(crate) fn settings(admission: &Admission, rates: &RequestRates) -> AdmissionSettings {
    let rate = |limit| match limit {
        Limit::AtMost(rate) => Some(rate),
        Limit::None => None,
    };
    let Bytes(memory) = admission.body_memory;
    AdmissionSettings {
        body_memory: usize::try_from(memory).unwrap_or(usize::MAX),
        trusted: Sources::new(admission.trusted_proxies.clone()),
        rates: Rates {
            non_mutating: rate(rates.non_mutating),
            mutating: rate(rates.mutating),
            resource_intensive: rate(rates.resource_intensive),
        },
    }
}
