//! Fleets and builds, by id or ARN, and what is kept under a fleet.

use tombolo_domain::arn::{self, Resource};
use tombolo_domain::fleet::{Build, Fleet, Instance, ScalingPolicy};
use tombolo_domain::id::{BuildId, FleetId, InstanceId};
use tombolo_domain::principal::Action;
use tombolo_domain::{Scope, Timestamp};
use tombolo_store::StoreError;
use tombolo_store::keys::{
    self, BuildKey, Cursor, FleetEventKey, FleetKey, InstanceKey, ScalingPolicyKey,
};

use super::{Failed, Listing, Lookup, LookupKey, Scan, ScopedTransaction};

impl LookupKey for FleetId {
    type Record = Fleet;

    fn parse(owner: &Scope, text: &str) -> Option<Self> {
        arn::fleet_id_or_arn(owner, text)
    }

    fn resource<'a>(&'a self, owner: &'a Scope) -> Option<Resource<'a>> {
        Some(Resource::fleet(owner, self))
    }

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        _: Action,
    ) -> Result<Option<Fleet>, Failed> {
        Ok(tx.get_own(|owner| keys::fleet(owner, &self)).await?)
    }
}

impl LookupKey for BuildId {
    type Record = Build;

    fn parse(owner: &Scope, text: &str) -> Option<Self> {
        arn::build_id_or_arn(owner, text)
    }

    fn resource<'a>(&'a self, owner: &'a Scope) -> Option<Resource<'a>> {
        Some(Resource::build(owner, self))
    }

    async fn read(
        self,
        tx: &mut ScopedTransaction<'_>,
        _: Action,
    ) -> Result<Option<Build>, Failed> {
        Ok(tx.get_own(|owner| keys::build(owner, &self)).await?)
    }
}

impl<'p> ScopedTransaction<'p> {
    /// A fleet, by its id or ARN.
    pub fn fleet<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, FleetId> {
        self.look_up(name)
    }

    /// A build, by its id or ARN.
    pub fn build<'t>(&'t mut self, name: &'t str) -> Lookup<'t, 'p, BuildId> {
        self.look_up(name)
    }

    /// The fleets.
    pub fn fleets(&mut self) -> Listing<'_, 'p, FleetKey> {
        Listing::new(self, |tx| tx.scan_own(keys::fleets))
    }

    /// The builds.
    pub fn builds(&mut self) -> Listing<'_, 'p, BuildKey> {
        Listing::new(self, |tx| tx.scan_own(keys::builds))
    }

    /// The instances of a fleet.
    pub fn instances_of(&mut self, fleet: &Fleet) -> Scan<'_, InstanceKey> {
        self.scan_own(|owner| keys::instances_of(owner, &fleet.id))
    }

    /// An instance of a fleet. The commit depends on it.
    pub async fn instance_of(
        &mut self,
        fleet: &Fleet,
        instance: &InstanceId,
    ) -> Result<Option<Instance>, StoreError> {
        self.get_own(|owner| keys::instance(owner, &fleet.id, instance))
            .await
    }

    /// The events of a fleet, the newest first.
    pub fn events_of(&mut self, fleet: &Fleet) -> Scan<'_, FleetEventKey> {
        self.scan_own(|owner| keys::fleet_events(owner, &fleet.id))
    }

    /// The scaling policies of a fleet.
    pub fn scaling_policies_of(&mut self, fleet: &Fleet) -> Scan<'_, ScalingPolicyKey> {
        self.scan_own(|owner| keys::scaling_policies(owner, &fleet.id))
    }

    /// The scaling policy of a fleet that has a name. The commit depends on it.
    pub async fn scaling_policy_of(
        &mut self,
        fleet: &Fleet,
        name: &str,
    ) -> Result<Option<ScalingPolicy>, StoreError> {
        self.get_own(|owner| keys::scaling_policy(owner, &fleet.id, name))
            .await
    }

    /// The place before the events of a fleet that happened at time `at` or earlier.
    pub fn events_from(&self, fleet: &Fleet, at: Timestamp) -> Cursor<FleetEventKey> {
        keys::fleet_events_from(self.principal().scope(), &fleet.id, at)
    }
}
