//! Refusing what the data path has no capacity for.
//!
//! A handler writes what is wanted; the data path is changed later, by the reconcilers. An operation
//! that would overflow one of its tables has to be refused while its client still waits. How full
//! the tables are is known from a moment ago, so the check is a first one: what slips past it meets
//! the engine, which changes nothing when it does not fit, and fails the connection in question.
//!
//! All accounts share the tables, and one account has at most its share of each
//! ([`tombolo_domain::share`]). The engine knows no accounts, so what one has is counted in its records,
//! whether or not it is live: its interfaces, its routes, its connections' blocks, and the entries that
//! the rules of its groups take. A record of the first three is an entry or a few, and they are counted
//! only once all accounts together have more than one may have; those of rules are counted whenever they
//! become more ([`rule_share`](super::rule_share)).

use tombolo_domain::id::Region;
use tombolo_domain::table_capacity::TableCapacity;
use tombolo_store::StoreError;

use super::rule_share::{BLOCKS, PORTS, RuleShares};
use super::{Call, Operation};
use crate::error::{ApiError, CommonError, ServiceError};
use crate::lookup::ScopedTransaction;

/// What routes are looked up in.
pub(crate) const ROUTES: &[&str] = &["routes"];
/// What security groups' rules are looked up in.
pub(crate) const RULES: &[&str] = &[BLOCKS, PORTS];
/// What a connection has entries in, with the routes and rules that a fleet's makes.
pub(crate) const PEERING: &[&str] = &["routes", "admissions", BLOCKS, PORTS];
/// What an interface has entries in.
pub(crate) const INTERFACE: &[&str] = &["interfaces", "endpoints"];
/// What a fleet has entries in, with the rules that let its players in.
pub(crate) const FLEET: &[&str] = &["interfaces", "endpoints", BLOCKS, PORTS];

/// Refuses an operation that adds to a table which is full.
pub(super) fn check(capacity: &TableCapacity, operation: &Operation) -> Result<(), ApiError> {
    capacity.check(operation.fills).map_err(|full| {
        ApiError::new(
            CommonError::InsufficientCapacity,
            format!(
                "{} needs room in the network: {full}. Delete what is no longer needed, \
                 or use another server.",
                operation.name
            ),
        )
    })
}

/// Refuses an operation that adds to a table of which the account has its share already. `crowded` are
/// the tables that may be so, with the entries of a share.
pub(super) async fn check_share(
    tx: &mut ScopedTransaction<'_>,
    rules: &RuleShares,
    crowded: &[(&'static str, u64)],
    regions: &[Region],
    operation: &Operation,
) -> Result<(), ApiError> {
    for &(table, share) in crowded {
        let own = entries_in(tx, rules, table, regions).await?;
        if own >= share {
            return Err(ApiError::new(
                CommonError::InsufficientCapacity,
                format!(
                    "{} needs room in the network, which all accounts share: account {} has {own} \
                     entries of the data path's table {table}, and one account may have {share}. \
                     Delete what is no longer needed, or use another server.",
                    operation.name,
                    tx.principal().account()
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses an operation whose transaction adds to the rules of an account that has its share of their
/// entries.
pub(crate) async fn check_rules<E: ServiceError>(
    tx: &mut ScopedTransaction<'_>,
    call: &Call<'_>,
) -> Result<(), ApiError<E>> {
    Ok(call.rules.check(tx, call.operation).await?)
}

/// How many entries the principal's account has in a table, in all Regions.
async fn entries_in(
    tx: &mut ScopedTransaction<'_>,
    rules: &RuleShares,
    table: &str,
    regions: &[Region],
) -> Result<u64, StoreError> {
    match table {
        BLOCKS => return Ok(rules.count(tx, regions).await?.blocks),
        PORTS => return Ok(rules.count(tx, regions).await?.ports),
        _ => {}
    }
    let mut entries = 0;
    for region in regions {
        entries += match table {
            "interfaces" | "endpoints" => tx.count_own_interfaces(region).await?,
            "routes" => tx.count_own_routes(region).await?,
            _ => tx.count_own_admissions(region).await?,
        };
    }
    Ok(entries as u64)
}
