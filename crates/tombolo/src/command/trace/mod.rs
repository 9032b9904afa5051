//! `tombolo trace`.

mod answer;
mod probe;

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap::error::ErrorKind;
use serde::Serialize;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{InterfaceDescription, ReadTraffic, TracePath, TracedPath};
use tombolo_domain::trace::{Hop, Packet};
use tombolo_network::EngineKind;

use crate::cli::{Cli, ProtocolName, Target, TraceArguments};
use crate::{output, report};

use answer::Answer;
use probe::{Probe, Probed};

/// The exit code when it could not be found out.
const UNKNOWN: u8 = 2;

/// Traces, and exits 0 if the packet reaches its destination, 1 if not.
pub(super) async fn run(arguments: TraceArguments) -> Result<ExitCode> {
    let packet = match packet(arguments.to, arguments.protocol) {
        Ok(packet) => packet,
        Err(usage) => {
            // Without stderr the error cannot be reported.
            let _ = misused(usage).print();
            return Ok(ExitCode::from(UNKNOWN));
        }
    };
    match trace(&arguments, packet).await {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        // 1 would say that it is not reachable.
        Err(error) => {
            report::failure(&error);
            Ok(ExitCode::from(UNKNOWN))
        }
    }
}

/// Told as the parser tells its own errors, with the usage of this command.
fn misused(why: &str) -> clap::Error {
    let mut cli = Cli::command();
    cli.build();
    let trace = cli.find_subcommand_mut("trace");
    match trace {
        Some(trace) => trace.error(ErrorKind::ValueValidation, why),
        None => cli.error(ErrorKind::ValueValidation, why),
    }
}

/// What is traced.
fn packet(to: Target, protocol: Option<ProtocolName>) -> Result<Packet, &'static str> {
    match (to.port, protocol) {
        (None, None | Some(ProtocolName::Icmp)) => Ok(Packet::ECHO),
        (Some(port), None | Some(ProtocolName::Tcp)) => Ok(Packet::Tcp { port }),
        (Some(port), Some(ProtocolName::Udp)) => Ok(Packet::Udp { port }),
        (Some(_), Some(ProtocolName::Icmp)) => Err("icmp has no ports: write --to ADDRESS"),
        (None, Some(_)) => Err("tcp and udp go to a port: write --to ADDRESS:PORT"),
    }
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'r> {
    /// Whether the packet reaches its destination.
    reachable: bool,
    /// That, and what to change, in a sentence or two.
    answer: &'r str,
    /// Who sends.
    source: &'r InterfaceDescription,
    /// To which address.
    to: Ipv4Addr,
    /// What.
    packet: Packet,
    /// The path, by what is stored.
    hops: &'r [Hop],
    /// What the data path would do.
    data_path: DataPath<'r>,
    /// What became of a real packet.
    probe: &'r Probed,
}

#[derive(Serialize)]
struct DataPath<'r> {
    engine: EngineKind,
    agrees: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<&'r str>,
}

async fn trace(arguments: &TraceArguments, packet: Packet) -> Result<bool> {
    let server = AdminClient::new(&arguments.server.dir);
    let to = arguments.to.address;
    let request = TracePath {
        from: arguments.from.clone(),
        vpc: arguments.vpc.clone(),
        to,
        packet,
    };
    let traced = server.send(&request).await?;
    let probed = match (&traced.namespace, arguments.no_probe) {
        (_, true) => Probed::not_sent("--no-probe was given"),
        (None, false) => Probed::not_sent(match traced.network {
            EngineKind::Simulated => "the network is simulated, so no packet flows",
            EngineKind::Ebpf => "the sender has no network of its own yet",
        }),
        (Some(namespace), false) => {
            let probe = Probe {
                namespace: namespace.clone(),
                to,
                packet,
            };
            send(&server, &traced, probe).await?
        }
    };
    let answer = Answer::of(&traced, to, packet, &probed);
    if arguments.format.json {
        output::json(&Report {
            reachable: answer.reachable,
            answer: &answer.sentence,
            source: &traced.source,
            to,
            packet,
            hops: &traced.trace.hops,
            data_path: DataPath {
                engine: traced.network,
                agrees: traced.difference.is_none(),
                difference: traced.difference.as_deref(),
            },
            probe: &probed,
        })?;
    } else {
        show(&traced, to, packet, &probed, &answer)?;
    }
    Ok(answer.reachable)
}

/// Sends the probe. A datagram that nobody answers leaves a mark in the destination's counter. So
/// does everybody else's traffic: the mark is only believed where nothing says that the datagram
/// was dropped.
async fn send(server: &AdminClient, traced: &TracedPath, probe: Probe) -> Result<Probed> {
    let should_pass = traced.trace.blocked().is_none() && traced.difference.is_none();
    if !should_pass || !matches!(probe.packet, Packet::Udp { .. }) {
        return probe.send().await;
    }
    let before = received(server, traced).await?;
    match probe.send().await? {
        Probed::Silent if received(server, traced).await? > before => Ok(Probed::Arrived),
        probed => Ok(probed),
    }
}

/// How many packets the destination's interface has got so far.
async fn received(server: &AdminClient, traced: &TracedPath) -> Result<u64> {
    let Some(destination) = &traced.trace.destination else {
        return Ok(0);
    };
    let counters = server.send(&ReadTraffic {}).await?.counters;
    let traffic = counters.interfaces.get(destination);
    Ok(traffic.map_or(0, |traffic| traffic.received.packets))
}

fn show(
    traced: &TracedPath,
    to: Ipv4Addr,
    packet: Packet,
    probed: &Probed,
    answer: &Answer,
) -> Result<()> {
    let source = &traced.source;
    output::line(format!(
        "{packet} from {} ({} of account {}) to {to}",
        source.address, source.id, source.account
    ))?;
    let hop = |state: &str, place: &str, finding: &str| {
        output::line(format!("  {state:<3} {place:<12} {finding}"))
    };
    for Hop {
        place,
        finding,
        obstacle,
        ..
    } in &traced.trace.hops
    {
        let state = if obstacle.is_some() { "NO" } else { "ok" };
        hop(state, &place.to_string(), finding)?;
    }
    match &traced.difference {
        None => hop("ok", "data path", "decides the same")?,
        Some(difference) => hop("NO", "data path", &format!("disagrees: {difference}"))?,
    }
    let state = match probed.reached() {
        Some(true) => "ok",
        Some(false) => "NO",
        None => "--",
    };
    hop(state, "probe", &probed.to_string())?;
    output::line(&answer.sentence)
}
