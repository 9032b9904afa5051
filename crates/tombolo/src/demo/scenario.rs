//! The scenario: cannot reach, is authorized, connects, can reach; disconnects, cannot reach.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::report::{Measurement, Probes, Report};
use super::setup::Setup;
use super::steps::step;
use super::wait::{Polling, until};
use super::world::{DATABASE, World};
use crate::aws::Refused;
use crate::server::real_now;

/// How long a connection may take to get where it should; it takes milliseconds.
const CONVERGENCE: Polling = Polling {
    interval: Duration::from_millis(5),
    deadline: Duration::from_secs(15),
};

/// How long the game server may take to notice and to measure. Looking more often would disturb
/// what it measures.
const OBSERVATION: Polling = Polling {
    interval: Duration::from_millis(100),
    deadline: Duration::from_secs(30),
};

/// Unanswered probes in one report that prove that nothing passes. A report has 15 to 35; fewer
/// than this say that the machine was too busy to tell.
const MIN_PROBES: u32 = 5;

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
    /// Plays the scenario and proves each turn of it by the game server's own packets.
    pub(super) async fn play(&self, setup: &Setup) -> Result<Proof> {
        let before = self
            .unreachable(setup, "the game server cannot reach the database")
            .await?;
        self.refused(setup).await?;
        self.authorize(setup).await?;
        let asked = real_now().as_microsecond();
        let connection = self.connect(setup).await?;
        let (first_answer, connected) = self.reachable(setup, asked).await?;
        self.disconnect(&connection).await?;
        let after = self
            .unreachable(setup, "the game server cannot reach it any more")
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

    /// Plays the scenario where no packets flow: what the API says is all that there is.
    pub(super) async fn play_without_packets(&self, setup: &Setup) -> Result<()> {
        self.refused(setup).await?;
        self.authorize(setup).await?;
        let connection = self.connect(setup).await?;
        self.disconnect(&connection).await
    }

    async fn refused(&self, setup: &Setup) -> Result<()> {
        let what = "studio tries to connect unasked: UnauthorizedException";
        step(what, "gamelift CreateVpcPeeringConnection", async {
            let outcome = self
                .studio
                .gamelift("CreateVpcPeeringConnection", self.peer(setup))
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

    pub(super) async fn authorize(&self, setup: &Setup) -> Result<()> {
        let what = "backend authorizes studio for its VPC, for 24 hours";
        step(what, "gamelift CreateVpcPeeringAuthorization", async {
            let studio = setup.ready.accounts.studio.id.to_string();
            let input = json!({ "GameLiftAwsAccountId": studio, "PeerVpcId": self.vpc });
            self.backend
                .gamelift("CreateVpcPeeringAuthorization", input)
                .await
                .map(drop)
        })
        .await
    }

    /// Connects, and gives the connection's id.
    pub(super) async fn connect(&self, setup: &Setup) -> Result<String> {
        let what = "studio connects the fleet to the VPC: active";
        step(what, "gamelift CreateVpcPeeringConnection", async {
            self.studio
                .gamelift("CreateVpcPeeringConnection", self.peer(setup))
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

    fn peer(&self, setup: &Setup) -> Value {
        json!({
            "FleetId": self.fleet,
            "PeerVpcAwsAccountId": setup.ready.accounts.backend.id.to_string(),
            "PeerVpcId": self.vpc,
        })
    }

    /// Waits for a report of probes that were all sent from now on and of which none came back.
    async fn unreachable(&self, setup: &Setup, what: &str) -> Result<Probes> {
        let now = real_now().as_microsecond();
        step(what, &format!("UDP to {DATABASE}, unanswered"), async {
            let probes = until("the game server did not report", OBSERVATION, async || {
                let reports = self.reports(setup).await?;
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
                probes.sent >= MIN_PROBES,
                "only {} probes were sent",
                probes.sent
            );
            Ok(probes)
        })
        .await
    }

    /// Waits until the game server was answered and has measured; when the first answer came, and
    /// what it measured.
    pub(super) async fn reachable(&self, setup: &Setup, since: i64) -> Result<(i64, Measurement)> {
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
                        for report in self.reports(setup).await? {
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
