//! What the demo makes before its scenario begins: the database's VPC, the build, the fleet.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tombolo_admin::message::{FollowLogs, ImportBuild, LogLines, LogPart};
use tombolo_domain::fleet::OperatingSystem;

use super::database;
use super::report::{self, Report};
use super::setup::Setup;
use super::steps::step;
use super::wait::{Polling, until};
use crate::aws::{AwsClient, element};

/// The block of the database's VPC.
pub(super) const VPC_CIDR: &str = "10.99.0.0/16";
const SUBNET_CIDR: &str = "10.99.1.0/24";
/// Where the database is.
pub(super) const DATABASE_ADDRESS: &str = "10.99.1.10";
pub(super) const DATABASE: &str = "10.99.1.10:7000";

/// How long a fleet may take to become active; it takes a second or two.
const ACTIVATION: Polling = Polling {
    interval: Duration::from_millis(5),
    deadline: Duration::from_secs(30),
};

/// A VPC with a database and a fleet with a game server, not connected yet.
pub(super) struct World {
    /// The account `backend`.
    pub(super) backend: AwsClient,
    /// The account `studio`.
    pub(super) studio: AwsClient,
    /// The database's VPC.
    pub(super) vpc: String,
    /// The fleet.
    pub(super) fleet: String,
}

impl World {
    /// Makes it. Where no packets flow, there is no database either: nothing could reach it.
    pub(super) async fn make(setup: &mut Setup, packets: bool) -> Result<Self> {
        let backend = setup.client(&setup.ready.accounts.backend)?;
        let studio = setup.client(&setup.ready.accounts.studio)?;

        let vpc = step(
            &format!("backend makes a VPC, {VPC_CIDR}"),
            "ec2 CreateVpc",
            async {
                let xml = backend.ec2("CreateVpc", &[("CidrBlock", VPC_CIDR)]).await?;
                id(&xml, "vpcId")
            },
        )
        .await?;
        let subnet = step("and a subnet in it", "ec2 CreateSubnet", async {
            let parameters = [("VpcId", vpc.as_str()), ("CidrBlock", SUBNET_CIDR)];
            id(&backend.ec2("CreateSubnet", &parameters).await?, "subnetId")
        })
        .await?;
        if packets {
            start_database(setup, &vpc, &subnet).await?;
        }

        let build = import_build(setup).await?;
        let fleet = step(
            "studio makes a fleet of one game server",
            "gamelift CreateFleet",
            async {
                let created = studio.gamelift("CreateFleet", fleet_of(&build)).await?;
                text(&created["FleetAttributes"]["FleetId"])
            },
        )
        .await?;
        let active = "the fleet becomes ACTIVE, its game server runs";
        step(
            active,
            "gamelift DescribeFleetAttributes",
            activation(&studio, &fleet),
        )
        .await?;
        Ok(World {
            backend,
            studio,
            vpc,
            fleet,
        })
    }

    /// What the game server has reported so far.
    pub(super) async fn reports(&self, setup: &Setup) -> Result<Vec<Report>> {
        let request = FollowLogs {
            fleet: self.fleet.parse()?,
            account: None,
            instance: None,
            process: None,
            install: false,
            lines: None,
            follow: false,
        };
        let mut parts = setup.admin().stream(&request).await?;
        let mut reports = Vec::new();
        while let Some(part) = parts.next().await? {
            if let LogPart::Lines(LogLines { lines, .. }) = part {
                reports.extend(lines.iter().filter_map(|line| report::read(line)));
            }
        }
        Ok(reports)
    }
}

async fn start_database(setup: &mut Setup, vpc: &str, subnet: &str) -> Result<()> {
    let what = format!("backend runs a database in it, at {DATABASE}");
    step(&what, "tombolo run -- DATABASE", async {
        let binary = setup.binary().to_owned();
        let binary = binary
            .to_str()
            .context("this program's path is not UTF-8")?;
        let place = [
            "run",
            "--account",
            "backend",
            "--vpc",
            vpc,
            "--subnet",
            subnet,
        ];
        let program = ["--address", DATABASE_ADDRESS, "--", binary, "demo-database"];
        let arguments = [&place[..], &program, &["--listen", DATABASE]].concat();
        setup.start(&arguments)?;
        let listening = database::listening(DATABASE);
        until("the database does not listen", ACTIVATION, async || {
            Ok(setup.log()?.contains(&listening).then_some(()))
        })
        .await
    })
    .await
}

/// A build whose only file is this program, which plays the game server.
async fn import_build(setup: &Setup) -> Result<String> {
    let root = setup.path().join("build");
    step(
        "studio imports a build, with the game server",
        "tombolo build import",
        async {
            fs::create_dir(&root)?;
            fs::copy(setup.binary(), root.join("tombolo")).context("copying this program")?;
            let request = ImportBuild {
                account: "studio".to_owned(),
                region: None,
                name: "demo".parse()?,
                version: env!("CARGO_PKG_VERSION").parse()?,
                operating_system: OperatingSystem::default(),
                root,
            };
            Ok(setup.admin().send(&request).await?.build_id.to_string())
        },
    )
    .await
}

fn fleet_of(build: &str) -> Value {
    json!({
        "Name": "demo",
        "BuildId": build,
        "EC2InstanceType": "c5.large",
        "RuntimeConfiguration": {
            "ServerProcesses": [{
                "LaunchPath": "/local/game/tombolo",
                "Parameters": format!("demo-game-server --database {DATABASE}"),
                "ConcurrentExecutions": 1,
            }],
        },
    })
}

/// Waits until the fleet is active; one that fails says why in its events.
async fn activation(studio: &AwsClient, fleet: &str) -> Result<()> {
    until("the fleet did not become ACTIVE", ACTIVATION, async || {
        let input = json!({ "FleetIds": [fleet] });
        let output = studio.gamelift("DescribeFleetAttributes", input).await?;
        match output["FleetAttributes"][0]["Status"].as_str() {
            Some("ACTIVE") => Ok(Some(())),
            Some("ERROR") => {
                let input = json!({ "FleetId": fleet });
                let events = studio.gamelift("DescribeFleetEvents", input).await?;
                let events = events["Events"].as_array().into_iter().flatten();
                let messages: Vec<&str> = events
                    .filter_map(|event| event["Message"].as_str())
                    .collect();
                bail!("the fleet failed: {}", messages.join("; "))
            }
            _ => Ok(None),
        }
    })
    .await
}

fn id(xml: &str, name: &str) -> Result<String> {
    let id = element(xml, name).with_context(|| format!("EC2's answer has no {name}"))?;
    Ok(id.to_owned())
}

fn text(value: &Value) -> Result<String> {
    Ok(value
        .as_str()
        .context("GameLift's answer lacks an id")?
        .to_owned())
}
