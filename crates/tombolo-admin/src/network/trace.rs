//! The path of a packet, by the records and by the data path's maps.

use std::time::Duration;

use anyhow::{Context, Result};
use tombolo_domain::trace::{self, Question, Records, Trace};
use tombolo_domain::vpc::NetworkInterface;
use tombolo_network::{Packet, Transport, Verdict};
use tombolo_store::keys;

use super::compare::{self, Directions};
use super::describe;
use crate::hint::hinted;
use crate::message::{Sender, TracePath, TracedPath};
use crate::service::AdminService;

/// A change that has just been stored reaches the data path within milliseconds. A difference is
/// reported only after so many comparisons, with this interval between them.
const MAX_COMPARISONS: usize = 20;
const COMPARISON_INTERVAL: Duration = Duration::from_millis(50);

/// The port that a traced packet is said to come from: none that a program listens on.
const SOURCE_PORT: u16 = 49_152;

impl AdminService {
    /// Walks the path over the records, and compares the result with the data path's decision.
    pub async fn trace_path(&self, request: TracePath) -> Result<TracedPath> {
        let mut comparisons = 0;
        loop {
            let records = self.records().await?;
            let source = find_sender(&records, &request)?;
            let question = Question {
                from: source,
                to: request.to,
                packet: request.packet,
            };
            let trace = trace::walk(&records, &question)
                .with_context(|| format!("the VPC of {} is being deleted", source.id))?;
            let there = Packet {
                source: source.address,
                destination: request.to,
                transport: transport(request.packet),
            };
            let there = self.engine.decide(&source.id, &there).await?;
            let trace = compare::with_outside(trace, request.to, &there);
            let difference = self.difference(&records, &question, &trace, there).await?;
            comparisons += 1;
            if difference.is_some() && comparisons < MAX_COMPARISONS {
                tokio::time::sleep(COMPARISON_INTERVAL).await;
                continue;
            }
            return Ok(TracedPath {
                network: self.network,
                namespace: self.engine.namespace(&source.id),
                source: describe(source),
                trace,
                difference,
            });
        }
    }

    /// The records of all networks. They are not read at one moment: what was changed in between
    /// may be there in part.
    async fn records(&self) -> Result<Records> {
        let mut tx = self.read();
        Ok(Records {
            connections: tx.peek(&keys::all_connections()).await?,
            vpcs: tx.peek(&keys::all_vpcs()).await?,
            route_tables: tx.peek(&keys::all_route_tables()).await?,
            security_groups: tx.peek(&keys::all_security_groups()).await?,
            subnets: tx.peek(&keys::all_subnets()).await?,
            interfaces: tx.peek(&keys::all_interfaces()).await?,
        })
    }

    /// Where the data path decides otherwise than `trace` has it.
    async fn difference(
        &self,
        records: &Records,
        question: &Question<'_>,
        trace: &Trace,
        there: Verdict,
    ) -> Result<Option<String>> {
        let &Question { from, to, packet } = question;
        let reply = Packet {
            source: to,
            destination: from.address,
            transport: transport(packet),
        };
        let destination = trace.destination.as_ref();
        let destination = destination
            .and_then(|id| records.interfaces.iter().find(|found| found.id == *id))
            .filter(|found| found.vpc != from.vpc && found.attachment.is_some())
            // Nobody would get a reply.
            .filter(|_| from.attachment.is_some());
        let decided = Directions {
            there,
            back: match destination {
                Some(destination) => Some(self.engine.decide(&destination.id, &reply).await?),
                None => None,
            },
        };
        Ok(compare::difference(trace, &decided))
    }
}

/// The packet as the data path sees it.
fn transport(packet: trace::Packet) -> Transport {
    match packet {
        trace::Packet::Tcp { port } => Transport::Tcp {
            source_port: SOURCE_PORT,
            destination_port: port,
        },
        trace::Packet::Udp { port } => Transport::Udp {
            source_port: SOURCE_PORT,
            destination_port: port,
        },
        trace::Packet::Icmp { kind, code } => Transport::Icmp { kind, code },
    }
}

/// The one interface that is meant.
fn find_sender<'r>(records: &'r Records, request: &TracePath) -> Result<&'r NetworkInterface> {
    let is_meant = |interface: &&NetworkInterface| {
        let named = match &request.from {
            Sender::Interface(id) => interface.id == *id,
            Sender::Address(address) => interface.address == *address,
        };
        named && request.vpc.as_ref().is_none_or(|vpc| interface.vpc == *vpc)
    };
    let found: Vec<_> = records.interfaces.iter().filter(is_meant).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(hinted(
            match (&request.from, &request.vpc) {
                (Sender::Interface(id), None) => format!("there is no network interface {id}"),
                (Sender::Interface(id), Some(vpc)) => {
                    format!("there is no network interface {id} in {vpc}")
                }
                (Sender::Address(address), None) => {
                    format!("no network interface has the address {address}")
                }
                (Sender::Address(address), Some(vpc)) => {
                    format!("no network interface in {vpc} has the address {address}")
                }
            },
            "`tombolo top --once` shows the interfaces of running workloads",
        )),
        _ => {
            let candidates: Vec<String> = found.iter().map(|one| candidate(one)).collect();
            Err(hinted(
                format!(
                    "{} network interfaces have that address: {}",
                    found.len(),
                    candidates.join("; ")
                ),
                "name one by its id, or its VPC with --vpc",
            ))
        }
    }
}

fn candidate(interface: &NetworkInterface) -> String {
    format!(
        "{} in {} of account {}",
        interface.id, interface.vpc, interface.scope.account
    )
}
