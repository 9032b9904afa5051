//! The story: cannot reach, is authorized, connects, can reach; disconnects, cannot reach.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::report::{Measurement, Probes, Report};
use super::stage::Stage;
use super::steps::step;
use super::wait::{Patience, until};
use super::world::{DATABASE, World};
use crate::aws::Refused;
use crate::server::real_now;

/// How long a connection may take to get where it should; it takes milliseconds.
const CONVERGENCE: Patience = Patience {
    every: Duration::from_millis(5),
    deadline: Duration::from_secs(15),
};

/// How long the game server may take to notice and to measure. Looking more often would disturb
/// what it measures.
const OBSERVATION: Patience = Patience {
    every: Duration::from_millis(100),
    deadline: Duration::from_secs(30),
};

/// Unanswered probes in one report that prove that nothing passes. A report has 15 to 35; fewer
/// than this say that the machine was too busy to tell.
const PROOF: u32 = 5;

/// What the packets did.
pub(super) struct Proof {
    /// Before the connection: sent, and none answered.
    pub(super) before: Probes,
    /// From CreateVpcPeeringConnection to the first answer.
    pub(super) first_packet: Duration,
    /// While connected.
    pub(super) connected: Measurement,
    /// After it was deleted: sent, and none answered.
    pub(super) after: Probes,
}

impl World {
    /// Tells the story and proves each turn of it by the game server's own packets.
    pub(super) async fn play(&self, stage: &Stage) -> Result<Proof> {
        let before = self
            .unreachable(stage, "the game server cannot reach the database")
            .await?;
        self.refused(stage).await?;
        self.authorize(stage).await?;
        let asked = real_now().as_microsecond();
        let connection = self.connect(stage).await?;
        let (first_answer, connected) = self.reachable(stage, asked).await?;
        self.disconnect(&connection).await?;
        let after = self
            .unreachable(stage, "the game server cannot reach it any more")
            .await?;
        let first_packet = u64::try_from(first_answer - asked).unwrap_or(0);
        let first_packet = Duration::from_micros(first_packet);
        Ok(Proof {
            before,
            first_packet,
            connected,
            after,
        })
    }

    /// Tells the story where no packets flow: what the API says is all that there is.
    pub(super) async fn play_without_packets(&self, stage: &Stage) -> Result<()> {
        self.refused(stage).await?;
        self.authorize(stage).await?;
        let connection = self.connect(stage).await?;
        self.disconnect(&connection).await
    }

    async fn refused(&self, stage: &Stage) -> Result<()> {
        let what = "studio tries to connect unasked: UnauthorizedException";
        step(what, "gamelift CreateVpcPeeringConnection", async {
            let outcome = self
                .studio
                .gamelift("CreateVpcPeeringConnection", self.peer(stage))
                .await;
            let error = outcome
                .err()
                .context("a connection was made without an authorization")?;
            let refused = error.downcast::<Refused>()?;
            ensure!(
                refused.code == "UnauthorizedException",
                "another refusal: {refused}"
            );
            Ok(())
        })
        .await
    }

    pub(super) async fn authorize(&self, stage: &Stage) -> Result<()> {
        let what = "backend authorizes studio for its VPC, for 24 hours";
        step(what, "gamelift CreateVpcPeeringAuthorization", async {
            let studio = stage.ready.accounts.studio.id.to_string();
            let input = json!({ "GameLiftAwsAccountId": studio, "PeerVpcId": self.vpc });
            self.backend
                .gamelift("CreateVpcPeeringAuthorization", input)
                .await
                .map(drop)
        })
        .await
    }

    /// Connects, and gives the connection's id.
    pub(super) async fn connect(&self, stage: &Stage) -> Result<String> {
        let what = "studio connects the fleet to the VPC: active";
        step(what, "gamelift CreateVpcPeeringConnection", async {
            self.studio
                .gamelift("CreateVpcPeeringConnection", self.peer(stage))
                .await?;
            self.connection("active").await
        })
        .await
    }

    async fn disconnect(&self, connection: &str) -> Result<()> {
        let what = "studio deletes the connection: deleted";
        step(what, "gamelift DeleteVpcPeeringConnection", async {
            let input = json!({ "FleetId": self.fleet, "VpcPeeringConnectionId": connection });
            self.studio
                .gamelift("DeleteVpcPeeringConnection", input)
                .await?;
            self.connection("deleted").await.map(drop)
        })
        .await
    }

    /// Waits until a connection of the fleet has the status, and gives its id.
    async fn connection(&self, status: &str) -> Result<String> {
        until(
            &format!("the connection is not {status}"),
            CONVERGENCE,
            async || {
                let input = json!({ "FleetId": self.fleet });
                let output = self
                    .studio
                    .gamelift("DescribeVpcPeeringConnections", input)
                    .await?;
                let connections = output["VpcPeeringConnections"].as_array();
                let found = connections
                    .into_iter()
                    .flatten()
                    .find(|connection| connection["Status"]["Code"] == status);
                Ok(found
                    .and_then(|found| found["VpcPeeringConnectionId"].as_str())
                    .map(str::to_owned))
            },
        )
        .await
    }

    fn peer(&self, stage: &Stage) -> Value {
        json!({
            "FleetId": self.fleet,
            "PeerVpcAwsAccountId": stage.ready.accounts.backend.id.to_string(),
            "PeerVpcId": self.vpc,
        })
    }

    /// Waits for a report of probes that were all sent from now on and of which none came back.
    async fn unreachable(&self, stage: &Stage, what: &str) -> Result<Probes> {
        let now = real_now().as_microsecond();
        step(what, &format!("UDP to {DATABASE}, unanswered"), async {
            let probes = until("the game server did not report", OBSERVATION, async || {
                let reports = self.reports(stage).await?;
                Ok(reports.into_iter().find_map(|report| match report {
                    Report::Probes(probes) if probes.from >= now => Some(probes),
                    _ => None,
                }))
            })
            .await?;
            ensure!(
                probes.answered == 0,
                "the game server reached the database: {} of {} probes were answered",
                probes.answered,
                probes.sent
            );
            ensure!(
                probes.sent >= PROOF,
                "only {} probes were sent",
                probes.sent
            );
            Ok(probes)
        })
        .await
    }

    /// Waits until the game server was answered and has measured; when the first answer came, and
    /// what it measured.
    pub(super) async fn reachable(&self, stage: &Stage, since: i64) -> Result<(i64, Measurement)> {
        let what = "the game server reads from the database";
        step(
            what,
            &format!("UDP and TCP to {DATABASE}, answered"),
            async {
                until(
                    "the game server did not reach the database",
                    OBSERVATION,
                    async || {
                        let mut first_answer = None;
                        for report in self.reports(stage).await? {
                            match (report, first_answer) {
                                (Report::Probes(probes), None) => {
                                    first_answer = probes.first_answer.filter(|&at| at >= since);
                                }
                                (Report::Measured(measured), Some(at)) => {
                                    return Ok(Some((at, measured)));
                                }
                                _ => {}
                            }
                        }
                        Ok(None)
                    },
                )
                .await
            },
        )
        .await
    }
}
