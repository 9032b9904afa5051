//! The peering connections that rules may refer to: the active ones between customer VPCs. No rule can
//! name a group of a fleet's hidden VPC.

use tombolo_domain::id::{VpcId, VpcPeeringConnectionId};
use tombolo_domain::peering::{Connection, End, State};
use tombolo_domain::vpc::PeeredGroup;

use crate::ec2::error::Result;
use crate::lookup::{CustomerVpcs, InVpc, ScopedTransaction};
use crate::operation::Call;

/// Active connections between customer VPCs.
#[derive(Debug, Default)]
pub(super) struct ActivePeerings(Vec<Connection>);

impl ActivePeerings {
    /// Those of one VPC. The commit depends on there being no other.
    pub(super) async fn of_vpc(tx: &mut ScopedTransaction<'_>, of: &impl InVpc) -> Result<Self> {
        let found = tx.written_connections_of_vpc(of).await?;
        Ok(Self::among(found))
    }

    /// Those of VPCs of the caller's, only to be shown.
    pub(super) async fn in_vpcs(
        tx: &mut ScopedTransaction<'_>,
        call: &Call<'_>,
        vpcs: &CustomerVpcs,
    ) -> Result<Self> {
        let found = tx.peering_connections().open(call.action(), vpcs).await?;
        Ok(Self::among(found))
    }

    fn among(mut all: Vec<Connection>) -> Self {
        all.retain(|one| one.state == State::Active && one.fleet.is_none());
        ActivePeerings(all)
    }

    /// The connections of `vpc`, each with its other end.
    pub(super) fn from(&self, vpc: &VpcId) -> impl Iterator<Item = (&Connection, &End)> {
        self.0.iter().filter_map(move |connection| {
            let Connection {
                requester,
                accepter,
                ..
            } = connection;
            if requester.vpc == *vpc {
                Some((connection, accepter))
            } else if accepter.vpc == *vpc {
                Some((connection, requester))
            } else {
                None
            }
        })
    }

    /// The connection between two VPCs.
    pub(super) fn between(&self, one: &VpcId, other: &VpcId) -> Option<&Connection> {
        self.0
            .iter()
            .find(|connection| connection.joins(one, other))
    }

    /// The connection by which a rule of a group in `vpc` reaches a peered group, and EC2's
    /// PeeringStatus. VPCs that are peered anew make a rule valid again, by the new connection.
    pub(super) fn status(
        &self,
        vpc: &VpcId,
        peered: &PeeredGroup,
    ) -> (VpcPeeringConnectionId, &'static str) {
        match self.between(vpc, &peered.vpc) {
            Some(connection) => (connection.id.clone(), "active"),
            None => (peered.connection.clone(), "deleted"),
        }
    }
}
