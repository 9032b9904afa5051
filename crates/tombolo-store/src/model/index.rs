//! Finding records by what is in them.
//!
//! A record stands under the hash of each of its [`Term`]s. Whoever finds it there looks whether it
//! has the term indeed, so that two terms with one hash cost time and nothing else.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use immutable_chunkmap::set::Set;
use tombolo_domain::Scope;
use tombolo_domain::id::{
    AccountId, Region, RouteTableAssociationId, SecurityGroupRuleId, VpcCidrAssociationId, VpcId,
    VpcPeeringConnectionId,
};
use tombolo_domain::peering::Requester;
use tombolo_domain::vpc::Attachment;

use super::Snapshot;
use super::table::CHUNK;
use crate::keys::{
    AuthorizationKey, AuthorizedKey, BuildKey, ConnectionKey, FleetKey, InstanceKey, InterfaceKey,
    KeyParts, PeeringKey, PublicPortKey, RouteTableKey, ScalingPolicyKey, SecurityGroupKey,
    SubnetKey, TagsKey, VpcKey,
};

/// Something by which records are found that their keys do not start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term<'t> {
    /// The connection of this id.
    Connection(&'t VpcPeeringConnectionId),
    /// A connection with an end in this VPC that is not over.
    OpenConnectionOf(&'t VpcId),
    /// A connection that is not over, by the account and Region of either end.
    OpenConnectionIn(AccountId, &'t Region),
    /// A connection that is a request still.
    Request,
    /// A connection that is a request still, by who asked.
    RequestBy(AccountId, &'t Region),
    /// The VPC that has this further block of addresses.
    CidrAssociation(&'t VpcCidrAssociationId),
    /// A VPC that a fleet hides.
    HiddenVpc,
    /// The route table that has this association.
    RouteTableAssociation(&'t RouteTableAssociationId),
    /// The security group that has this rule.
    SecurityGroupRule(&'t SecurityGroupRuleId),
    /// A network interface that a program is attached to.
    ProgramInterface,
}

/// A kind of which the read model has the records.
pub trait Indexed: KeyParts {
    /// Tells the terms of a record.
    fn terms<'v>(_value: &'v Self::Value, _tell: &mut dyn FnMut(Term<'v>)) {}

    /// Whether a record has a term.
    fn has_term(value: &Self::Value, term: &Term<'_>) -> bool {
        let mut found = false;
        Self::terms(value, &mut |one| found |= one == *term);
        found
    }

    /// Whether a record that cannot be read may have a term, by its key and by what `other` records say of
    /// it.
    fn may_have_term(&self, _term: &Term<'_>, _others: &Snapshot) -> bool {
        true
    }
}

/// Kinds that are only found by how their keys start.
macro_rules! without_terms {
    ($($parts:ty),* $(,)?) => {$(
        impl Indexed for $parts {}
    )*};
}

without_terms!(
    AuthorizationKey,
    AuthorizedKey,
    BuildKey,
    FleetKey,
    InstanceKey,
    PeeringKey,
    PublicPortKey,
    ScalingPolicyKey,
    SubnetKey,
    TagsKey,
);

impl Indexed for ConnectionKey {
    fn terms<'v>(connection: &'v Self::Value, tell: &mut dyn FnMut(Term<'v>)) {
        tell(Term::Connection(&connection.id));
        if !connection.state.is_over() {
            for end in [&connection.requester, &connection.accepter] {
                tell(Term::OpenConnectionOf(&end.vpc));
                tell(Term::OpenConnectionIn(end.account, &connection.region));
            }
        }
        if connection.state.is_request() {
            tell(Term::Request);
            tell(Term::RequestBy(
                connection.requester.account,
                &connection.region,
            ));
        }
    }

    /// Who has an end of a connection is in the key if it asked; for the other one there is an entry once
    /// the connection was delivered, before which it is none of its matter.
    fn may_have_term(&self, term: &Term<'_>, others: &Snapshot) -> bool {
        let is_delivered_to = |is_it: &dyn Fn(&PeeringKey) -> bool| {
            let entries = others.keys::<PeeringKey>();
            let mut entries = entries.filter(|entry| entry.connection == self.connection);
            entries.any(|entry| is_it(&entry))
        };
        let is_of = |scope: &Scope, account: &AccountId, region: &Region| {
            scope.account == *account && scope.region == *region
        };
        match term {
            Term::Connection(id) => self.connection == **id,
            Term::OpenConnectionOf(vpc) => {
                self.requester == Requester::Vpc((*vpc).clone())
                    || is_delivered_to(&|entry| entry.vpc == **vpc)
            }
            Term::OpenConnectionIn(account, region) => {
                is_of(&self.scope, account, region)
                    || is_delivered_to(&|entry| is_of(&entry.scope, account, region))
            }
            Term::RequestBy(account, region) => is_of(&self.scope, account, region),
            _ => true,
        }
    }
}

impl Indexed for VpcKey {
    fn terms<'v>(vpc: &'v Self::Value, tell: &mut dyn FnMut(Term<'v>)) {
        for block in &vpc.secondary_cidrs {
            tell(Term::CidrAssociation(&block.id));
        }
        if vpc.fleet.is_some() {
            tell(Term::HiddenVpc);
        }
    }
}

impl Indexed for RouteTableKey {
    fn terms<'v>(table: &'v Self::Value, tell: &mut dyn FnMut(Term<'v>)) {
        let further = table.associations.iter().map(|one| &one.id);
        for association in table.main.iter().chain(further) {
            tell(Term::RouteTableAssociation(association));
        }
    }
}

impl Indexed for SecurityGroupKey {
    fn terms<'v>(group: &'v Self::Value, tell: &mut dyn FnMut(Term<'v>)) {
        for rule in &group.rules {
            tell(Term::SecurityGroupRule(&rule.id));
        }
    }
}

impl Indexed for InterfaceKey {
    fn terms<'v>(interface: &'v Self::Value, tell: &mut dyn FnMut(Term<'v>)) {
        if matches!(interface.attachment, Some(Attachment::Program { .. })) {
            tell(Term::ProgramInterface);
        }
    }
}

/// The keys of the records that have a term, by the term's hash. A copy costs nothing.
#[derive(Clone)]
pub(super) struct Index {
    keys: Set<(u64, Bytes), CHUNK>,
    /// Of this process alone, so that nobody can choose names that fall together.
    hasher: Arc<RandomState>,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            keys: Set::new(),
            hasher: Arc::new(RandomState::new()),
        }
    }
}

impl Index {
    /// Tells the hash of each of a record's terms.
    pub(super) fn hashes_of<K: Indexed>(&self, value: &K::Value, mut tell: impl FnMut(u64)) {
        K::terms(value, &mut |term| tell(self.hasher.hash_one(term)));
    }

    /// Takes over all entries at once.
    pub(super) fn load(&mut self, entries: Vec<(u64, Bytes)>) {
        self.keys = self.keys.insert_many(entries);
    }

    pub(super) fn add<K: Indexed>(&mut self, value: &K::Value, key: &Bytes) {
        let (hasher, keys) = (&self.hasher, &mut self.keys);
        K::terms(value, &mut |term| {
            keys.insert_cow((hasher.hash_one(term), key.clone()));
        });
    }

    /// Removes the terms that `old` had and `new`, which is in its place, has not.
    pub(super) fn remove<K: Indexed>(
        &mut self,
        old: &K::Value,
        new: Option<&K::Value>,
        key: &Bytes,
    ) {
        let mut kept = Vec::new();
        if let Some(new) = new {
            self.hashes_of::<K>(new, |hash| kept.push(hash));
        }
        let (hasher, keys) = (&self.hasher, &mut self.keys);
        K::terms(old, &mut |term| {
            let hash = hasher.hash_one(term);
            if !kept.contains(&hash) {
                keys.remove_cow(&(hash, key.clone()));
            }
        });
    }

    /// The keys of records that may have the term, in key order.
    pub(super) fn find(&self, term: &Term<'_>) -> impl Iterator<Item = &Bytes> {
        let hash = self.hasher.hash_one(term);
        let from = (hash, Bytes::new());
        let entries = self.keys.range::<(u64, Bytes), _>(from..);
        entries
            .take_while(move |(found, _)| *found == hash)
            .map(|(_, key)| key)
    }
}
